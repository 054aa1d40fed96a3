"""Does our search accept, refuse, find and order what a stock MLflow server on SQLite does? Exits 1 at the first no.

    PYTHONPATH=shared python tests/conformance/search_fuzz.py [cases] [seed]

needs a Python with mlflow 3.17.2 and msgspec. The cases are written from MLflow's grammar, and then some are bent.
"""

import logging
import math
import random
import re
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlparse
from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelParameter,
    LoggedModelTag,
    Metric,
    Param,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.entities.experiment_tag import ExperimentTag
from mlflow.entities.model_registry import ModelVersionTag, RegisteredModelTag
from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore as Tracking
from mlflow.utils.search_utils import _join_in_comparison_tokens

from zeroloop.errors import InvalidInput
from zeroloop.mlflow.kinds import EXPERIMENTS, LOGGED_MODELS, MODELS, RUNS, VERSIONS, Kind
from zeroloop.mlflow.ordering import Order, page_start, page_token, parse_logged_order, parse_order, position, sort_key
from zeroloop.mlflow.search import Value, matches, parse

KEYS = ["a", "b c", "loss", "u.v", "É", "mlflow.x", "1a", "in", "from", "select", "_z", "A"]
TEXTS = ["x", "X", "xy", "x_", "a%b", "aXb", "é", "É", "", " ", "line\nbreak", "it''s", "5", "0.5", "READY", "true"]
NUMBERS = [0.0, -1.5, 0.5, 2.0, math.nan, math.inf, -math.inf, 1e300, 0.1]
TIMES = [0, 5, 5, 7, 1000]
PROMPT = "mlflow.prompt.is_prompt"
Values = dict[tuple[str, str], Any]


