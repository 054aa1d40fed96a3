"""The pipeline's steps that need what training needs: data of the archive, data validation, training, evaluation.

    python -m zeroloop_training.steps combine|validate|train|evaluate PROJECT --work FOLDER [--data FILE]

Each writes FOLDER/<result>.json and exits 0, or 4 where the data is what stops the pipeline.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from zeroloop import clock
from zeroloop.digests import sha256
from zeroloop.errors import InvalidInput
from zeroloop.inference import package as packages
from zeroloop.registry.gates import Data
from zeroloop_training import packaging, project
from zeroloop_training.project import Labelled, Project, Unreadable

PACKAGE = "package"
COMBINED = "combined"
"""The data file of a retraining."""
UNFIT = 4
"""Exit code of data that isn't fit; an exception's is 1."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one step."""
    parser = argparse.ArgumentParser(prog="zeroloop_training.steps")
    parser.add_argument("step", choices=("combine", "validate", "train", "evaluate"))
    parser.add_argument("project", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--last", type=Path, help="the evaluation of the champion, whose data this is compared with")
    parser.add_argument("--champion", type=Path, action="append", default=[])
    given = parser.parse_args(words)
    given.work.mkdir(parents=True, exist_ok=True)
    try:
        asked = project.read(given.project)
        if given.step == "combine":
            return combine(asked, given.data, given.work)
        if given.step == "validate":
            return validate(asked, given.data, given.work, given.last)
        if given.step == "train":
            return train(asked, given.data, given.work)
        return evaluate(asked, given.data, given.work, given.champion)
    except InvalidInput as error:
        print(error.message, file=sys.stderr)  # noqa: T201 - a step's refusal, told by the command that started it
        return 1


def combine(asked: Project, assembled: Path, work: Path) -> int:
    """Write a data file of the project's own rows and those in the folder `assembled`."""
    if asked.steps.combine is None:
        raise InvalidInput("pipeline.toml has no step `combine`: docs/pipeline.md says what it does")
    made: project.Combined = project.named(asked.steps.combine)(assembled)
    (work / COMBINED).write_bytes(made.data)
    _write(work / f"{COMBINED}.json", {"digest": sha256(made.data), "left_out": made.left_out, "made": _moment()})
    return 0


def validate(asked: Project, file: Path | None, work: Path, last: Path | None) -> int:
    """Check the data and write its manifest; data that can't be read is a finding, too."""
    from zeroloop_training import checks, profile  # noqa: PLC0415 - pandas, which only this step needs

    try:
        rows = project.rows(asked, file)
    except Unreadable as error:
        findings, data = [checks.Finding("readable", passed=False, says=error.message)], None
    else:
        champion = _profile(last) if last else None
        findings = checks.check(rows, project.named(asked.steps.schema), asked.data, champion)
        seen = profile.profile([row for row in rows if row.split == "train"])
        made = project.manifest(rows, _source(asked, file))
        data = msgspec.structs.replace(made, profile=msgspec.to_builtins(seen))
    passed = all(finding.passed for finding in findings)
    told = {"passed": passed, "findings": findings, "limits": asked.data, "data": data, "made": _moment()}
    _write(work / "data.json", told)
    return 0 if passed else UNFIT


def train(asked: Project, file: Path | None, work: Path) -> int:
    """Train, write the package, and say how it compares with what was trained from the same data before."""
    from zeroloop_training import evaluation, repeated  # noqa: PLC0415

    _fit(asked, file, work)
    files = project.named(asked.steps.train)(file)
    folder = work / PACKAGE
    before = packaging.files(folder) if (folder / "package.json").exists() else {}
    told: dict[str, Any] = {"digest": evaluation.digest(files), "repeated": None}
    if before:
        same = evaluation.digest(before) == told["digest"]
        told["repeated"] = {
            "same_digest": same,
            "differences": [] if same else repeated.differences(before, files),
            "tolerance": {"metric": repeated.METRIC, "score": repeated.SCORE},
        }
    for name in before:
        (folder / name).unlink()
    packaging.write(folder, files)
    _write(work / "trained.json", {**told, "made": _moment()})
    return 0


def evaluate(asked: Project, file: Path | None, work: Path, champions: Sequence[Path]) -> int:
    """Evaluate the package on the data that was validated: the same digests, or nothing.

    A package that was brought here and not trained is evaluated on the project's own data as it is.
    """
    from zeroloop_training import evaluation  # noqa: PLC0415

    brought = file is None and not (work / "trained.json").exists() and not (work / "data.json").exists()
    rows, validated = _told(asked, file) if brought else _fit(asked, file, work)
    described = work / PACKAGE / "package.json"
    if not described.exists():
        raise InvalidInput(f"{described} is missing: `zeroloop train` makes it")
    made_of = packages.read(described.read_bytes()).dataset.digest
    if validated.source != made_of:
        raise InvalidInput(
            f"the package was made of {made_of[:12]}, validated was {validated.source[:12]}: train again"
        )
    found = evaluation.evaluate(asked, work / PACKAGE, rows, validated, champions)
    _write(work / "evaluation.json", found)
    return 0


def _fit(asked: Project, file: Path | None, work: Path) -> tuple[list[Labelled], Data]:
    """The rows and their manifest: the ones that were validated in `work`, and fit."""
    rows, now = _told(asked, file)
    told = work / "data.json"
    if not told.exists():
        raise InvalidInput(f"{told} is missing: `zeroloop data validate` makes it, with the same --data")
    found = json.loads(told.read_text())
    if not found["passed"]:
        raise InvalidInput(f"{told}: the data did not pass its validation: `zeroloop data validate` says why")
    validated = msgspec.convert(found["data"], Data)
    if validated.splits != now.splits:
        raise InvalidInput("the data is not what was validated: `zeroloop data validate` first, with the same --data")
    if found.get("limits") != msgspec.to_builtins(asked.data):
        raise InvalidInput(f"{told}: the limits of pipeline.toml are others now: `zeroloop data validate` again")
    return rows, validated


def _told(asked: Project, file: Path | None) -> tuple[list[Labelled], Data]:
    rows = project.rows(asked, file)
    return rows, project.manifest(rows, _source(asked, file))


def _profile(last: Path) -> Any:
    from zeroloop_training.profile import Profile  # noqa: PLC0415

    data = json.loads(last.read_text()).get("data") or {}
    profile = data.get("profile")
    return (
        msgspec.json.decode(msgspec.json.encode(profile), type=Profile) if profile else None
    )  # keys of counts are ints


def _source(asked: Project, file: Path | None) -> str:
    """SHA-256 of the file, or of the rows where a program makes them."""
    if file:
        return sha256(file.read_bytes())
    return str(project.named(asked.steps.source)())


def _moment() -> dict[str, Any]:
    """What may differ from run to run, and is part of no digest."""
    return {"at": clock.iso(clock.now_ms())}


def _write(file: Path, value: Any) -> None:
    file.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
