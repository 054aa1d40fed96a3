import json
import math
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput
from zeroloop.mlflow.grammar import MOST_CHARACTERS, MOST_TOKENS
from zeroloop.mlflow.kinds import EXPERIMENTS, LOGGED_MODELS, MODELS, RUNS, VERSIONS, Kind
from zeroloop.mlflow.ordering import Order, page_start, page_token, parse_logged_order, parse_order, position, sort_key
from zeroloop.mlflow.search import Clause, Value, matches, parse

KINDS = [RUNS, EXPERIMENTS, MODELS, VERSIONS, LOGGED_MODELS]
NO_PROMPTS = Clause("tag", "mlflow.prompt.is_prompt", "IS NOT", "true")
NAN = math.nan


@pytest.mark.parametrize(
    ("kind", "text", "clause"),
    [
        (RUNS, "metrics.loss < 0.5", Clause("metric", "loss", "<", 0.5)),
        (RUNS, "metric.`a b` >= -1e3", Clause("metric", "a b", ">=", -1000.0)),
        (RUNS, "params.lr = '0.1'", Clause("param", "lr", "=", "0.1")),
        (RUNS, "parameter.lr like '0%'", Clause("param", "lr", "LIKE", "0%")),
        (RUNS, 'tags."u.v" ILIKE "X_"', Clause("tag", "u.v", "ILIKE", "X_")),
        (RUNS, "`tags`.u.v = ''", Clause("tag", "u.v", "=", "")),
        (RUNS, "tag.'a' IS NULL", Clause("tag", "a", "IS NULL", None)),
        (RUNS, "param.a is not null", Clause("param", "a", "IS NOT NULL", None)),
        (RUNS, "tags.select = 'x'", Clause("tag", "select", "=", "x")),
        (RUNS, "tags.a = 'it''s'", Clause("tag", "a", "=", "it''s")),
        (RUNS, r"tags.a = 'it\'s'", Clause("tag", "a", "=", r"it\'s")),
        (RUNS, "run_name != 'x'", Clause("attribute", "run_name", "!=", "x")),
        (RUNS, "`run name` = 'x'", Clause("attribute", "run_name", "=", "x")),
        (RUNS, 'attributes."Run Name" = "x"', Clause("attribute", "run_name", "=", "x")),
        (RUNS, "run.status = 'FINISHED'", Clause("attribute", "status", "=", "FINISHED")),
        (RUNS, "attr.created > 5", Clause("attribute", "start_time", ">", 5)),
        (RUNS, "end_time<=5.5", Clause("attribute", "end_time", "<=", 5.5)),
        (RUNS, "run_id IN ('a','b')", Clause("attribute", "run_id", "IN", ("a", "b"))),
        (RUNS, "run_id not  in ( \"a\" ,\n'b' 'c', )", Clause("attribute", "run_id", "NOT IN", ("a", "bc"))),
        (RUNS, r"run_id IN ('\'\n\x41\u00e9\d')", Clause("attribute", "run_id", "IN", ("'\nAé\\d",))),
        (RUNS, "datasets.name = 'x'", Clause("dataset", "name", "=", "x")),
        (RUNS, "dataset.context IN ('train')", Clause("dataset", "context", "IN", ("train",))),
        (EXPERIMENTS, "name LIKE 'x%'", Clause("attribute", "name", "LIKE", "x%")),
        (EXPERIMENTS, "attribute.creation_time > 5", Clause("attribute", "creation_time", ">", 5)),
        (EXPERIMENTS, "experiment_id = '7'", Clause("attribute", "experiment_id", "=", 7)),
        (EXPERIMENTS, "experiment_id IN ('7', '8')", Clause("attribute", "experiment_id", "IN", (7, 8))),
        (EXPERIMENTS, "tags.a IS NOT NULL", Clause("tag", "a", "IS NOT NULL", None)),
        (EXPERIMENTS, "tags.experiment_id = 'x'", Clause("tag", "experiment_id", "=", "x")),
        (MODELS, "name ilike 'x'", Clause("attribute", "name", "ILIKE", "x")),
        (MODELS, "attribute.name IN ('x')", Clause("attribute", "name", "IN", ("x",))),
        (VERSIONS, "version_number >= 2", Clause("attribute", "version_number", ">=", 2)),
        (VERSIONS, "version_number = '2'", Clause("attribute", "version_number", "=", 2)),
        (VERSIONS, "source_path = 's3://x'", Clause("attribute", "source_path", "=", "s3://x")),
        (LOGGED_MODELS, "params.lr = 0.1", Clause("param", "lr", "=", "0.1")),
        (LOGGED_MODELS, "tags.a IN ('x')", Clause("tag", "a", "IN", ("x",))),
        (LOGGED_MODELS, "creation_time > 5", Clause("attribute", "creation_timestamp", ">", 5.0)),
        (LOGGED_MODELS, "attributes.name = x", Clause("attribute", "name", "=", "x")),
        (LOGGED_MODELS, "metrics.`a b` > 5", Clause("metric", "a b", ">", 5.0)),
    ],
)
def test_a_comparison_means_what_it_means_to_mlflow(kind: Kind, text: str, clause: Clause) -> None:
    assert parse(text, kind) == ((clause, NO_PROMPTS) if kind.has_prompts else (clause,))


