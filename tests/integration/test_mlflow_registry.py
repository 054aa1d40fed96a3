"""MLflow's calls on registered models and versions, on moto. One thread: races run on the local stack."""

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.integration.conftest import ROOT, Context, client, event
from zeroloop.errors import Unavailable
from zeroloop.registry import audit
from zeroloop.registry.catalogue import Made
from zeroloop.registry.rules import Facts
from zeroloop.registry.service import Admissions

MODELS, VERSIONS = "/api/2.0/mlflow/registered-models", "/api/2.0/mlflow/model-versions"
SMALL = ROOT / "examples/sentiment/packages/small"

Answer = tuple[int, dict[str, Any]]


class Api:
    """The registry function, as MLflow's client and as our own callers talk to it."""

    def __init__(self, module: ModuleType) -> None:
        self.module = module
        self.admitted: list[tuple[str, int]] = []
        module.registry._admit = module.catalogue._admit = lambda *named: self.admitted.append(named)

    def __call__(self, method: str, path: str, query: Any = None, /, **body: Any) -> Answer:
        sent = event("registry", "promote")
        http = sent["requestContext"]["http"]
        http["method"], http["path"], sent["rawPath"] = method, path, path
        query = body if method == "GET" and query is None else query or {}
        sent["rawQueryString"] = urlencode(query, doseq=True)
        sent["body"] = json.dumps(body)
        answer = self.module.lambda_handler(sent, Context())
        return answer["statusCode"], json.loads(answer["body"])

    def ok(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        status, answer = self(method, path, **body)
        assert status == 200, answer
        return answer

    def create(self, name: str = "film", source: str = "s3://elsewhere/model", **body: Any) -> dict[str, Any]:
        answer = self.ok("POST", f"{VERSIONS}/create", name=name, source=source, **body)
        return dict(answer["model_version"])

    def version(self, number: int, name: str = "film") -> dict[str, Any]:
        return dict(self.ok("GET", f"{VERSIONS}/get", name=name, version=str(number))["model_version"])

    def model(self, name: str = "film") -> dict[str, Any]:
        return dict(self.ok("GET", f"{MODELS}/get", name=name)["registered_model"])

    def alias(self, alias: str, number: int, name: str = "film") -> Answer:
        return self("POST", f"{MODELS}/alias", name=name, alias=alias, version=str(number))

    def move(self, number: int, stage: str, **body: Any) -> Answer:
        return self("POST", f"{VERSIONS}/transition-stage", name="film", version=str(number), stage=stage, **body)

    def lineup(self, name: str = "film") -> dict[str, Any]:
        status, lineup = self("GET", f"/models/{name}/lineup")
        assert status == 200, lineup
        return lineup

    def package(self, seed: int = 1, *, ready: bool = True, name: str = "film") -> int:
        """Register a package by its manifest, and admit it."""
        files = [{"path": "model.tflite", "sha256": f"{seed:064x}", "size": 4}]
        files.append({"path": "package.json", "sha256": "b" * 64, "size": 2})
        _, body = self("POST", f"/models/{name}/versions", files=files)
        if ready:
            self.admit(body["model_id"], body["version"])
        return int(body["version"])

    def admit(self, model_id: str, number: int) -> None:
        admissions = Admissions(self.module.store)
        version = admissions.pending(model_id, number)
        assert version
        admissions.admit(version, Facts(description="told by its package", run_id="r1"))


@pytest.fixture(name="api")
def _api(load: Callable[[str], ModuleType]) -> Api:
    return Api(load("registry"))


@pytest.fixture(name="film")
def _film(api: Api) -> Api:
    """A registry that holds the model `film`."""
    api.ok("POST", f"{MODELS}/create", name="film")
    return api


def test_a_model_is_made_once(api: Api) -> None:
    made = api.ok("POST", f"{MODELS}/create", name="film", description="d", tags=[{"key": "k", "value": ""}])
    model = made["registered_model"]
    assert model.pop("creation_timestamp") == model.pop("last_updated_timestamp") > 0
    assert model == {"name": "film", "description": "d", "tags": [{"key": "k", "value": ""}]}
    assert api.model() == made["registered_model"] | api.model()
    status, answer = api("POST", f"{MODELS}/create", name="film")
    assert (status, answer["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")


def test_a_version_without_a_package_is_ready_in_mlflows_words_and_unpackaged_in_ours(film: Api) -> None:
    made = film.create(run_id="r", tags=[{"key": "t", "value": "1"}, {"key": "t", "value": "2"}])
    assert made.pop("creation_timestamp") == made.pop("last_updated_timestamp") > 0
    assert made == {
        "name": "film",
        "version": "1",
        "current_stage": "None",
        "description": "",
        "source": "s3://elsewhere/model",
        "run_id": "r",
        "run_link": "",
        "status": "READY",
        "tags": [{"key": "t", "value": "2"}],
    }
    own = film("GET", "/models/film/versions/1")[1]
    assert (own["state"], own["stage"], own["digest"], own["run_id"]) == ("UNPACKAGED", None, "", "r")
    assert own["origin"]["source"] == "s3://elsewhere/model"
    status, refusal = film("POST", "/models/film/promote", version=1, reason="x")
    assert (status, refusal["code"]) == (409, "no_package")
    assert film("POST", "/models/film/versions/1/complete")[1]["state"] == "UNPACKAGED"
    assert film("GET", "/models/film/versions/1/download")[1]["code"] == "no_package"
    assert film.admitted == []


def test_versions_of_both_kinds_share_one_sequence(film: Api) -> None:
    assert [film.create()["version"], film.package(), film.create()["version"], film.package(2)] == ["1", 2, "3", 4]
    assert film.model()["latest_versions"][0]["version"] == "4"


def test_a_version_registered_by_its_manifest_is_seen_through_mlflow(film: Api) -> None:
    film.package(ready=False)
    assert film.version(1)["status"] == "PENDING_REGISTRATION"
    own = film("GET", "/models/film/versions/1")[1]
    film.admit(own["model_id"], 1)
    shown = film.version(1)
    place = f"s3://artifacts/models/{own['model_id']}/{own['digest']}"
    assert (shown["status"], shown["source"], shown["run_id"]) == ("READY", place, "r1")
    assert shown["description"] == "told by its package"
    answer = film.ok("GET", f"{VERSIONS}/get-download-uri", name="film", version="1")
    assert answer == {"artifact_uri": place}


def test_the_alias_champion_promotes_and_is_derived_from_the_lineup(film: Api) -> None:
    film.package(1)
    film.package(2)
    assert film.alias("champion", 1) == (200, {})
    assert film.alias("champion", 1) == (200, {}), "asked again, nothing changes"
    assert film.lineup()["revision"] == 1
    assert film.alias("champion", 2) == (200, {})
    lineup = film.lineup()
    assert (lineup["champion"], lineup["previous"], lineup["revision"]) == (2, 1, 2)
    history = film("GET", "/models/film/history")[1]["history"]
    assert history[0]["action"] == "promote"
    assert "through MLflow" in history[0]["reason"]
    assert film("POST", "/models/film/rollback", reason="bad")[0] == 200
    assert film.model()["aliases"] == [{"alias": "champion", "version": "1"}]
    named = film.ok("GET", f"{MODELS}/alias", name="film", alias="champion")["model_version"]
    assert (named["version"], named["current_stage"], named["aliases"]) == ("1", "Production", ["champion"])


def test_deleting_the_alias_champion_empties_the_lineup(film: Api) -> None:
    film.package()
    film.alias("champion", 1)
    film.ok("DELETE", f"{MODELS}/alias", name="film", alias="champion")
    film.ok("DELETE", f"{MODELS}/alias", name="film", alias="champion")
    lineup = film.lineup()
    assert (lineup["champion"], lineup["previous"], lineup["revision"]) == (None, 1, 2)
    assert film("GET", "/models/film/history")[1]["history"][0]["action"] == "clear"
    assert film("GET", f"{MODELS}/alias", name="film", alias="champion")[0] == 400
    assert film("POST", "/models/film/rollback", reason="it was fine")[1]["champion"] == 1


@pytest.mark.parametrize("ask", [lambda api: api.alias("champion", 1), lambda api: api.move(1, "production")])
def test_what_waits_for_admission_or_failed_it_can_not_be_made_champion(
    film: Api, ask: Callable[[Api], Answer]
) -> None:
    film.package(ready=False)
    status, answer = ask(film)
    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    admissions = Admissions(film.module.store)
    version = film.module.registry.version("film", 1)
    admissions.refuse(version, "crashes the interpreter")
    assert "crashes the interpreter" in ask(film)[1]["message"]
    assert film.version(1) | {"status": "FAILED_REGISTRATION", "status_message": "crashes the interpreter"} == (
        film.version(1)
    )
    assert film.lineup()["revision"] == 0


def test_without_packages_champion_and_production_are_plain_words(film: Api) -> None:
    film.create()
    film.create()
    assert film.alias("champion", 1)[0] == film.alias("champion", 2)[0] == 200
    assert film.move(1, "production")[0] == film.move(2, "Production")[0] == 200
    named = film.ok("GET", f"{MODELS}/alias", name="film", alias="champion")["model_version"]
    assert (named["version"], named["current_stage"]) == ("2", "Production")
    assert [version["version"] for version in film.model()["latest_versions"]] == ["2"]
    assert film.lineup()["revision"] == 0


@pytest.mark.parametrize("ask", [lambda api: api.alias("champion", 1), lambda api: api.move(1, "production")])
def test_a_version_without_a_package_does_not_take_over_from_one_that_serves(
    film: Api, ask: Callable[[Api], Answer]
) -> None:
    film.create()
    film.package()
    film.alias("champion", 2)
    status, answer = ask(film)
    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    assert "serves film" in answer["message"]
    assert film.lineup()["champion"] == 2


def test_a_promotion_takes_the_word_champion_from_a_version_without_a_package_for_good(film: Api) -> None:
    film.create()
    film.package()
    film.alias("champion", 1)
    assert film("POST", "/models/film/promote", version=2, reason="x")[0] == 200
    assert film.model()["aliases"] == [{"alias": "champion", "version": "2"}]
    film.ok("DELETE", f"{MODELS}/alias", name="film", alias="champion")
    assert "aliases" not in film.model()


def test_production_promotes_and_leaving_it_empties_the_lineup(film: Api) -> None:
    film.package(1)
    film.package(2)
    status, answer = film.move(1, "production")
    assert (status, answer["model_version"]["current_stage"]) == (200, "Production")
    assert answer["model_version"]["aliases"] == ["champion"]
    film.move(2, "Production", archive_existing_versions=True)
    assert film.version(1)["current_stage"] == "Archived"
    assert film.lineup()["champion"] == 2
    assert film.move(2, "Archived")[0] == 200
    assert (film.lineup()["champion"], film.lineup()["previous"]) == (None, 2)
    assert film.version(2)["current_stage"] == "Archived"


def test_after_a_rollback_the_newest_in_production_is_who_serves(film: Api) -> None:
    film.package(1)
    film.package(2)
    film.move(1, "Production")
    film.move(2, "Production")
    film("POST", "/models/film/rollback", reason="bad")
    newest = film.ok("POST", f"{MODELS}/get-latest-versions", name="film", stages=["production"])
    assert [version["version"] for version in newest["model_versions"]] == ["1"]


def test_the_newest_version_of_each_stage_is_told(film: Api) -> None:
    for _ in range(5):
        film.create()
    film.move(1, "Staging")
    film.move(2, "Staging")
    film.move(5, "Archived")
    found = film.ok("GET", f"{MODELS}/get-latest-versions", name="film")["model_versions"]
    assert {version["version"]: version["current_stage"] for version in found} == {
        "2": "Staging",
        "4": "None",
        "5": "Archived",
    }


def test_many_versions_are_archived_in_several_steps(film: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(film.module.store.save_lineup.__globals__, "_MOST_STAGES", 2)
    for number in range(1, 7):
        film.create()
        film.move(number, "Staging")
    assert film.move(6, "Staging", archive_existing_versions=True)[0] == 200
    stages = film.module.catalogue.about("film").stages
    assert stages == {**dict.fromkeys(range(1, 6), "Archived"), 6: "Staging"}


def test_tags_are_written_and_deleted_one_by_one(film: Api) -> None:
    film.create()
    for key, value in (("b", "2"), ("a", "x" * 100_000), ("a", "1")):
        film.ok("POST", f"{MODELS}/set-tag", name="film", key=key, value=value)
        film.ok("POST", f"{VERSIONS}/set-tag", name="film", version="1", key=key, value=value)
    both = [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    assert film.model()["tags"] == film.version(1)["tags"] == both
    for _ in range(2):
        film.ok("DELETE", f"{MODELS}/delete-tag", name="film", key="a")
        film.ok("DELETE", f"{VERSIONS}/delete-tag", name="film", version="1", key="a")
    assert film.model()["tags"] == film.version(1)["tags"] == both[1:]


def test_descriptions_come_and_go(film: Api) -> None:
    film.create(description="first")
    assert film.version(1)["description"] == "first"
    film.ok("PATCH", f"{VERSIONS}/update", name="film", version="1", description="second")
    assert film.version(1)["description"] == "second"
    film.ok("PATCH", f"{VERSIONS}/update", name="film", version="1")
    assert "description" not in film.version(1)
    film.ok("PATCH", f"{MODELS}/update", name="film", description="d")
    assert film.model()["description"] == "d"
    film.ok("PATCH", f"{MODELS}/update", name="film")
    assert "description" not in film.model()


def test_a_renamed_model_keeps_all_it_has_and_its_old_name_is_free(film: Api) -> None:
    film.package()
    film.alias("champion", 1)
    film.alias("best", 1)
    film.ok("POST", f"{MODELS}/rename", name="film", new_name="movie")
    assert film("GET", f"{MODELS}/get", name="film")[0] == 404
    assert [alias["alias"] for alias in film.model("movie")["aliases"]] == ["best", "champion"]
    lineup = film.lineup("movie")
    assert (lineup["model"], lineup["champion"], lineup["revision"]) == ("movie", 1, 2)
    history = film("GET", "/models/movie/history")[1]["history"]
    assert history[0]["action"] == "rename"
    assert audit.faults(reversed(history), 2) == []
    assert [model["model"] for model in film("GET", "/models")[1]["models"]] == ["movie"]
    film.ok("POST", f"{MODELS}/create", name="film")
    status, answer = film("POST", f"{MODELS}/rename", name="movie", new_name="film")
    assert (status, answer["error_code"]) == (400, "RESOURCE_ALREADY_EXISTS")
    film.ok("POST", f"{MODELS}/rename", name="movie", new_name="movie")


def test_a_version_that_serves_is_not_deleted_and_the_previous_one_is_forgotten(film: Api) -> None:
    for seed in (1, 2, 3):
        film.package(seed)
    film.alias("champion", 1)
    film.alias("champion", 2)
    film("POST", "/models/film/challenger", version=3, traffic=0.1, reason="canary")
    for number, word in ((2, "champion"), (3, "challenger")):
        status, answer = film("DELETE", f"{VERSIONS}/delete", name="film", version=str(number))
        assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
        assert word in answer["message"]
    film.alias("old", 1)
    film.ok("POST", f"{VERSIONS}/set-tag", name="film", version="1", key="k", value="v")
    film.ok("DELETE", f"{VERSIONS}/delete", name="film", version="1")
    lineup = film.lineup()
    assert (lineup["previous"], lineup["champion"], lineup["challenger"], lineup["revision"]) == (None, 2, 3, 4)
    assert film("GET", f"{VERSIONS}/get", name="film", version="1")[0] == 404
    assert film.model()["aliases"] == [{"alias": "champion", "version": "2"}]
    assert film.package(1) == 4, "the same bytes are a new version, and numbers aren't given twice"
    assert "tags" not in film.version(4)


def test_a_deleted_model_leaves_its_audit_chain_and_its_name(film: Api) -> None:
    film.package()
    film.create(tags=[{"key": "k", "value": "v"}])
    film.alias("champion", 1)
    status, answer = film("DELETE", f"{MODELS}/delete", name="film")
    assert (status, answer["error_code"]) == (409, "RESOURCE_CONFLICT")
    old = film.lineup()["model_id"]
    film.ok("DELETE", f"{MODELS}/alias", name="film", alias="champion")
    film.ok("DELETE", f"{MODELS}/delete", name="film")
    assert film("DELETE", f"{MODELS}/delete", name="film")[0] == 404
    rows = client("dynamodb").scan(TableName="registry")["Items"]
    assert sorted(row["sk"]["S"] for row in rows) == ["AUDIT#00000001", "AUDIT#00000002", "AUDIT#00000003"]
    film.ok("POST", f"{MODELS}/create", name="film")
    assert film.create()["version"] == "1"
    assert film.lineup()["model_id"] != old


def upload(prefix: str) -> None:
    for path in SMALL.iterdir():
        client("s3").put_object(Bucket="artifacts", Key=f"{prefix}/{path.name}", Body=path.read_bytes())


@pytest.mark.parametrize("folder", ["", "/package"])
@pytest.mark.parametrize(
    "source", ["s3://artifacts/artifacts/1/r/artifacts/model", "mlflow-artifacts:/1/r/artifacts/model"]
)
def test_artifacts_that_hold_a_package_are_admitted(
    film: Api, load: Callable[[str], ModuleType], source: str, folder: str
) -> None:
    upload(f"artifacts/1/r/artifacts/model{folder}")
    client("s3").put_object(Bucket="artifacts", Key="artifacts/1/r/artifacts/model-other/x", Body=b"x")
    made = film.create(source=source, run_id="r")
    assert (made["status"], film.admitted) == ("PENDING_REGISTRATION", [(film.lineup()["model_id"], 1)])
    sent = {"model_id": film.lineup()["model_id"], "version": 1}
    admission = load("admission")
    assert admission.lambda_handler(sent, Context()) == {"settled": "READY", "reason": None}
    assert admission.lambda_handler(sent, Context()) == {"settled": "already"}
    own = film("GET", "/models/film/versions/1")[1]
    assert {file["path"] for file in own["files"]} == {path.name for path in SMALL.iterdir()}
    for file in own["files"]:
        stored = client("s3").get_object(
            Bucket="artifacts", Key=f"models/{own['model_id']}/{own['digest']}/{file['path']}"
        )
        assert stored["Body"].read() == (SMALL / file["path"]).read_bytes()
    assert film.version(1)["source"] == source
    assert film.alias("champion", 1) == (200, {})
    assert film.lineup()["champion"] == 1


def test_a_version_whose_admission_cannot_be_started_is_failed_and_may_be_completed(film: Api) -> None:
    def busy(*_: Any) -> None:
        raise Unavailable("function admission: it did not answer")

    admit, film.module.catalogue._admit = film.module.catalogue._admit, busy
    upload("artifacts/model")
    made = film.create(source="s3://artifacts/artifacts/model")
    assert (made["version"], made["status"]) == ("1", "FAILED_REGISTRATION")
    assert "could not be started" in made["status_message"]
    assert film.version(1)["status"] == "FAILED_REGISTRATION"
    film.module.catalogue._admit = admit
    assert film("POST", "/models/film/versions/1/complete")[0] == 202
    assert (film.version(1)["status"], film.admitted) == (
        "PENDING_REGISTRATION",
        [(film.lineup()["model_id"], 1)],
    )


def test_a_prompt_is_refused_and_leaves_no_model_behind(film: Api) -> None:
    tags = [{"key": "mlflow.prompt.is_prompt", "value": "true"}]
    status, answer = film("POST", f"{MODELS}/create", name="greeting", tags=tags)
    assert (status, answer["error_code"]) == (404, "ENDPOINT_NOT_FOUND")
    assert "prompts are not supported" in answer["message"]
    assert film("GET", f"{MODELS}/get", name="greeting")[0] == 404


def test_an_admission_that_died_after_its_files_were_put_is_repeated(
    film: Api, load: Callable[[str], ModuleType]
) -> None:
    upload("artifacts/model")
    film.create(source="s3://artifacts/artifacts/model")
    sent = {"model_id": film.lineup()["model_id"], "version": 1}
    admission = load("admission")
    admit, admission.admissions.admit = admission.admissions.admit, died
    with pytest.raises(RuntimeError):
        admission.lambda_handler(sent, Context())
    assert film.version(1)["status"] == "PENDING_REGISTRATION"
    admission.admissions.admit = admit
    assert admission.lambda_handler(sent, Context())["settled"] == "READY"


def died(*_: Any) -> None:
    raise RuntimeError


def test_artifacts_whose_package_is_no_good_fail_with_the_reason_and_are_tried_again(
    film: Api, load: Callable[[str], ModuleType]
) -> None:
    upload("artifacts/model")
    client("s3").put_object(Bucket="artifacts", Key="artifacts/model/model.tflite", Body=b"no model")
    film.create(source="s3://artifacts/artifacts/model")
    sent = {"model_id": film.lineup()["model_id"], "version": 1}
    assert load("admission").lambda_handler(sent, Context())["settled"] == "FAILED"
    shown = film.version(1)
    assert shown["status"] == "FAILED_REGISTRATION"
    assert "model.tflite" in shown["status_message"] or "flatbuffer" in shown["status_message"]
    assert not [key for key in keys() if key.startswith("models/")]
    upload("artifacts/model")
    assert film("POST", "/models/film/versions/1/complete")[0] == 202
    assert load("admission").lambda_handler(sent, Context())["settled"] == "READY"


def keys() -> list[str]:
    return [found["Key"] for found in client("s3").list_objects_v2(Bucket="artifacts").get("Contents", [])]


def test_a_logged_model_is_located_and_its_run_is_known(film: Api) -> None:
    film.module.catalogue._locate = {"m-1": Made("s3://artifacts/artifacts/m-1", "r9")}.get
    made = film.create(source="models:/m-1", model_id="m-1")
    assert (made["source"], made["run_id"], made["status"]) == ("models:/m-1", "r9", "READY")
    place = film.ok("GET", f"{VERSIONS}/get-download-uri", name="film", version="1")
    assert place == {"artifact_uri": "s3://artifacts/artifacts/m-1"}
    upload("artifacts/m-1/package")
    assert film.create(source="models:/m-1", model_id="m-1")["status"] == "PENDING_REGISTRATION"


def test_a_version_is_made_from_another_by_number_alias_and_stage(film: Api) -> None:
    film.create(source="s3://b/m", run_id="r")
    film.alias("best", 1)
    film.move(1, "Staging")
    film.ok("POST", f"{MODELS}/create", name="copies")
    for source in ("models:/film/1", "models:/film@best", "models:/film/staging", "models:/film/latest"):
        made = film.create(name="copies", source=source)
        assert (made["source"], made["run_id"]) == ("models:/film/1", "r")
        answer = film.ok("GET", f"{VERSIONS}/get-download-uri", name="copies", version=made["version"])
        assert answer == {"artifact_uri": "s3://b/m"}


def test_searches_see_what_was_written_just_now(film: Api) -> None:
    film.ok("POST", f"{MODELS}/create", name="book", tags=[{"key": "t", "value": "1"}])
    film.create(run_id="r7")
    film.package()
    named = film.ok("GET", f"{MODELS}/search")["registered_models"]
    assert [model["name"] for model in named] == ["book", "film"]
    assert film.ok("GET", f"{MODELS}/search", filter="tags.t = '1'")["registered_models"][0]["name"] == "book"
    first = film.ok("GET", f"{MODELS}/search", max_results=1, order_by=["name DESC"])
    assert [model["name"] for model in first["registered_models"]] == ["film"]
    second = film.ok(
        "GET", f"{MODELS}/search", max_results=1, order_by=["name DESC"], page_token=first["next_page_token"]
    )
    assert [model["name"] for model in second["registered_models"]] == ["book"]
    assert "next_page_token" not in second
    found = film.ok("GET", f"{VERSIONS}/search", filter="name = 'film'", order_by=["version_number ASC"])
    assert [version["version"] for version in found["model_versions"]] == ["1", "2"]
    assert film.ok("GET", f"{VERSIONS}/search", filter="run_id = 'r7'")["model_versions"][0]["version"] == "1"
    assert film.ok("GET", f"{VERSIONS}/search", filter="name = 'nobody'") == {}


def test_a_model_is_read_by_two_reads_and_one_for_each_stage_that_has_a_version(
    film: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    made = film.module.store.get_model.__globals__["_NameRow"]._get_connection().connection.client
    real = made._make_api_call

    def counted(name: str, sent: Any) -> Any:
        calls.append(name)
        return real(name, sent)

    monkeypatch.setattr(made, "_make_api_call", counted)
    film.model()
    assert calls == ["GetItem", "Query"]
    film.create()
    calls.clear()
    film.model()
    assert calls == ["GetItem", "Query", "Query"]


INVALID, UNKNOWN = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
REFUSALS = [
    ("POST", f"{MODELS}/create", {}, 400, INVALID),
    ("POST", f"{MODELS}/create", {"name": "a/b"}, 400, INVALID),
    ("POST", f"{MODELS}/create", {"name": 5}, 400, INVALID),
    ("POST", f"{MODELS}/create", {"name": "x", "tags": [{"value": "1"}]}, 400, INVALID),
    ("POST", f"{MODELS}/create", {"name": "x", "description": "d" * 10_001}, 400, INVALID),
    ("GET", f"{MODELS}/get", {"name": "nobody"}, 404, UNKNOWN),
    ("PATCH", f"{MODELS}/update", {"name": "nobody"}, 404, UNKNOWN),
    ("DELETE", f"{MODELS}/delete", {"name": "nobody"}, 404, UNKNOWN),
    ("POST", f"{MODELS}/rename", {"name": "nobody", "new_name": "x"}, 404, UNKNOWN),
    ("POST", f"{MODELS}/set-tag", {"name": "film", "key": "k" * 251}, 400, INVALID),
    ("POST", f"{MODELS}/set-tag", {"name": "film", "key": "../k"}, 400, INVALID),
    ("POST", f"{MODELS}/set-tag", {"name": "film", "key": "k", "value": "v" * 100_001}, 400, INVALID),
    ("POST", f"{VERSIONS}/set-tag", {"name": "film", "version": "9", "key": "k"}, 404, UNKNOWN),
    ("DELETE", f"{VERSIONS}/delete-tag", {"name": "film", "version": "9", "key": "k"}, 404, UNKNOWN),
    ("GET", f"{VERSIONS}/get", {"name": "film", "version": "one"}, 400, INVALID),
    ("GET", f"{VERSIONS}/get", {"name": "film", "version": "0"}, 404, UNKNOWN),
    ("GET", f"{VERSIONS}/get", {"name": "film", "version": "9" * 5000}, 400, INVALID),
    ("PATCH", f"{VERSIONS}/update", {"name": "film", "version": 1}, 400, INVALID),
    ("DELETE", f"{VERSIONS}/delete", {"name": "film", "version": "9"}, 404, UNKNOWN),
    ("POST", f"{VERSIONS}/create", {"name": "nobody", "source": "s3://x"}, 404, UNKNOWN),
    ("POST", f"{VERSIONS}/create", {"name": "film", "source": "/etc"}, 400, INVALID),
    ("POST", f"{VERSIONS}/create", {"name": "film", "source": "models:/nobody/1"}, 404, UNKNOWN),
    ("POST", f"{VERSIONS}/create", {"name": "film", "source": "models:/m-1", "model_id": "m-1"}, 404, UNKNOWN),
    ("POST", f"{VERSIONS}/transition-stage", {"name": "film", "version": "9", "stage": "None"}, 404, UNKNOWN),
    ("POST", f"{VERSIONS}/transition-stage", {"name": "film", "version": "9", "stage": "Limbo"}, 400, INVALID),
    ("POST", f"{MODELS}/alias", {"name": "film", "alias": "a", "version": "9"}, 404, UNKNOWN),
    ("POST", f"{MODELS}/alias", {"name": "film", "alias": "v1", "version": "9"}, 400, INVALID),
    ("GET", f"{MODELS}/alias", {"name": "film", "alias": "nobody"}, 400, INVALID),
    ("GET", f"{MODELS}/alias", {"name": "film", "alias": "latest"}, 404, UNKNOWN),
    ("GET", f"{MODELS}/search", {"max_results": 1001}, 400, INVALID),
    ("GET", f"{MODELS}/search", {"max_results": 0}, 400, INVALID),
    ("GET", f"{MODELS}/search", {"filter": "weather = 'x'"}, 400, INVALID),
    ("GET", f"{VERSIONS}/search", {"order_by": "weather"}, 400, INVALID),
    ("GET", f"{VERSIONS}/search", {"page_token": "garbage"}, 400, INVALID),
    ("GET", f"{MODELS}/nothing", {}, 404, "ENDPOINT_NOT_FOUND"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSALS)
def test_refusals_are_told_in_mlflows_words(
    film: Api, method: str, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    got, answer = film(method, path, **body)
    assert (got, answer["error_code"]) == (status, code)
    assert answer["message"]