class Stock:
    """A stock server's stores with some of everything, and what they keep as (id, values by entity and key)."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        uri = f"sqlite:///{folder}/mlflow.db"
        self.tracking = Tracking(uri, str(folder))
        self.registry = Registry(uri)
        self.rng = rng
        experiment = "0"
        for number in range(5):
            experiment = self.tracking.create_experiment(
                rng.choice(TEXTS[:6]) + str(number), tags=[ExperimentTag(k, v) for k, v in self._pairs()]
            )
        runs = [self._run(experiment) for _ in range(10)]
        for _ in range(7):
            self._logged(experiment, runs)
        for number in range(6):
            self._model(number, runs)
        self.experiment = experiment

    def _pairs(self) -> list[tuple[str, str]]:
        return [(key, self.rng.choice(TEXTS)) for key in KEYS if self.rng.random() < 0.5]

    def _metrics(self, **more: Any) -> list[Metric]:
        return [
            Metric(key, self.rng.choice(NUMBERS), self.rng.choice(TIMES), self.rng.randrange(3), **more)
            for key in KEYS
            if self.rng.random() < 0.5
        ]

    def _run(self, experiment: str) -> str:
        rng = self.rng
        run = self.tracking.create_run(
            experiment, rng.choice("uU"), rng.choice(TIMES), [], rng.choice(["x", "X y", "é"])
        )
        run_id = str(run.info.run_id)
        self.tracking.log_batch(
            run_id,
            self._metrics(),
            [Param(key, value) for key, value in self._pairs()],
            [RunTag(key, value) for key, value in self._pairs()],
        )
        for _ in range(rng.randrange(3)):
            dataset = Dataset(rng.choice("xX"), rng.choice(["1", "2"]), "local", "{}")
            context = [InputTag("mlflow.data.context", rng.choice(["train", "Train"]))] if rng.random() < 0.7 else []
            self.tracking.log_inputs(run_id, [DatasetInput(dataset, context)])
        if rng.random() < 0.6:
            self.tracking.update_run_info(run_id, RunStatus.FINISHED, rng.choice(TIMES), None)
        return run_id

    def _logged(self, experiment: str, runs: list[str]) -> None:
        model = self.tracking.create_logged_model(
            experiment,
            self.rng.choice(["x", "X", "m_1"]),
            self.rng.choice([None, *runs]),
            [LoggedModelTag(key, value) for key, value in self._pairs()],
            [LoggedModelParameter(key, value) for key, value in self._pairs()],
            self.rng.choice([None, "agent", "Agent"]),
        )
        for run in self.rng.sample(runs, 2):
            metrics = [metric for metric in self._metrics(model_id=model.model_id) if math.isfinite(metric.value)]
            self.tracking.log_batch(run, metrics, [], [])

    def _model(self, number: int, runs: list[str]) -> None:
        name = self.rng.choice(["x", "X", "a_b", "é"]) + str(number)
        marks = [[], [], [(PROMPT, "true")], [(PROMPT, "false")]][number % 4]
        tags = [*self._pairs(), *marks]
        self.registry.create_registered_model(name, [RegisteredModelTag(*tag) for tag in tags])
        for _ in range(self.rng.randrange(4)):
            self.registry.create_model_version(
                name,
                self.rng.choice(["s3://x", "s3://X"]),
                self.rng.choice([None, *runs[:2]]),
                [ModelVersionTag(*tag) for tag in [*self._pairs(), *marks]],
            )

    def find(self, kind: Kind, text: str, order_by: Any) -> list[Any]:
        if kind is RUNS:
            return list(self.tracking.search_runs([self.experiment], text, ViewType.ALL, 100, order_by))
        if kind is EXPERIMENTS:
            return list(self.tracking.search_experiments(ViewType.ALL, 100, text, order_by))
        if kind is LOGGED_MODELS:
            return list(self.tracking.search_logged_models([self.experiment], text, None, 100, order_by))
        if kind is MODELS:
            return list(self.registry.search_registered_models(text, 100, order_by))
        return list(self.registry.search_model_versions(text, 100, order_by))


def values(thing: Any, kind: Kind) -> Values:
    """What a store of ours would answer for `thing`; its id is under ("", "")."""
    if kind is RUNS:
        info, data, datasets = thing.info, thing.data, thing.inputs.dataset_inputs
        return {
            ("", ""): info.run_id,
            **{("attribute", key): getattr(info, key) for key in set(RUNS.attributes.values())},
            **_each("metric", data.metrics),
            **_each("param", data.params),
            **_each("tag", data.tags),
            ("dataset", "name"): tuple(given.dataset.name for given in datasets),
            ("dataset", "digest"): tuple(given.dataset.digest for given in datasets),
            ("dataset", "context"): tuple(tag.value for given in datasets for tag in given.tags),
        }
    given = {
        ("attribute", key): getattr(thing, key, None) for key in {*kind.attributes.values(), *kind.sortable.values()}
    }
    if kind is EXPERIMENTS:
        given |= {("", ""): thing.experiment_id, ("attribute", "experiment_id"): int(thing.experiment_id)}
    elif kind is MODELS:
        given |= {("", ""): thing.name}
    elif kind is VERSIONS:
        number = ("attribute", "version_number")
        given |= {
            ("", ""): (thing.name, thing.version),
            number: thing.version,
            ("attribute", "source_path"): thing.source,
        }
    else:
        given |= {("", ""): thing.model_id, ("attribute", "lifecycle_stage"): "active", **_each("param", thing.params)}
        for metric in sorted(thing.metrics or [], key=lambda metric: (-metric.timestamp, -metric.step, metric.run_id)):
            given["metric", metric.key] = (*(given.get(("metric", metric.key)) or ()), metric.value)
    return given | _each("tag", thing._tags if kind is MODELS else thing.tags)


def _each(entity: str, pairs: dict[str, Any] | None) -> Values:
    return {(entity, key): value for key, value in (pairs or {}).items()}


def found_by_us(things: Sequence[Values], kind: Kind, text: str, order_by: Any) -> list[Any] | None:
    """The ids, page after page of one, or None if the search is refused."""
    try:
        clauses = parse(text, kind)
        orders = parse_logged_order(order_by) if kind is LOGGED_MODELS else parse_order(order_by, kind)
    except InvalidInput:
        return None

    def where(thing: Values) -> Any:
        def value_of(order: Order) -> Value:
            value = thing.get((order.entity, order.key))
            return (value or (None,))[0] if isinstance(value, tuple) else value

        place = position(orders, value_of)
        assert page_start(page_token([text], place), [text], orders) == place
        return sort_key(orders, place)

    def kept(thing: Values) -> bool:
        return all(matches(clause, lambda *name: thing.get(name)) for clause in clauses)

    return [thing["", ""] for thing in sorted(filter(kept, things), key=where)]


class Writer:
    """Filters and orders as people write them, and as they shouldn't."""

    def __init__(self, rng: random.Random, kind: Kind, known: Sequence[str]) -> None:
        self.rng = rng
        self.kind = kind
        self.texts = [*TEXTS, *known]

    def filter(self) -> str:
        pick = self.rng.choice
        joined = pick([" AND ", " AND ", " AND ", " and ", "\nAND\t", " "]).join(
            self._comparison() for _ in range(pick([1, 1, 1, 2, 2, 3]))
        )
        return self._bent(joined)

    def order(self) -> Any:
        rng = self.rng
        if self.kind is LOGGED_MODELS:
            names = [*self.kind.sortable, "metrics.loss", "metrics.b c", "metrics.", "params.a", "oops", ""]
            return [{"field_name": rng.choice(names), "ascending": rng.random() < 0.5} for _ in range(rng.randrange(3))]
        endings = [*["", " DESC", " ASC", " desc", "  asc"] * 3, " DESC NULLS LAST", " down"]
        named = self.kind is RUNS or rng.random() < 0.1
        return [
            self._bent((self._identifier() if named else rng.choice([*self.kind.sortable])) + rng.choice(endings))
            for _ in range(rng.choice([1, 1, 2, 3]))
        ]

    def _identifier(self) -> str:
        pick, entities = self.rng.choice, [*self.kind.entities]
        if self.rng.random() < 0.4:
            key = pick([*self.kind.attributes])
            before = ["attribute."] if self.rng.random() < 0.9 else ["attributes.", "attr.", "run."]
            return pick(["", "", *before]) + self._quoted(key, 0.05)
        entity = pick(entities) if self.rng.random() < 0.95 else pick([*RUNS.entities, "`tags`", "Tags", "model"])
        keys = ["name", "digest", "context"] if entity.startswith("dataset") else [*KEYS[:6], *KEYS, PROMPT]
        return f"{entity}.{self._quoted(pick(keys), 0.4)}"

    def _quoted(self, key: str, share: float) -> str:
        if " " in key or self.rng.random() < share:
            quote = self.rng.choice("```\"'")
            return f"{quote}{key}{quote}"
        return key

    def _comparison(self) -> str:
        rng, pick = self.rng, self.rng.choice
        name = self._identifier()
        number = name.startswith("metric") or "time" in name or "version" in name or "reated" in name
        listed = name.endswith("id") or name == "name" or name.startswith("dataset") or self.kind is LOGGED_MODELS
        if name.startswith(("tag", "param")) and rng.random() < 0.2:
            return name + pick([" IS NULL", " IS NOT NULL", " is not null", " is  NULL", " IS NOT  NULL"])
        if rng.random() < (0.3 if listed else 0.02):
            items = pick([", ", ",", ", ", " "]).join(self._text() for _ in range(pick([1, 1, 2, 3])))
            form = pick(["({})"] * 8 + ["( {},)", "({}"])
            return f"{name} {pick(['IN', 'NOT IN', 'IN', 'NOT IN', 'in', 'not  in', '='])} {form.format(items)}"
        if rng.random() < 0.05:
            sign = pick(["==", "<>", "NOT LIKE", "RLIKE", "<", "LIKE"])
        else:
            sign = pick(["=", "!=", "<", "<=", ">", ">="] if number else ["=", "!=", "LIKE", "ILIKE", "LIKE", "like"])
        space = " " if sign[0].isalpha() else pick(["", " ", " ", " ", "  "])
        return f"{name}{space}{sign}{space}{self._number() if number == (rng.random() < 0.97) else self._text()}"

    def _text(self) -> str:
        text = self.rng.choice(self.texts)
        if self.rng.random() < 0.3:
            at = self.rng.randrange(len(text) + 1)
            text = text[:at] + self.rng.choice(["%", "_"]) + text[at + self.rng.randrange(2) :]
        return self.rng.choice(["'{}'"] * 12 + ['"{}"'] * 4 + ["{}"]).format(text)

    def _number(self) -> str:
        if self.rng.random() < 0.1:
            return self.rng.choice(["1e+3", "+5", "1e400", "0x1f", "1_0", "nan", "9" * 20, "9" * 5000])
        whole = ["0", "5", "7", "1", "-1", "3"]
        return self.rng.choice([*whole, *whole, "-1.5", "0.5", ".5", "5.", "1e3", "1E-2", "2.0"])

    def _bent(self, text: str) -> str:
        while self.rng.random() < 0.15:
            pieces = re.findall(r"\s+|\w+|.", text, re.DOTALL) or [""]
            at = self.rng.randrange(len(pieces))
            pieces[at : at + 1] = self.rng.choice(
                [
                    [],
                    [pieces[at]] * 2,
                    [pieces[at], self.rng.choice(pieces)],
                    [self.rng.choice("'\"`.,;()= -*/%\\[]\n#x5_é$")],
                    [pieces[at], self.rng.choice([" AND ", " OR ", " NOT ", " IS ", "NULL", " x ", " DESC", "--"])],
                    [pieces[at].swapcase()],
                ]
            )
            text = "".join(pieces)
        return text