def test_comparisons_are_joined_by_and_which_stock_lets_one_leave_out() -> None:
    both = (Clause("metric", "a", ">", 1.0), Clause("tag", "b", "=", "x"))
    for text in [
        "metrics.a > 1 AND tags.b = 'x'",
        "metrics.a>1\nand\ttags.b='x'",
        "AND metrics.a > 1 tags.b = 'x' AND",
    ]:
        assert parse(text, RUNS) == both
    assert parse("", RUNS) == ()


REFUSED_OF_RUNS = """
metrics.a > 1 OR metrics.b > 1
NOT metrics.a > 1
(metrics.a > 1)
metrics.a > 1;
metrics.a > 1 -- why
metrics.a /* why */ > 1
metrics.a
metrics.a >
> 1
metrics.a > 1 > 2
metrics.a == 1
metrics.a <> 1
metrics.a LIKE 1
metrics.a IN (1)
metrics.a IS NULL
metrics.a > '1'
metrics.a > nan
metrics.a > 0x1f
metrics.a > +5
metrics.a > 1e+3
metrics.a b > 1
metrics.a-b > 1
metrics. a > 1
metrics.12 > 1
metrics. > 1
tags.from = 'x'
tags.a = x
tags.a = 5
tags.a = `x`
tags.a = NULL
tags.a = 'x
tags.a = tags.b
tags.a IN ('x')
tags.a > 'x'
tags.a NOT LIKE 'x'
tags.a IS NOT  NULL
tags.a = 'x' tags.b IS NULL
model.a = 'x'
Tags.a = 'x'
'run_id' = 'x'
lifecycle_stage = 'active'
run_id IN ()
run_id IN (1)
run_id IN ('a', 1)
run_id IN ('a' + 'b')
run_id IN (('a'))
run_id IN ('a'
run_id IN 'a'
run_id IN ('\\x4')
run_id = ('a')
run_name IN ('a')
start_time > '5'
start_time > 99999999999999999999
start_time IN (5)
datasets.names = 'x'
datasets.name > 'x'
datasets.name IS NULL
parameters.1a = 'x'
"""


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *((RUNS, line) for line in REFUSED_OF_RUNS.strip().splitlines()),
        (RUNS, " "),
        (RUNS, "tags.a LIKE '" + "%" * 50_001 + "'"),
        (RUNS, "AND " * (MOST_TOKENS // 2 + 1)),
        (RUNS, "tags.a = '" + "x" * MOST_CHARACTERS + "'"),
        (RUNS, "start_time > " + "9" * 5_000),
        (EXPERIMENTS, "name like 'x'"),
        (EXPERIMENTS, "name IN ('x')"),
        (EXPERIMENTS, "experiment_id = 7"),
        (EXPERIMENTS, "experiment_id = 'seven'"),
        (EXPERIMENTS, "experiment_id LIKE '7'"),
        (EXPERIMENTS, "creation_time > 5.5"),
        (EXPERIMENTS, "attributes.name = 'x'"),
        (EXPERIMENTS, "metrics.a > 5"),
        (MODELS, "`name` = 'x'"),
        (MODELS, "tags.a IS NULL"),
        (MODELS, "creation_timestamp > 5"),
        (VERSIONS, "version_number = 2.0"),
        (VERSIONS, "version_number = 'two'"),
        (VERSIONS, "version_number LIKE '2'"),
        (VERSIONS, "source_path IN ('x')"),
        (VERSIONS, "name = 5"),
        (LOGGED_MODELS, "metric.a > 5"),
        (LOGGED_MODELS, "metrics.a > 'x'"),
        (LOGGED_MODELS, "tags.a IS NULL"),
        (LOGGED_MODELS, "last_updated_time > 5"),
        (LOGGED_MODELS, "name IN (1)"),
    ],
)
def test_what_mlflow_refuses_is_refused_and_named(kind: Kind, text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse(text, kind)
    assert refused.value.field == "filter"
    assert 0 < len(refused.value.message) < 300


# Where MLflow's two ways to search differ, the server's is ours, and not that of `SearchUtils.filter` on lists:
#
# | asked                               | SearchUtils           | SQLAlchemy on SQLite, and we  |
# |-------------------------------------|-----------------------|-------------------------------|
# | does LIKE '%b' find "a\nb"          | no, `.` is not \n     | yes                           |
# | does LIKE 'x' find "x\n"            | yes, `$` is before \n | no                            |
# | does ILIKE 'é' find "É"             | yes                   | no, lower() folds ASCII alone |
# | is `name like 'x'` of experiments   | taken                 | refused, capitals only        |
# | is `experiment_id = 'seven'`        | taken                 | refused                       |
# | is `run_id = ('a')`                 | taken, finds nothing  | an error 500; we refuse       |
# | a filter on `is_prompt = 'false'`   | finds it where unset  | leaves prompts out, no more   |
@pytest.mark.parametrize(
    ("comparator", "wanted", "met", "unmet"),
    [
        ("=", "x", ["x"], ["X", "x ", None]),
        ("!=", "x", ["X", "", "\n"], ["x", None]),
        ("<", 0.5, [0.4, 0, -math.inf], [0.5, 1, math.inf, NAN, None]),
        (">=", 5, [5, 5.5, math.inf], [4, NAN, None]),
        ("=", 1.0, [1, 1.0], [NAN, None, 2]),
        ("!=", 1.0, [NAN, 0, math.inf], [1, None]),
        ("!=", NAN, [], [1, NAN, None]),
        ("LIKE", "x", ["x"], ["X", "xx", "x\n", "", None]),
        ("LIKE", "%b", ["b", "ab", "a\nb"], ["B", "ba"]),
        ("LIKE", "a%b%a", ["aba", "a.b.ba"], ["ab", "a"]),
        ("LIKE", "a_c", ["abc", "a\nc"], ["ac", "abbc"]),
        ("LIKE", "%a%_", ["ab", "xay"], ["a", "xa"]),
        ("LIKE", "a.c[", ["a.c["], ["abc["]),
        ("LIKE", "%", ["", "x"], [None]),
        ("ILIKE", "é%K", ["éK", "éxk"], ["Ék", "é\u212a"]),
        ("IN", ("x", "y"), ["x"], ["X", "z", None]),
        ("NOT IN", ("x", "y"), ["z", ""], ["x", None]),
        ("IS NULL", None, [None], ["", "x"]),
        ("IS NOT NULL", None, ["", "x"], [None]),
        ("IS NOT", "true", [None, "false"], ["true"]),
        ("=", "x", [("y", "x"), ("x",)], [(), ("y",)]),
        ("!=", "x", [("x", "y")], [(), ("x",)]),
    ],
)
def test_a_value_meets_a_comparison_as_it_does_in_stocks_database(
    comparator: str, wanted: Any, met: list[Any], unmet: list[Any]
) -> None:
    def found(value: Any) -> bool:
        return matches(
            Clause("tag", "k", comparator, wanted), lambda entity, key: value if entity == "tag" and key == "k" else 0
        )

    assert [value for value in met if not found(value)] == []
    assert [value for value in unmet if found(value)] == []


@given(st.text("ab%_", max_size=8), st.text("ab\n", max_size=8))
def test_like_finds_what_its_definition_says(pattern: str, text: str) -> None:
    def liked(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "%":
            return any(liked(pattern[1:], text[skip:]) for skip in range(len(text) + 1))
        return bool(text) and pattern[0] in {"_", text[0]} and liked(pattern[1:], text[1:])

    assert matches(Clause("tag", "k", "LIKE", pattern), lambda *_: text) == liked(pattern, text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "models"),
        ("tags.`mlflow.prompt.is_prompt` != 'true'", "models"),
        ("tags.`mlflow.prompt.is_prompt` = 'false'", "models"),
        ("tags.`mlflow.prompt.is_prompt` = 'true'", "prompts"),
        ("tags.`mlflow.prompt.is_prompt` != 'false'", "prompts"),
    ],
)
@pytest.mark.parametrize("kind", [MODELS, VERSIONS])
def test_prompts_are_shown_to_those_who_ask_for_them_and_to_no_others(kind: Kind, text: str, shown: str) -> None:
    marks = {"models": None, "prompts": "true"}
    clauses = parse(text, kind)
    assert [name for name, mark in marks.items() if all(matches(c, lambda *_, m=mark: m) for c in clauses)] == [shown]


