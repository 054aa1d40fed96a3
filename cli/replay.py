"""`zeroloop replay MODEL`: archived predictions, asked again, and whether the answers are the same."""

import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import model
from cli.account import Account, on_account
from cli.show import show, table
from cli.window import Window, in_window
from zeroloop import clock
from zeroloop.monitoring import archived
from zeroloop.monitoring.archived import Predicted
from zeroloop.monitoring.lines import Told

if TYPE_CHECKING:
    from zeroloop.inference.answers import Answer
    from zeroloop.inference.model import Model


@click.command("replay")
@click.argument("name", metavar="MODEL")
@click.option("--version", type=int, help="Which to ask.  [default: of each prediction the one that answered it]")
@in_window
@on_account
def replay_command(name: str, version: int | None, span: Window, account: Account, *, as_json: bool) -> None:
    """Ask a version of MODEL again what was predicted, and compare; exits 1 if a version contradicts itself.

    Inputs are taken as sent where they are kept (LogInstances), else as the model saw them.
    """
    found = replay(account, name, span, version)
    show(found, as_json, f"{name}, {span}\n{told(found)}")
    if found["contradictions"]:
        raise SystemExit(1)


def told(found: dict[str, Any]) -> str:
    """A replay in lines."""
    if not found["compared"]:
        return "nothing was compared: no prediction of this time is in the archive"
    parts = ("answered_by", "asked", "predictions", "same", "same_label")
    rows = [[*(one[part] for part in parts), f"{one['largest_difference']:.6f}"] for one in found["compared"]]
    head = ["answered by", "asked", "predictions", "same bits", "same label", "largest difference"]
    left = [f"left out: {n}, {why}" for why, n in found["left_out"].items()]
    return "\n".join([table(head, rows), *left, _labels(found["labelled"])])


def replay(account: Account, name: str, span: Window, version: int | None) -> dict[str, Any]:
    """How the answers of now compare with those of then, by the version that answered."""
    from zeroloop.inference import again  # noqa: PLC0415 - LiteRT, which few commands need

    model_id = account.model_id(name)
    labels = archived.labelled(account.archive, model_id, span.start, clock.now_ms() + 1)
    requests: dict[tuple[str, int], list[Predicted]] = {}
    for one in archived.predicted(account.archive, model_id, span.start, span.end):
        requests.setdefault((one.record.request_id, one.record.version or 0), []).append(one)
    comparisons: dict[tuple[int, int], Comparison] = {}
    with tempfile.TemporaryDirectory() as folder:

        @cache
        def loaded(number: int) -> "Model":
            return load(account, name, number, Path(folder) / str(number))

        for (_, number), some in requests.items():
            asked = version or number
            comparison = comparisons.setdefault((number, asked), Comparison())
            answers = again.ask(loaded(asked), loaded(number), [one.told for one in some])
            for one, answer in zip(some, answers, strict=True):
                comparison.add(one, answer, labels)
    return _told(comparisons, name, span)


def load(account: Account, name: str, number: int, folder: Path) -> "Model":
    """A version, each byte verified against its digest."""
    from zeroloop.inference.model import Model  # noqa: PLC0415

    model.download(account.api, name, number, folder)
    return Model({file.name: file.read_bytes() for file in folder.iterdir()})


class Comparison:
    """Counts of answers then and now."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.left_out: Counter[str] = Counter()
        self.largest = 0.0

    def add(self, one: Predicted, answer: "Answer | str", labels: Mapping[str, Told]) -> None:
        """Count one prediction; `answer` is what is answered now, or why nothing is."""
        from zeroloop.inference.service import said  # noqa: PLC0415

        if isinstance(answer, str):
            self.left_out[answer] += 1
            return
        then, now = (one.told.label, one.told.score), said(answer)
        self.counts.update(n=1, same=then == now, same_label=then[0] == now[0])
        if then[0] == now[0] and then[1] is not None and now[1] is not None:
            self.largest = max(self.largest, abs(then[1] - now[1]))
        if feedback := labels.get(one.told.prediction_id):
            was, is_now = then[0] == feedback.label, now[0] == feedback.label
            self.counts.update(labelled=1, right_then=was, right_now=is_now)
            self.counts.update(only_then=was and not is_now, only_now=is_now and not was)


def _told(comparisons: Mapping[tuple[int, int], Comparison], name: str, span: Window) -> dict[str, Any]:
    compared = [
        {
            "answered_by": number,
            "asked": asked,
            "predictions": one.counts["n"],
            "same": one.counts["same"],
            "same_label": one.counts["same_label"],
            "largest_difference": one.largest,
        }
        for (number, asked), one in sorted(comparisons.items())
    ]
    contradictions = sum(one["predictions"] - one["same"] for one in compared if one["answered_by"] == one["asked"])
    left_out: Counter[str] = sum((one.left_out for one in comparisons.values()), Counter())
    labelled: Counter[str] = sum((one.counts for one in comparisons.values()), Counter())
    names = ("labelled", "right_then", "right_now", "only_then", "only_now")
    return {
        "model": name,
        "from": span.start,
        "to": span.end,
        "compared": compared,
        "contradictions": contradictions,
        "left_out": dict(left_out),
        "labelled": {each: labelled[each] for each in names},
    }


def _labels(found: Mapping[str, int]) -> str:
    n = found["labelled"]
    if not n:
        return "no labels are known of these"
    then, now = found["right_then"], found["right_now"]
    return f"of {n} with a label {then} were right then ({then / n:.3f}), {now} are now ({now / n:.3f})"