_PART = r"""(?:\w+|`(?:``|[^`])*`|"(?:""|\\"|[^"])*"|'(?:''|\\'|[^'])*')"""
_PLAIN = re.compile(rf"{_PART}(?:\.{_PART})*|-?[\d.]+(?:E-?\d+)?", re.IGNORECASE)
_FLAT = re.compile(r"""\(\s*(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[\s,])*\)""")


def odd(text: str, order_by: Any) -> str | None:
    """Why we refuse what stock takes: sqlparse glues together what nobody writes, and stock finds nothing."""
    for token in _join_in_comparison_tokens(sqlparse.parse(text)[0].tokens) if text else ():
        if isinstance(token, sqlparse.sql.Comparison):
            left, *_, right = [str(part) for part in token.tokens if not part.is_whitespace]
            if not _PLAIN.fullmatch(left):
                return "an unquoted key of more than names and dots"
            if right.startswith("(") and not _FLAT.fullmatch(right):
                return "a list of more than strings, or of nothing"
            if not _PLAIN.fullmatch(right) and not right.startswith("(") and not right.upper().startswith("IS "):
                return "an unquoted value of more than names and dots"
    for order in order_by:
        name = order if isinstance(order, str) else "x"
        if not _PLAIN.fullmatch(re.sub(r"\s+(asc|desc)$", "", name, flags=re.IGNORECASE)):
            return "an unquoted key of more than names and dots in an order"
        if name.startswith("tag"):
            return "versions ordered by a tag called as an attribute, which orders by the attribute"
    return None