# Pieces of filters, so that most of what is tried nearly is one.
PIECES = st.sampled_from(
    [
        *("metrics", "params", "tags", "run_id", "name", "version_number", "experiment_id", "datasets", ".", ".", "a"),
        *("`b c`", "=", "!=", "<", "LIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL", "AND", " ", " ", "'x'", '"y"'),
        *(
            "5",
            "-1.5",
            "1e400",
            "(",
            ")",
            "('x', 'y')",
            ",",
            "'",
            "\\",
            ";",
            "--",
            "DESC",
            "asc",
            "\x00",
            "\ud800",
            "٣",
        ),
    ]
)
TEXTS = st.one_of(st.text(), st.lists(PIECES, max_size=25).map("".join))


@given(TEXTS, st.sampled_from(KINDS))
@example("run_id IN ('\\U00110000')", RUNS)
@example("run_id IN ('\\N{DASH}')", RUNS)
@example("((" * 5_000, RUNS)
@example("tags.a LIKE '" + "%a" * 2_000 + "'", RUNS)
@example("tags." + "a." * 4_000 + "a = 'x'", RUNS)
@example("a" * 100_000, RUNS)
@example("'\\" * 50_000, RUNS)
def test_any_text_is_a_filter_that_decides_or_is_refused(text: str, kind: Kind) -> None:
    try:
        clauses = parse(text, kind)
    except InvalidInput as refused:
        assert refused.field == "filter"  # noqa: PT017 - it may be raised, not must
        return
    numeric = {clause.key for clause in clauses if isinstance(clause.value, float | int)}
    for clause in clauses:
        assert matches(clause, lambda _, key: 5.0 if key in numeric else "x") in {True, False}


