"""MLflow's calls about logged models."""

import msgspec

from zeroloop.errors import InvalidInput
from zeroloop.mlflow import logged_models as wire
from zeroloop.mlflow.wire import KeyValue, Message, given, is_absent
from zeroloop.rpc import Rpc
from zeroloop.tracking.model_service import LoggedModels, NewModel, Wanted


class ModelCalls:
    """What the routes of logged models do."""

    def __init__(self, models: LoggedModels) -> None:
        self._models = models

    def table(self) -> list[Rpc]:
        """Every call with its route."""
        every, one = "/2.0/mlflow/logged-models", "/2.0/mlflow/logged-models/<model_id>"
        return [
            Rpc("POST", every, wire.CreateModel, self.create, ("experiment_id",)),
            Rpc("POST", f"{every}/search", wire.SearchModels, self.search, ("experiment_ids",)),
            Rpc("GET", one, wire.OneModel, self.get),
            Rpc("PATCH", one, wire.FinalizeModel, self.finalize, ("status",)),
            Rpc("DELETE", one, wire.OneModel, self.delete),
            Rpc("PATCH", f"{one}/tags", wire.ModelTags, self.set_tags),
            Rpc("DELETE", f"{one}/tags/<tag_key>", wire.ModelTag, self.delete_tag),
            Rpc("POST", f"{one}/params", wire.ModelParams, self.log_params),
        ]

    def create(self, asked: wire.CreateModel) -> Message:
        """PENDING."""
        new = NewModel(
            experiment_id=asked.experiment_id,
            name=asked.name,
            model_type=asked.model_type,
            run_id=asked.source_run_id,
            params=_pairs(asked.params),
            tags=_pairs(asked.tags),
        )
        return wire.Found(model=wire.shown(self._models.create(new)))

    def get(self, asked: wire.OneModel) -> Message:
        """404 for a deleted one."""
        return wire.Found(model=wire.shown(self._models.get(asked.model_id)))

    def finalize(self, asked: wire.FinalizeModel) -> Message:
        """READY or UPLOAD_FAILED."""
        status = wire.status(asked.status)
        if status is None:
            raise InvalidInput(f"Invalid value {asked.status!r} for parameter 'status' supplied.", field="status")
        return wire.Found(model=wire.shown(self._models.finalize(asked.model_id, status)))

    def delete(self, asked: wire.OneModel) -> None:
        """Once or more."""
        self._models.delete(asked.model_id)

    def set_tags(self, asked: wire.ModelTags) -> None:
        """Whatever they were before."""
        self._models.set_tags(asked.model_id, _pairs(asked.tags))

    def delete_tag(self, asked: wire.ModelTag) -> None:
        """404 where there is none."""
        self._models.delete_tag(asked.model_id, asked.tag_key)

    def log_params(self, asked: wire.ModelParams) -> None:
        """Once for all: another value is refused."""
        self._models.log_params(asked.model_id, _pairs(asked.params))

    def search(self, asked: wire.SearchModels) -> Message:
        """50 a page, where nothing else is said."""
        wanted = Wanted(
            filter=asked.filter,
            datasets=[(dataset.dataset_name, dataset.dataset_digest) for dataset in asked.datasets],
            order_by=[msgspec.structs.asdict(order) for order in asked.order_by],
            limit=asked.max_results,
            token=asked.page_token,
        )
        page = self._models.search(given(asked.experiment_ids) or [], wanted)
        shown = [wire.shown(model) for model in page.found]
        return wire.FoundMany(models=shown, next_page_token=page.token or "")


def _pairs(sent: list[KeyValue]) -> list[tuple[str, str]]:
    return [(pair.key, pair.value) for pair in sent if not is_absent(pair.key)]