def bare(text: str, kind: Kind) -> bool:
    """Whether a value is an unquoted word: stock takes those for logged models, but for SQL's 900 reserved words."""
    outside = re.sub(r"""'(?:''|\\'|[^'])*'|"(?:""|\\"|[^"])*"|`[^`]*`""", "''", text)
    return kind is LOGGED_MODELS and bool(re.search(r"(?:[=<>]|LIKE)\s*[^\W\d]", outside, re.IGNORECASE))


def main(cases: int, seed: int) -> int:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    rng = random.Random(seed)
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        stock = Stock(Path(folder), rng)
        kinds = [RUNS, RUNS, EXPERIMENTS, MODELS, VERSIONS, LOGGED_MODELS]
        everything = {kind.name: [values(thing, kind) for thing in _all(stock, kind)] for kind in kinds}
        for case in range(cases):
            kind = rng.choice(kinds)
            things = everything[kind.name]
            known = [str(v) for thing in things for k, v in thing.items() if k[1] in {"run_id", "name", "model_id"}]
            write = Writer(rng, kind, known)
            text = write.filter() if rng.random() < 0.8 else ""
            order_by = write.order() if not text or rng.random() < 0.2 else []
            ours = found_by_us(things, kind, text, order_by)
            theirs, failed = _theirs(stock, kind, text, order_by)
            outcome = _compared(ours, theirs, failed, text, order_by) or (
                "only we take: a reserved word as a value" if failed == "refused" and bare(text, kind) else None
            )
            if outcome is None:
                print(f"case {case} of seed {seed}, {kind.name}: {text!r} order by {order_by}")
                print(f"stock: {failed or theirs}\nours:  {ours}")
                return 1
            counts[outcome] += 1
    for outcome, count in counts.most_common():
        print(f"{count:8} {outcome}")
    return 0


def _all(stock: Stock, kind: Kind) -> list[Any]:
    prompts = stock.find(kind, f"tags.`{PROMPT}` = 'true'", []) if kind.has_prompts else []
    return [*stock.find(kind, "", []), *prompts]


def _theirs(stock: Stock, kind: Kind, text: str, order_by: Any) -> tuple[list[Any] | None, str | None]:
    """The ids that stock finds, or None and whether it `refused` or how it failed."""
    try:
        return [values(thing, kind)["", ""] for thing in stock.find(kind, text, order_by)], None
    except MlflowException as error:
        refused = error.error_code == "INVALID_PARAMETER_VALUE" or "duplicate fields" in str(error)
        return None, "refused" if refused else str(error)
    except Exception as error:  # noqa: BLE001 - whatever a server would answer 500 to
        return None, repr(error)


def _compared(
    ours: list[Any] | None, theirs: list[Any] | None, failed: str | None, text: str, order_by: Any
) -> str | None:
    """What the two agree on, or what is known of how they differ, or None."""
    if ours == theirs:
        if ours is None:
            return "both refuse" if failed == "refused" else "we refuse, stock fails"
        return "both find the same" if ours else "both find nothing"
    if failed and failed != "refused":
        return "we answer, stock fails"
    if ours is None and (why := odd(text, order_by)):
        return f"only we refuse: {why}"
    return None


if __name__ == "__main__":
    sys.exit(main(int((sys.argv[1:] or ["20000"])[0]), int((sys.argv[2:] or ["1"])[0])))