@given(TEXTS, st.sampled_from(KINDS[:-1]))
@example('metrics.`a"b`', RUNS)
@example("", RUNS)
def test_any_text_is_an_order_or_is_refused(text: str, kind: Kind) -> None:
    try:
        assert parse_order([text], kind)[0].entity in {"attribute", "metric", "param", "tag"}
    except InvalidInput as refused:
        assert refused.field == "order_by"  # noqa: PT017


def _attribute(key: str, *, ascending: bool = True) -> Order:
    return Order("attribute", key, ascending)


NEWEST, BY_RUN = _attribute("start_time", ascending=False), _attribute("run_id")


@pytest.mark.parametrize(
    ("kind", "order_by", "orders"),
    [
        (RUNS, [], [NEWEST, BY_RUN]),
        (RUNS, ["metrics.loss"], [Order("metric", "loss"), NEWEST, BY_RUN]),
        (RUNS, ["metrics.`a b` DESC"], [Order("metric", "a b", ascending=False), NEWEST, BY_RUN]),
        (RUNS, ['params."a b"', "tag.x asc"], [Order("param", "a b"), Order("tag", "x"), NEWEST, BY_RUN]),
        (RUNS, ["Created"], [_attribute("start_time"), BY_RUN]),
        (RUNS, ["run_id DESC"], [_attribute("run_id", ascending=False), NEWEST]),
        (EXPERIMENTS, [], [_attribute("creation_time", ascending=False), _attribute("experiment_id")]),
        (EXPERIMENTS, ["name"], [_attribute("name"), _attribute("experiment_id", ascending=False)]),
        (MODELS, [], [_attribute("name")]),
        (MODELS, ["timestamp DESC"], [_attribute("last_updated_timestamp", ascending=False), _attribute("name")]),
        (
            VERSIONS,
            [],
            [
                _attribute("last_updated_timestamp", ascending=False),
                _attribute("name"),
                _attribute("version_number", ascending=False),
            ],
        ),
        (VERSIONS, ["version_number"], [_attribute("version_number"), _attribute("name")]),
    ],
)
def test_an_order_ends_with_what_tells_things_apart(kind: Kind, order_by: list[str], orders: list[Order]) -> None:
    assert parse_order(order_by, kind) == tuple(orders)


