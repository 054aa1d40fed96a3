"""Cards: facts as Markdown with its front matter, as HTML; and when versions served."""

from html.parser import HTMLParser
from typing import Any

import pytest
import yaml

from cli import card, lineage, render, serving
from cli.render import Section, Table
from cli.serving import Period

NOBODY = {"champion": None, "challenger": None}
VERSION: dict[str, Any] = {
    "model": "sentiment",
    "version": 2,
    "version_id": "20261128000000-dddddddd",
    "digest": "d" * 64,
    "state": "READY",
    "stage": "production",
    "task": "binary",
    "labels": ["negative", "positive"],
    "created_at": 0,
    "created_by": "ci",
    "files": [{"path": "model.tflite", "sha256": "a" * 64, "size": 5000}],
    "dataset_hash": "b" * 64,
    "run_id": None,
    "git_commit": None,
    "parameters": {"epochs": 7},
    "libraries": {"keras": "3.15"},
    "metrics": {"accuracy": {"value": 0.79, "lower": 0.77, "upper": 0.81, "n": 1289}},
    "approval": {"actor": "ada", "at": 60_000, "reason": "read <it> | well"},
}
EVALUATION: dict[str, Any] = {
    "metrics": {"accuracy": {"value": 0.78, "lower": 0.75, "upper": 0.8, "n": 1289}},
    "slices": [
        {"of": "length", "name": "short", "n": 40, "accuracy": {"value": 0.8, "lower": 0.65, "upper": 0.9, "n": 40}},
        {"of": "length", "name": "long", "n": 12, "accuracy": None},
    ],
    "fairness": {
        "length": {
            "favourable": "positive",
            "demographic_parity": {"undetermined": "fewer than 2 slices of 30 rows"},
            "equalised_odds": {"difference": 0.1, "ratio": None},
        }
    },
    "explanations": {
        "label": "positive",
        "rows": 100,
        "mean_gap": 0.1,
        "for": [{"part": "good", "attribution": 0.1, "rows": 9}],
        "against": [],
    },
    "card": {"license": "mit", "description": 'It says: "yes"', "data": "rated sentences"},
    "data": {
        "digest": "e" * 64,
        "source": "b" * 64,
        "splits": {"train": "f" * 64},
        "rows": {"train": 6384},
        "assembled": "a" * 64,
    },
}
VERDICT = {"passed": True, "checks": [{"name": "accuracy at_least 0.76", "passed": True, "says": "0.78"}]}


def facts(**changes: Any) -> dict[str, Any]:
    evaluated = {"evaluation": EVALUATION, "verdict": VERDICT}
    return {
        "version": VERSION,
        "evaluated": evaluated,
        "served": [],
        "changes": [],
        "alerts": [],
        "tests": [],
        **changes,
    }


def written(told: dict[str, Any]) -> str:
    return render.markdown(card.front_matter(told), [*card.render(told)])


def test_the_front_matter_is_yaml_that_a_hub_reads() -> None:
    front = yaml.safe_load(written(facts()).split("---\n")[1])
    assert front["license"] == "mit"
    assert front["language"] == "unknown"  # nobody said
    assert front["metrics"] == ["accuracy"]
    [result] = front["model-index"][0]["results"]
    assert result["metrics"] == [{"type": "accuracy", "value": 0.78, "name": "accuracy"}]


def test_a_card_tells_facts_and_what_is_unknown() -> None:
    text = written(facts())
    assert "| accuracy | 0.7800 | 0.7500 to 0.8000 | 1289 |" in text  # as evaluated, not as the package says
    assert "| length | long | suppressed | - | 12 |" in text
    assert "undetermined: fewer than 2 slices of 30 rows" in text
    assert f"| train | 6,384 | {'f' * 64} |" in text
    assert f"| assembled of predictions | {'a' * 64} |" in text
    assert "| git commit | unknown |" in text
    assert "## Bias, Risks, and Limitations\n\nunknown\n" in text
    assert "Approved by ada on 1970-01-01 00:01:00 UTC: read &lt;it> | well" in text
    assert "It never served." in text


def test_a_version_that_was_not_evaluated_shows_its_packages_figures() -> None:
    text = written(facts(evaluated=None))
    assert "Not evaluated" in text
    assert "| accuracy | 0.7900 | 0.7700 to 0.8100 | 1289 |" in text
    assert "No verdict" in text


def test_a_card_tells_of_drift_and_of_tests_on_users() -> None:
    alert = {"at": 1000, "kind": "drift", "state": "ALERT", "told": "p = 1e-9", "version": 2}
    test = {"name": "short", "control": 1, "treatments": {"treatment": 2}, "state": "decided", "decision": None}
    decided = {**test, "decision": {"choice": "treatment", "reason": "it wins"}}
    text = written(facts(alerts=[alert], tests=[test, decided]))
    assert "| 1970-01-01 00:00:01 | drift | ALERT | p = 1e-9 |" in text
    assert "| short | 1 | 2 | decided | none |" in text
    assert "| short | 1 | 2 | decided | treatment: it wins |" in text
    assert "None was raised" in written(facts())


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[Any]) -> None:
        assert isinstance(attrs, list)
        self.seen.add(tag)
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_says_nothing_as_markup() -> None:
    page = render.html("sentiment <2>", [*card.render(facts())])
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert tags.seen >= {"h1", "h2", "table", "td"}
    assert "script" not in tags.seen
    assert "read &lt;it&gt; | well" in page


def test_wide_tables_scroll_by_themselves_and_a_head_without_names_is_none() -> None:
    page = render.html("x", [Section(1, "x", [Table(["", ""], [["digest", "d" * 64]])])])
    assert "table{display:block;overflow-x:auto}" in page
    assert "thead" not in page


def test_cells_do_not_break_their_table() -> None:
    text = render.markdown({}, [Section(1, "x", [Table(["a"], [["1|2\n3"]])])])
    assert "| 1\\|2 3 |" in text


@pytest.mark.parametrize(
    ("after", "periods"),
    [
        ([], []),
        ([(1, None)], [Period("champion", 0, None)]),
        ([(1, None), (2, None), (1, None)], [Period("champion", 0, 1), Period("champion", 2, None)]),
        ([(2, None), (2, 1), (1, None), (1, 2)], [Period("challenger", 1, 2), Period("champion", 2, None)]),
    ],
)
def test_when_version_1_served(after: list[tuple[int, int | None]], periods: list[Period]) -> None:
    records = [{"at": i, "after": {"champion": c, "challenger": d}} for i, (c, d) in enumerate(after)]
    assert serving.periods(records, 1) == periods


@pytest.mark.parametrize(
    ("digest", "role"),
    [("b" * 8, "source"), ("e" * 64, "data"), ("f" * 10, "train"), ("a" * 8, "assembled"), ("c" * 8, None)],
)
def test_data_is_known_by_any_of_its_digests(digest: str, role: str | None) -> None:
    assert lineage._role(VERSION, EVALUATION["data"], digest) == role