def test_logged_models_are_sorted_by_their_attributes_and_their_metrics_on_a_dataset() -> None:
    newest, by_model = _attribute("creation_timestamp", ascending=False), _attribute("model_id")
    on_test = {"field_name": "metrics.a.b", "ascending": False, "dataset_name": "test", "dataset_digest": "1"}
    assert parse_logged_order([]) == (newest, by_model)
    assert parse_logged_order([on_test]) == (Order("metric", "a.b", False, "test", "1"), newest, by_model)
    assert parse_logged_order([{"field_name": "creation_time"}]) == (_attribute("creation_timestamp"), by_model)


@pytest.mark.parametrize("name", [None, "", "params.a", "oops", "tags"])
def test_logged_models_are_sorted_by_nothing_else(name: str | None) -> None:
    with pytest.raises(InvalidInput):
        parse_logged_order([{"field_name": name}])


@pytest.mark.parametrize(
    ("kind", "order_by"),
    [
        (RUNS, [""]),
        (RUNS, [" start_time"]),
        (RUNS, ["start_time "]),
        (RUNS, ["start_time DOWN"]),
        (RUNS, ["start_time DESC NULLS LAST"]),
        (RUNS, ["start_time, end_time"]),
        (RUNS, ["metrics.a b DESC"]),
        (RUNS, ['metrics.`a"b`']),
        (RUNS, ["datasets.name"]),
        (RUNS, ["`run name`"]),
        (RUNS, ["oops"]),
        (RUNS, ["metrics.a", "metric.a DESC"]),
        (RUNS, ["created", "start_time"]),
        (EXPERIMENTS, ["tags.a"]),
        (EXPERIMENTS, ["attributes.name"]),
        (MODELS, ["creation_timestamp"]),
        (MODELS, ["attribute.name"]),
        (MODELS, ["timestamp", "last_updated_timestamp"]),
        (VERSIONS, ["run_id"]),
        (VERSIONS, ["tags.name"]),
    ],
)
def test_what_mlflow_does_not_sort_by_is_refused(kind: Kind, order_by: list[str]) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_order(order_by, kind)
    assert refused.value.field == "order_by"


Thing = Mapping[str, Value]
RUN = st.fixed_dictionaries(
    {
        "m": st.one_of(st.none(), st.floats()),
        "p": st.one_of(st.none(), st.text(max_size=2)),
        "start_time": st.one_of(st.none(), st.integers(0, 3)),
    }
)


def _ordered(order_by: list[str], things: list[Thing]) -> list[Thing]:
    orders = parse_order(order_by, RUNS)
    return sorted(things, key=lambda thing: sort_key(orders, position(orders, lambda order: thing.get(order.key))))


@pytest.mark.parametrize("direction", ["ASC", "DESC"])
def test_nan_and_what_is_missing_come_last_in_either_direction(direction: str) -> None:
    things: list[Thing] = [{"m": value, "run_id": str(n)} for n, value in enumerate([None, NAN, 1.0, math.inf, 0, NAN])]
    numbers = ["4", "2", "3"] if direction == "ASC" else ["3", "2", "4"]
    assert [thing["run_id"] for thing in _ordered([f"metrics.m {direction}"], things)] == [*numbers, "1", "5", "0"]


@given(
    st.lists(RUN, max_size=8),
    st.lists(
        st.sampled_from(["metrics.m", "metrics.m DESC", "params.p", "params.p DESC"]),
        max_size=2,
        unique_by=lambda text: text[:8],
    ),
    st.data(),
)
def test_a_page_resumes_behind_any_thing_and_the_pages_are_the_whole(
    runs: list[dict[str, Value]], order_by: list[str], data: st.DataObject
) -> None:
    things: list[Thing] = [{**run, "run_id": str(number)} for number, run in enumerate(runs)]
    orders = parse_order(order_by, RUNS)
    places = {thing["run_id"]: position(orders, partial(_value, thing)) for thing in things}
    everything = [thing["run_id"] for thing in _ordered(order_by, things)]
    assert all(sort_key(orders, places[one]) < sort_key(orders, places[next_]) for one, next_ in pairwise(everything))
    if everything:
        last = data.draw(st.sampled_from(everything))
        start = sort_key(orders, page_start(page_token([order_by], places[last]), [order_by], orders))
        rest = [name for name in everything if sort_key(orders, places[name]) > start]
        assert rest == everything[everything.index(last) + 1 :]


def _value(thing: Thing, order: Order) -> Value:
    return thing.get(order.key)


ORDERS = (NEWEST, BY_RUN)
TOKEN = page_token(["runs", ["0"], "", [], "ACTIVE_ONLY"], ((0, 5), (0, "a")))


def test_a_page_token_is_opaque_url_safe_text_for_its_own_query() -> None:
    assert TOKEN.replace("-", "").replace("_", "").replace("=", "").isalnum()
    assert page_start(TOKEN, ["runs", ["0"], "", [], "ACTIVE_ONLY"], ORDERS) == ((0, 5), (0, "a"))


@pytest.mark.parametrize(
    "query",
    [["runs", ["1"], "", [], "ACTIVE_ONLY"], ["runs", ["0"], "", [], "ALL"], ["runs", ["0"], "x", [], "ACTIVE_ONLY"]],
)
def test_a_page_token_of_another_query_is_refused(query: list[Any]) -> None:
    with pytest.raises(InvalidInput, match="of another search") as refused:
        page_start(TOKEN, query, ORDERS)
    assert refused.value.field == "page_token"


PLACES = st.lists(
    st.lists(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3)), max_size=3)
)


@given(st.one_of(st.text(), PLACES), st.sampled_from([1, 2]))
@example("", 1)
@example("é", 1)
@example(TOKEN[:-2], 1)
@example([[0, "a"], [0, 5]], 1)
@example([[1, None], [2, None]], 1)
def test_a_token_that_somebody_made_up_is_refused_or_a_place_like_any_other(given: Any, v: int) -> None:
    query = ["runs", ["0"], "", [], "ACTIVE_ONLY"]
    h = json.loads(urlsafe_b64decode(TOKEN))["h"]
    forged = urlsafe_b64encode(json.dumps({"v": v, "h": h, "after": given}).encode()).decode()
    for token in [given, forged] if isinstance(given, str) else [forged]:
        try:
            start = sort_key(ORDERS, page_start(token, query, ORDERS))
        except InvalidInput as refused:
            assert refused.field == "page_token"  # noqa: PT017
        else:
            assert (sort_key(ORDERS, ((0, 5), (0, "a"))) < start) in {True, False}
