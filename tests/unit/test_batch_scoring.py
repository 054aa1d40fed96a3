import csv
import gzip
import io
import itertools
import json
import random
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from tests import models
from tests.batches import Run, Stored, job, table_model, text_model
from tests.unit.test_tokenizer import panicking
from zeroloop.batch import outputs, planning, tables
from zeroloop.batch.detect import HEAD_BYTES
from zeroloop.batch.rows import Rows
from zeroloop.batch.rules import ROUND_SECONDS, Options, Unreadable, too_many_rejects
from zeroloop.batch.scoring import predict
from zeroloop.batch.streams import runs
from zeroloop.inference.answers import Answers
from zeroloop.inference.model import Model

TEXT = text_model()
TABLE = table_model()
TEXTS = ["good", "a bad film", 'say "hello"', "two\nlines", "a, b; c", "über\u2019s", "=1+1", "  x  "]


def jsonl(rows: list[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def as_csv(rows: list[list[Any]], **dialect: Any) -> bytes:
    out = io.StringIO()
    csv.writer(out, **dialect).writerows(rows)
    return out.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]], **how: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), out, **how)
    return out.getvalue()


def twice(name: str) -> bytes:
    """A table with two columns of one name."""
    out = io.BytesIO()
    parquet.write_table(pa.table([pa.array(["a"])] * 3, names=["text", name, name][-3:]), out)
    return out.getvalue()


def packed(data: bytes, codec: str) -> bytes:
    if codec == "gzip":
        return gzip.compress(data)
    return bytes(pa.Codec(codec).compress(data, asbytes=True))


def test_a_row_comes_out_with_its_number_id_input_and_answer_as_predict_gives_it() -> None:
    run = Run(jsonl([{"id": "a", "text": "good"}, {"text": "bad"}]), "inbox/m/f.jsonl", TEXT).score()
    [first, second] = run.rows
    [said] = TEXT.predict(["good"], ["text"])
    assert first == {
        "row": 1,
        "id": "a",
        "text": "good",
        "prediction": said.prediction,
        "confidence": said.confidence,
        "scores": said.scores,
        "model_version": 3,
    }
    assert (second["row"], second["text"], "id" in second) == (2, "bad", False)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "csv.gz", "jsonl.gz", "csv.zst", "jsonl.zst"])
def test_every_format_gives_the_same_rows(form: str) -> None:
    rows = [{"id": f"r{i}", "text": text} for i, text in enumerate(TEXTS)]
    data = {
        "csv": as_csv([["id", "text"], *([row["id"], row["text"]] for row in rows)]),
        "jsonl": jsonl(rows),
        "parquet": as_parquet(rows),
    }[form.split(".", maxsplit=1)[0]]
    if form.endswith(("gz", "zst")):
        data = packed(data, "gzip" if form.endswith("gz") else "zstd")
    run = Run(data, f"inbox/m/f.{form}", TEXT).score()
    assert [(row["row"], row["id"], row["text"]) for row in run.rows] == [
        (i, row["id"], row["text"]) for i, row in enumerate(rows, 1)
    ]
    assert run.rows == Run(jsonl(rows), "inbox/m/f.jsonl", TEXT).score().rows


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_table_gives_the_same_rows_in_every_format(form: str) -> None:
    rows = [{"id": i, "a": i / 4, "b": 0.5, "c": -1.5} for i in range(9)]
    data = {
        "csv": as_csv([["a", "c", "id", "b"], *([row["a"], row["c"], row["id"], row["b"]] for row in rows)]),
        "jsonl": jsonl(rows),
        "parquet": as_parquet(rows),
    }[form]
    run = Run(data, f"inbox/m/f.{form}", TABLE).score()
    assert [row["features"] for row in run.rows] == [{name: row[name] for name in "abc"} for row in rows]
    assert [str(row["id"]) for row in run.rows] == [str(row["id"]) for row in rows]


@pytest.mark.parametrize(
    ("data", "rows", "rejects"),
    [
        (b"", 0, 0),
        (b"text\n", 0, 0),
        (b"text", 0, 0),
        (b"\xef\xbb\xbftext\r\ngood\r\n", 1, 0),
        (b"text\ngood", 1, 0),
        (b"text\n\n  \ngood\n\n", 1, 0),
        (b"id;text\n1;a,b\n", 1, 0),
        (b"id\ttext\n1\ta,b\n", 1, 0),
        (b"id\ttext\n1\tgood\n\t\n\n  \n2\tbad\n", 2, 1),
        ("text\ngut\n".encode("utf-16"), 1, 0),
        (b"text\nmore,cells\n", 0, 1),
        (b'text\na "quoted" word\n', 1, 0),
        (b'text\n"so" much\n', 0, 1),
        (b"text\n\xff\xfe\ngood\n", 1, 1),
        (b"\xef\xbb\xbf\n \r\ntext\ngood\n", 1, 0),
        (b"\n\n", 0, 0),
    ],
)
def test_a_csv_file_is_read_as_defined(data: bytes, rows: int, rejects: int) -> None:
    run = Run(data, "inbox/m/f.csv", TEXT).score()
    assert (len(run.rows), len(run.rejects)) == (rows, rejects)


@pytest.mark.parametrize(("header", "texts"), [(True, ["good"]), (False, ["comment", "good"])])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_the_only_column_is_the_text_if_it_is_declared_whether_it_has_a_header(
    header: bool, texts: list[str], encoding: str
) -> None:
    data = "comment\ngood\n".encode(encoding)
    run = Run(data, "inbox/m/f.csv", TEXT, header=header).score()
    assert [row["text"] for row in run.rows] == texts
    assert [row["row"] for row in run.rows] == list(range(1, len(texts) + 1))
    with pytest.raises(Unreadable, match="only column is called 'comment': declare header"):
        Run(data, "inbox/m/f.csv", TEXT).score()


@pytest.mark.parametrize(
    ("key", "options", "data"),
    [
        ("f.tsv", {}, b"id,a\ttext\n1\tgood\n"),
        ("f.tsv.gz", {}, gzip.compress(b"id,a\ttext\n1\tgood\n")),
        ("f.csv", {"delimiter": "tab"}, b"id,a\ttext\n1\tgood\n"),
        ("f.tsv", {"delimiter": ","}, b"id,text\n1,good\n"),
    ],
)
def test_a_tab_separates_the_cells_of_tsv_and_where_it_is_declared(key: str, options: Any, data: bytes) -> None:
    [row] = Run(data, f"inbox/m/{key}", TEXT, **options).score().rows
    assert row["text"] == "good"


def test_a_text_with_a_comma_in_a_list_of_texts_is_rejected_with_what_helps() -> None:
    run = Run(b"good, really\nbad\n", "inbox/m/f.txt", TEXT, header=False).score()
    assert [row["text"] for row in run.rows] == ["bad"]
    assert "has 2 cells, one is expected: quote it, or declare a delimiter" in run.rejects[0]["reason"]
    run = Run(b'good, really\n"a;b"\n', "inbox/m/f.txt", TEXT, header=False, delimiter=";").score()
    assert [row["text"] for row in run.rows] == ["good, really", "a;b"]


def test_a_zstd_file_may_begin_with_a_frame_to_skip() -> None:
    skipped = b"\x5a\x2a\x4d\x18\x03\x00\x00\x00abc"
    run = Run(skipped + packed(b'{"text": "good"}\n', "zstd"), "inbox/m/f.jsonl.zst", TEXT).score()
    assert [row["text"] for row in run.rows] == ["good"]


def test_underscores_make_no_number() -> None:
    run = Run(b"a,b,c\n1_0,1,1\n1,1,1\n", "inbox/m/f.csv", TABLE).score()
    assert [reject["reason"] for reject in run.rejects] == ["features.a: must be a finite number"]
    assert len(run.rows) == 1


def test_row_numbers_count_blank_lines_and_not_the_header() -> None:
    run = Run(b"text\n\ngood\n\nbad\n", "inbox/m/f.csv", TEXT).score()
    assert [row["row"] for row in run.rows] == [2, 4]


def test_an_encoding_may_be_declared() -> None:
    run = Run("text\nschön\n".encode("latin-1"), "inbox/m/f.csv", TEXT, encoding="latin-1").score()
    assert run.rows[0]["text"] == "schön"


def unchecked(texts: list[bytes]) -> Any:
    """A column of text whose bytes nobody looked at."""
    found = pa.array(texts)
    return pa.StringArray.from_buffers(len(found), *found.buffers()[1:])


@pytest.mark.parametrize("texts", [[b"good", b"\xffbad", "schön".encode()] * 400, [b"good"] * 1_199 + [b"\xff"]])
def test_a_row_of_parquet_that_is_not_utf_8_is_rejected_and_the_others_are_scored(texts: list[bytes]) -> None:
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": unchecked(texts)}), out)
    run = Run(out.getvalue(), "inbox/m/f.parquet", TEXT).score()
    wrong = [number for number, text in enumerate(texts, 1) if b"\xff" in text]
    assert [reject["row"] for reject in run.rejects] == wrong
    assert {reject["reason"] for reject in run.rejects} == {"text: must be a string"}
    assert [row["text"].encode() for row in run.rows] == [text for text in texts if b"\xff" not in text]


def test_an_id_of_parquet_that_is_not_utf_8_is_told_with_its_bytes_and_a_list_is_none() -> None:
    out = io.BytesIO()
    raw = unchecked([b"a", b"\xff"])
    lists = pa.ListArray.from_arrays(pa.array([0, 1, 2], pa.int32()), raw)
    parquet.write_table(pa.table({"id": raw, "text": ["good"] * 2}), out)
    assert [row["id"] for row in Run(out.getvalue(), "inbox/m/f.parquet", TEXT).score().rows] == ["a", "\\xff"]
    out = io.BytesIO()
    parquet.write_table(pa.table({"id": lists, "text": ["good"] * 2}), out)
    assert [row.get("id") for row in Run(out.getvalue(), "inbox/m/f.parquet", TEXT).score().rows] == ['["a"]', None]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-8"])
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_what_a_reject_was_is_told_in_the_encoding_of_the_file(encoding: str, form: str) -> None:
    wrong = {"csv": "é ,caf\xe9,more", "jsonl": '{"text": "caf\xe9'}[form]
    blank = {"csv": "\xe9, ", "jsonl": '{"id": "\xe9", "text": " "}'}[form]
    head = "id,text\n" if form == "csv" else ""
    data = f"{head}{wrong}\n{blank}\n".encode(encoding)
    run = Run(data, f"inbox/m/f.{form}", TEXT, encoding=encoding).score()
    assert [reject["raw"] for reject in run.rejects] == [wrong, blank]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "is not JSON"),
        (b'{"text": NaN}', "is not JSON"),
        (b"[1]", "is not an object"),
        (b"\xff", "is not JSON"),
        (b'{"text": 1}', "text: must be a string"),
        (b'{"other": "x"}', "text: must be a string"),
        (b'{"text": " "}', "text: must not be blank"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_a_poison_row_is_rejected_with_its_place_and_reason_and_the_others_are_scored(line: bytes, reason: str) -> None:
    good = b'{"text": "good"}\n'
    run = Run(good + line + b"\n" + good, "inbox/m/f.jsonl", TEXT).score()
    assert [row["row"] for row in run.rows] == [1, 3]
    [reject] = run.rejects
    assert (reject["row"], reject["offset"]) == (2, len(good))
    assert reason in reject["reason"]
    assert reject["raw"] == line.decode(errors="backslashreplace")[:10_000]


def test_a_line_of_100_megabytes_is_rejected_by_its_length_and_never_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroloop.batch.streams.MAX_RECORD_BYTES", 100_000)
    good = b'{"text": "good"}\n'
    run = Run(good + b"x" * 1_000_000 + b"\n" + good, "inbox/m/f.jsonl", TEXT).score()
    assert [row["row"] for row in run.rows] == [1, 3]
    assert "is longer than" in run.rejects[0]["reason"]
    assert len(run.rejects[0]["raw"]) == 10_000


@pytest.mark.parametrize("n_bad", [1, 7, 8, 9, 500])
def test_the_model_answers_the_rows_around_those_that_it_refuses(n_bad: int) -> None:
    values = ["good"] * 1000
    for i in range(n_bad):
        values[i * 2] = " "
    said, refused = predict(TEXT, values)
    assert sorted(refused) == [i * 2 for i in range(n_bad)]
    assert len(said.predictions) == 1000 - n_bad
    assert models.by_row(said)[1] == TEXT.predict(["good"], ["text"])[0]
    assert refused[0] == "text: must not be blank"


@pytest.mark.parametrize("n_rows", [2, 30, 1_000])
def test_a_row_whose_tensor_has_another_shape_than_its_neighbours_is_answered(n_rows: int) -> None:
    stated = models.signature("float32", (-1, -1, 2))
    model = Model(models.tensors(models.identity("float32", (-1, -1, 2)), stated, [{"x": [[0, 1], [1, 0]]}]))
    tensors = [[[i, 1]] * (1 + i % 7) for i in range(n_rows)]
    poison = {"inputs": {"x": [[1, 2, 3]]}}
    run = Run(jsonl([*({"inputs": {"x": x}} for x in tensors), poison]), "inbox/m/f.jsonl", model).score()
    assert [row["prediction"]["y"] for row in run.rows] == tensors
    assert [(row["row"], "has the shape [1, 1, 3]" in row["reason"]) for row in run.rejects] == [(n_rows + 1, True)]


def test_a_column_at_fault_is_named() -> None:
    _, refused = predict(TABLE, [{"a": 1.0, "b": "high", "c": 0.0}])
    assert refused == {0: "features.b: must be a finite number"}


def test_rows_on_which_the_model_breaks_are_rejected() -> None:
    nan = Model(models.package(models.dense(bias=float("nan")), described=models.dense()))
    said, refused = predict(nan, [{"a": 1.0, "b": 0.0, "c": 0.0}] * 2)
    assert (list(said.predictions), refused) == ([], dict.fromkeys((0, 1), NAN))


def test_rows_on_which_the_tokenizer_breaks_are_rejected_and_the_others_answered() -> None:
    said, refused = predict(Model(models.tokenized(panicking())), ["good", "a" * 40 + "!", "film"])
    assert (len(said.predictions), list(refused)) == (2, [1])
    assert "the tokenizer fails on this text" in refused[1]


NAN = "the model answered NaN or an infinity for this input"
ROWS = st.lists(st.sampled_from([*TEXTS, "", '"', "\n\n", "a\r\nb"]), min_size=1, max_size=60)


@given(ROWS, st.integers(1, 200), st.integers(1, 50), st.integers(1, 9))
def test_where_a_csv_is_cut_changes_nothing(texts: list[str], chunk: int, block: int, piece: int) -> None:
    data = as_csv([["id", "text"], *([i, text] for i, text in enumerate(texts))])
    whole = Run(data, "inbox/m/f.csv", TEXT).score()
    cut = Run(data, "inbox/m/f.csv", TEXT, block=block).change(chunk_bytes=chunk, piece_rows=piece).score()
    assert (cut.rows, cut.rejects) == (whole.rows, whole.rejects)
    assert [str(row["id"]) for row in whole.rows] == [str(i) for i, text in enumerate(texts) if text.strip()]


@given(st.lists(st.binary(max_size=12), max_size=40), st.integers(1, 60), st.integers(1, 50))
def test_no_bytes_whatever_are_lost_by_cutting(lines: list[bytes], chunk: int, block: int) -> None:
    data = b"id,text\n" + b"\n".join(lines)
    whole = Run(data, "inbox/m/f.csv", TEXT, delimiter=",", encoding="utf-8")
    cut = Run(data, "inbox/m/f.csv", TEXT, delimiter=",", encoding="utf-8", block=block).change(chunk_bytes=chunk)
    if data.count(b'"') % 2:
        reasons = set()
        for run in (whole, cut):
            with pytest.raises(Unreadable, match="never closes") as refused:
                run.score()
            reasons.add(str(refused.value))
        assert len(reasons) == 1
        return
    whole.score()
    cut.score()
    assert (cut.rows, cut.rejects) == (whole.rows, whole.rejects)
    assert swallowed(cut) == swallowed(whole)


def swallowed(run: Run) -> int:
    return sum(piece.swallowed for piece in run.sink.pieces.values())


@pytest.mark.parametrize("longest", [8_000_000, 10_000])
def test_what_two_odd_quotes_swallow_weighs_as_its_lines(longest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroloop.batch.streams.MAX_RECORD_BYTES", longest)
    data = b'id,text\n1,a 5" disc\n' + b"2,good\n" * 3_000 + b'3,a 3" disc\n4,good\n'
    run = Run(data, "inbox/m/f.csv", TEXT).score()
    assert ([row["row"] for row in run.rows], len(run.rejects), swallowed(run)) == ([2], 1, 3_001)
    [piece] = run.sink.pieces.values()
    with pytest.raises(Unreadable, match="opened in row 1 never closes"):
        Run(data.replace(b'3" disc', b"disc"), "inbox/m/f.csv", TEXT).score()
    assert "3,002 of 3,003 lines" in str(too_many_rejects(job(run.plan, len(data), Options()), [piece]))


def test_a_row_of_many_lines_that_the_model_refuses_weighs_one() -> None:
    run = Run(as_csv([["text"], ["\n" * 50 + "good"], [" \n" * 50]]), "inbox/m/f.csv", TEXT).score()
    assert (len(run.rows), len(run.rejects), swallowed(run)) == (1, 1, 0)


def test_a_character_of_utf16_may_lie_across_the_end_of_the_head() -> None:
    rows = ["text", *["a" * 99] * 1310]
    left = (HEAD_BYTES - 4 - 2 * len("\n".join([*rows, ""]))) // 2
    data = "\n".join([*rows, "b" * left + "\U0001f600 good", "bad", ""]).encode("utf-16")
    assert data[HEAD_BYTES - 2 : HEAD_BYTES + 2].decode("utf-16-le") == "\U0001f600"
    run = Run(data, "inbox/m/f.csv", TEXT).score()
    assert (len(run.rows), run.rows[-2]["text"][-6:]) == (1312, "\U0001f600 good")
    with pytest.raises(Unreadable, match="not utf-16"):
        Run(data[:-1], "inbox/m/f.csv", TEXT).score()


LINES = st.sampled_from(
    [
        b'{"text": "good"}',
        b'{"id": "x", "text": "bad"}',
        b'{"id": 1.5, "text": "bad"}',
        b'{"id": 7, "other": {}}',
        b'{"text": "a"}{"text": "b"}',
        b'{"text": "a"} {"text": "b"}',
        b'{"text": "a"',
        b'"other": 1}',
        b'{"other": {"x": 1}',
        b"}",
        b'{"text": "a", "o": {}',
        b', "p": {}}',
        b'[{"text": "a"}',
        b'"only a string"',
        b'{"text": " "}',
        b'{"text": 3}',
        b'{"text": "a", "o": "}',
        b'{"text": "\xff"}',
        b'{"text": "good"}\r',
        b"",
        b" ",
    ]
)


@given(st.lists(LINES, min_size=1, max_size=12), st.booleans())
def test_a_line_of_json_is_read_by_itself_whatever_stands_beside_it(found: list[bytes], ended: bool) -> None:
    alone = []
    for number, line in enumerate(found, 1):
        run = Run(line + b"\n", "inbox/m/f.jsonl", TEXT).score()
        alone += [{**row, "row": number} for row in run.rows + run.rejects]
    whole = Run(b"\n".join(found) + b"\n" * ended, "inbox/m/f.jsonl", TEXT).score()
    together = sorted(whole.rows + whole.rejects, key=lambda row: row["row"])
    for row in [*alone, *together]:
        row.pop("offset", None)
    assert together == alone


def test_the_wider_an_answer_the_fewer_rows_are_held_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    stated = models.signature("float32", (-1, -1), longest=2_500)
    wide = Model(models.tensors(models.identity("float32", (-1, -1)), stated, [{"x": [1]}] * 3))
    asked, columns = [], wide.columns

    def spied(values: Sequence[Any], where: Sequence[str]) -> Answers:
        asked.append(len(values))
        return columns(values, where)

    monkeypatch.setattr(wide, "columns", spied)
    run = Run(jsonl([{"inputs": {"x": [i]}} for i in range(900)]), "inbox/m/f.jsonl", wide).score()
    assert [row["prediction"] for row in run.rows] == [{"y": [i]} for i in range(900)]
    assert asked == [400, 400, 100]


def test_rows_of_megabytes_are_held_one_run_at_a_time() -> None:
    line = b'{"text": "good", "other": "%s"}\n' % (b"x" * 300_000)
    run = Run(line * 40, "inbox/m/f.jsonl", TEXT, block=1 << 20)
    found = list(runs(run.stored.blocks(0, run.stored.size), 0, 1_000, quotes=False))
    assert [len(one.ends) for one in found] == [4] * 10
    assert len(run.score().rows) == 40


@pytest.mark.parametrize(
    ("form", "output"),
    [
        ("csv", "jsonl"),
        ("jsonl", "csv"),
        ("jsonl", "parquet"),
        ("parquet", "jsonl"),
        ("jsonl.gz", "jsonl"),
    ],
)
def test_a_worker_that_is_stopped_again_and_again_writes_the_same_bytes(form: str, output: str) -> None:
    rows = [{"id": i, "text": TEXTS[i % len(TEXTS)] if i % 700 else ""} for i in range(3_300)]
    data = {
        "csv": as_csv([["id", "text"], *([row["id"], row["text"]] for row in rows)]),
        "jsonl": jsonl(rows),
        "parquet": as_parquet(rows, row_group_size=700),
    }[form.split(".", maxsplit=1)[0]]
    data = packed(data, "gzip") if form.endswith("gz") else data
    runs = [
        Run(data, f"inbox/m/f.{form}", TEXT, output=output).change(chunk_bytes=60_000, piece_rows=900) for _ in "ab"
    ]
    luck = random.Random(7)
    runs[0].score()
    runs[1].score(late=lambda: luck.random() < 0.4)
    assert runs[0].sink.objects == runs[1].sink.objects
    assert runs[0].sink.pieces == runs[1].sink.pieces
    assert sum(piece.rows + piece.rejects for piece in runs[0].sink.pieces.values()) == 3_300
    assert len(runs[0].sink.pieces) >= 3


@pytest.mark.parametrize("output", ["csv", "parquet"])
def test_columns_in_another_order_come_out_in_one(output: str) -> None:
    rows = [{"features": {"a": 1, "b": 2, "c": 3}}, {"features": {"c": 3, "b": 2, "a": 1}}]
    run = Run(jsonl(rows), "inbox/m/f.jsonl", TABLE, output=output).score()
    written = run.sink.objects[f"part-00000-00000.{output}"]
    if output == "csv":
        found = list(csv.DictReader(io.StringIO(written.decode())))
    else:
        found = parquet.read_table(io.BytesIO(written)).to_pylist()
    assert [[float(row[name]) for name in "abc"] for row in found] == [[1, 2, 3]] * 2


def test_a_csv_output_holds_no_formulas() -> None:
    run = Run(jsonl([{"id": "@x", "text": "=cmd()"}]), "inbox/m/f.jsonl", TEXT, output="csv").score()
    [cells] = csv.DictReader(io.StringIO(run.sink.objects["part-00000-00000.csv"].decode()))
    assert (cells["id"], cells["text"]) == ("'@x", "'=cmd()")
    assert {"row", "prediction", "confidence", "score_no", "score_yes", "model_version"} <= cells.keys()


@pytest.mark.parametrize("output", ["csv", "parquet"])
def test_a_feature_that_is_called_like_a_column_of_the_output_comes_out_under_another_name(output: str) -> None:
    columns = ["row", "id", "prediction", "model_version", "feature_row", "score_yes", "a"]
    declared = {"columns": [{"name": name, "type": "numeric", "mean": 0.0, "std": 1.0} for name in columns]}
    table = Model(models.regression(declared, tuple([1.0] * 7)))
    row = dict(zip(columns, range(1, 8), strict=True))
    run = Run(jsonl([{"id": "x", "features": row}]), "inbox/m/f.jsonl", table, output=output).score()
    written = run.sink.objects[f"part-00000-00000.{output}"]
    if output == "csv":
        [found] = csv.DictReader(io.StringIO(written.decode()))
    else:
        [found] = parquet.read_table(io.BytesIO(written)).to_pylist()
    assert (int(found["row"]), found["id"], int(found["model_version"])) == (1, "x", 3)
    assert float(found["prediction"]) == 28.0
    renamed = ["feature_feature_row", "feature_id", "feature_prediction", "feature_model_version", "feature_row"]
    assert [float(found[name]) for name in [*renamed, "feature_score_yes", "a"]] == [1, 2, 3, 4, 5, 6, 7]


def test_a_csv_output_of_tensors_holds_json() -> None:
    model = Model(models.echo(["float32", "int32", "string"]))
    instance = model.package.golden.cases[0].instance
    run = Run(jsonl([instance]), "inbox/m/f.jsonl", model, output="csv").score()
    [cells] = csv.DictReader(io.StringIO(run.sink.objects["part-00000-00000.csv"].decode()))
    assert json.loads(cells["inputs"]) == instance["inputs"]
    assert list(json.loads(cells["prediction"]).values()) == list(instance["inputs"].values())


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t1", "\r1", "\n1"])
def test_whatever_a_spreadsheet_takes_for_a_formula_gets_an_apostrophe(text: str) -> None:
    [cells] = csv.reader(io.StringIO(outputs.csv_lines([{"text": text}], head=False).decode(), newline=""))
    assert cells == [f"'{text}"]


def test_a_parquet_output_is_the_table_that_the_csv_is() -> None:
    run = Run(jsonl([{"id": 1, "text": "good"}]), "inbox/m/f.jsonl", TEXT, output="parquet").score()
    [row] = parquet.read_table(io.BytesIO(run.sink.objects["part-00000-00000.parquet"])).to_pylist()
    assert (row["row"], row["id"], row["text"], row["model_version"]) == (1, "1", "good", 3)


@pytest.mark.parametrize(
    "labels", [["no", "yes"], ['"no"', "a\\b"], ["line\n", "é"], ["", " "], [f"label {i}" for i in range(1000)]]
)
def test_scores_are_written_by_their_labels_whatever_these_hold(labels: list[str]) -> None:
    scores = [[i / 8, 0.5] for i in range(len(labels))]
    said = Answers([labels[0], labels[1]], [0.25, None], labels, scores)
    rows = Rows([1, 2], [None, "b"], ["one", "two"])
    first, second = map(json.loads, outputs.json_lines(rows, said, "text", 7).splitlines())
    assert first == {
        "row": 1, "text": "one", "prediction": labels[0], "confidence": 0.25, "model_version": 7,
        "scores": {label: i / 8 for i, label in enumerate(labels)},
    }  # fmt: skip
    assert (second["id"], second["scores"]) == ("b", dict.fromkeys(labels, 0.5))
    assert [row[f"score_{labels[1]}"] for row in outputs.flat(rows, said, "text", [], 7)] == [1 / 8, 0.5]


@pytest.mark.parametrize("ids", [[1, "x", None], [None, None], [10**30, 2.5]])
def test_a_parquet_output_of_json_lines_has_ids_of_one_type(ids: list[Any]) -> None:
    rows = [{"id": own, "text": "good"} for own in ids]
    run = Run(jsonl(rows), "inbox/m/f.jsonl", TEXT, output="parquet").score()
    found = parquet.read_table(io.BytesIO(run.sink.objects["part-00000-00000.parquet"]))
    assert found.schema.field("id").type == pa.string()
    assert found.column("id").to_pylist() == [None if own is None else str(own) for own in ids]


IDS = [
    ("x", "x"),
    (7, 7),
    (None, None),
    (3.0, 3),
    (1.5, "1.5"),
    (True, "true"),
    ([1, "a"], '[1,"a"]'),
    (1e300, "1e+300"),
]


@pytest.mark.parametrize(("own", "told"), IDS)
@pytest.mark.parametrize("model", [TEXT, TABLE])
def test_an_id_of_another_type_comes_out_as_text(own: Any, told: Any, model: Model) -> None:
    row = {"id": own, "text": "good", "a": 1, "b": 2, "c": 3}
    [found] = Run(jsonl([row]), "inbox/m/f.jsonl", model).score().rows
    assert found.get("id") == told
    assert type(found.get("id")) is type(told)


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (pa.array([3.0, 1.5, None, float("nan")]), [3, "1.5", None, None]),
        (pa.array([b"a", b"\xff", None, b""]), ["a", "\\xff", None, ""]),
        (pa.array([0, 1, None, 2], pa.date32()), ["1970-01-01", "1970-01-02", None, "1970-01-03"]),
        (pa.array([2**63, 2, None, 3], pa.uint64()), [2**63, 2, None, 3]),
        (
            pa.array([2**62, 1, None, 10**18 + 1], pa.timestamp("ns")),
            ["2116-02-20T23:53:38.427387904", "1970-01-01T00:00:00.000000001", None, "2001-09-09T01:46:40.000000001"],
        ),
        (
            pa.array([2**62, None, None, 0], pa.timestamp("us")),
            ["148108-07-06T14:00:27.387904", None, None, "1970-01-01T00:00:00.000000"],
        ),
        (
            pa.array([10**9, 0, None, 1], pa.date32()),
            ["2739877-01-03", "1970-01-01", None, "1970-01-02"],
        ),
        (
            pa.array([1, 2, None, 3], pa.timestamp("us", tz="Mars/Phobos")),
            ["1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:00.000002Z", None, "1970-01-01T00:00:00.000003Z"],
        ),
        (pa.array([1, 2, None, 3], pa.duration("ns")), ["1", "2", None, "3"]),
        (
            pa.array([1, 2, None, 3], pa.time64("ns")),
            ["1", "2", None, "3"],
        ),
        (pa.array([[10**9], [0], None, [1]], pa.list_(pa.date32())), [None, '["1970-01-01"]', None, '["1970-01-02"]']),
    ],
)
def test_an_id_of_parquet_comes_out_whatever_its_type(ids: Any, told: list[Any]) -> None:
    out = io.BytesIO()
    parquet.write_table(pa.table({"id": ids, "text": ["good"] * 4}), out)
    run = Run(out.getvalue(), "inbox/m/f.parquet", TEXT).score()
    assert [row.get("id") for row in run.rows] == told
    as_table = Run(out.getvalue(), "inbox/m/f.parquet", TEXT, output="parquet").score()
    found = parquet.read_table(io.BytesIO(as_table.sink.objects["part-00000-00000.parquet"])).column("id").to_pylist()
    assert found == [None if own is None else str(own) for own in told]


@pytest.mark.parametrize("form", ["parquet", "jsonl"])
def test_pieces_of_parquet_end_by_their_bytes_too(form: str) -> None:
    rows = [{"id": i, "text": f"{i} " + "word " * 2_000} for i in range(800)]
    data = as_parquet(rows) if form == "parquet" else jsonl(rows)
    run = Run(data, f"inbox/m/f.{form}", TEXT, output="parquet").change(piece_bytes=3_000_000).score()
    assert [piece.rows for piece in run.sink.pieces.values()] == [300, 300, 200]


def test_large_rows_of_parquet_are_predicted_about_a_megabyte_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    columns = TEXT.columns

    def counted(values: Any, where: Any) -> Any:
        asked.append(len(values))
        return columns(values, where)

    monkeypatch.setattr(TEXT, "columns", counted)
    Run(as_parquet([{"text": "good " * 2_000}] * 250), "inbox/m/f.parquet", TEXT).score()
    assert asked == [100, 100, 50]


@pytest.mark.parametrize(("row_seconds", "at_once"), [(None, 1_000), (0.001, 1_000), (0.05, 400), (0.3, 67), (3.0, 10)])
@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_slow_model_looks_at_the_clock_long_before_its_time_is_over(
    row_seconds: float | None, at_once: int, form: str
) -> None:
    rows = [{"text": "good"}] * 1_500
    run = Run(jsonl(rows) if form == "jsonl" else as_parquet(rows), f"inbox/m/f.{form}", TEXT)
    run.plan = planning.plan(run.stored, f"inbox/m/f.{form}", run.options, row_seconds)
    looks = itertools.count()
    run.score(late=lambda: next(looks) < 0)
    assert next(looks) == -(-1_500 // at_once)
    assert at_once * (row_seconds or 0) < ROUND_SECONDS / 4


def test_a_parquet_output_of_parquet_keeps_the_type_of_its_ids() -> None:
    run = Run(as_parquet([{"id": 7, "text": "good"}]), "inbox/m/f.parquet", TEXT, output="parquet").score()
    [row] = parquet.read_table(io.BytesIO(run.sink.objects["part-00000-00000.parquet"])).to_pylist()
    assert row["id"] == 7


@pytest.mark.parametrize("values", [[1, 2.5], [2, 10**30]])
def test_a_parquet_output_of_numbers_has_one_type_of_them(values: list[float]) -> None:
    rows = [{"features": {"a": value, "b": 0, "c": 1.5}} for value in values]
    run = Run(jsonl(rows), "inbox/m/f.jsonl", TABLE, output="parquet").score()
    found = parquet.read_table(io.BytesIO(run.sink.objects["part-00000-00000.parquet"]))
    assert [found.schema.field(name).type for name in "abc"] == [pa.float64()] * 3


def test_a_feature_that_python_can_not_hold_is_a_reject_and_no_null() -> None:
    columns = {"columns": [{"name": "a", "type": "numeric", "mean": 0.0, "std": 1.0, "nullable": True}]}
    table = Model(models.regression(columns, (2.0,)))
    out = io.BytesIO()
    parquet.write_table(pa.table({"a": pa.array([2**62, None], pa.timestamp("us"))}), out)
    run = Run(out.getvalue(), "inbox/m/f.parquet", table).score()
    assert ([row["row"] for row in run.rows], [row["row"] for row in run.rejects]) == ([2], [1])
    assert json.loads(run.rejects[0]["raw"]) == {"a": "timestamp[us] 4611686018427387904"}


@pytest.mark.parametrize("output", ["jsonl", "csv", "parquet"])
def test_a_decimal_of_parquet_is_a_number(output: str) -> None:
    row = {"a": Decimal("1.50"), "b": Decimal(-2), "c": 0.5, "id": Decimal("7.10")}
    run = Run(as_parquet([row]), "inbox/m/f.parquet", TABLE, output=output).score()
    part = run.sink.objects[f"part-00000-00000.{output}"]
    if output == "jsonl":
        [found] = run.rows
        assert (found["id"], found["features"]) == ("7.10", {"a": 1.5, "b": -2.0, "c": 0.5})
    elif output == "parquet":
        [found] = parquet.read_table(io.BytesIO(part)).to_pylist()
        assert (found["id"], found["a"], found["b"]) == ("7.10", 1.5, -2.0)
    else:
        [found] = csv.DictReader(io.StringIO(part.decode()))
        assert (found["id"], float(found["a"]), float(found["b"])) == ("7.10", 1.5, -2.0)
    [said] = TABLE.predict([{"a": 1.5, "b": -2.0, "c": 0.5}], ["features"])
    assert found["prediction"] == said.prediction


def test_a_list_that_arrow_can_not_read_is_not_called_damaged() -> None:
    out = io.BytesIO()
    inputs = pa.StructArray.from_arrays([pa.array([[0, 1], None], pa.list_(pa.float32(), 2))], ["x"])
    parquet.write_table(pa.table({"inputs": inputs}), out)
    model = Model(models.tensors(models.identity("float32"), models.signature("float32"), [{"x": [0, 1]}]))
    with pytest.raises(Unreadable, match="the Parquet file can not be read: Expected all lists"):
        Run(out.getvalue(), "inbox/m/f.parquet", model).score()


NULLABLE = {
    "columns": [
        {"name": "a", "type": "numeric", "mean": 0.0, "std": 1.0, "nullable": True},
        {"name": "k", "type": "categorical", "values": ["x"], "nullable": True},
    ]
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("model", "form", "one", "other"),
    [
        (models.regression(NULLABLE, (1.0, 2.0, 3.0)), "jsonl", {"a": None, "k": "x"}, {"a": 1.5, "k": None}),
        (models.regression(NULLABLE, (1.0, 2.0, 3.0)), "jsonl", {"a": 1, "k": "x"}, {"a": 1.5, "k": "y", "id": 7}),
        (models.package(models.dense()), "parquet", {"a": 1, "b": 2, "c": 3, "id": None}, {"a": 1, "b": 2, "c": 3}),
        (models.echo(["float32"]), "jsonl", {"inputs": {"x_float32": [1, 2]}}, {"inputs": {"x_float32": [1.5, 2.5]}}),
    ],
)
def test_parts_of_a_parquet_output_are_one_table_whatever_their_rows_hold(
    model: dict[str, bytes], form: str, one: dict[str, Any], other: dict[str, Any], turned: bool, tmp_path: Path
) -> None:
    rows = [other] * 3 + [one] * 3 if turned else [one] * 3 + [other] * 3
    if form == "parquet":
        rows = [{**row, "id": i if "id" not in row else None} for i, row in enumerate(rows)]
    data = as_parquet(rows) if form == "parquet" else jsonl(rows)
    run = Run(data, f"inbox/m/f.{form}", Model(model), output="parquet").change(piece_rows=3, batch_rows=3).score()
    for name, part in run.sink.objects.items():
        (tmp_path / name).write_bytes(part)
    parts = [parquet.read_schema(tmp_path / name) for name in run.sink.objects]
    assert len(parts) == 2
    assert parts[0].equals(parts[1])
    assert parquet.read_table(tmp_path).column("row").to_pylist() == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("output", ["parquet", "csv", "jsonl"])
@pytest.mark.parametrize(
    ("dtype", "row", "stored"),
    [
        ("float32", [2**53 + 1, 1.5], [2.0**53, 1.5]),
        ("float32", [2**64, 1], [2.0**64, 1.0]),
        ("float32", [2**53 + 1, 1], [2.0**53, 1.0]),
        ("int64", [2**62 + 1, -1], [2**62 + 1, -1]),
        ("uint64", [2**64 - 1, 1], [2**64 - 1, 1]),
        ("bool", [True, False], [True, False]),
        ("string", ["a", "\u00fc"], ["a", "\u00fc"]),
    ],
)
def test_a_tensor_comes_out_by_the_type_of_its_signature_however_large(
    dtype: str, row: list[Any], stored: list[Any], output: str
) -> None:
    tensor = {"dtype": dtype, "shape": [-1, 2]}
    bounds = {"minimum": -1, "maximum": 2**64 - 1} if "int" in dtype else {}
    signature = {"inputs": [{"name": "x", **tensor, **bounds}], "outputs": [{"name": "y", **tensor}]}
    model = Model(models.tensors(models.identity(dtype), signature, [{"x": row}] * 3))
    run = Run(jsonl([{"inputs": {"x": row}}]), "inbox/m/f.jsonl", model, output=output).score()
    [(name, part)] = run.sink.objects.items()
    assert name == f"part-00000-00000.{output}"
    if output == "parquet":
        [found] = parquet.read_table(io.BytesIO(part)).to_pylist()
        assert (found["inputs"], found["prediction"]) == ({"x": stored}, {"y": stored})


def test_a_tensor_without_a_batch_comes_out_in_all_its_dimensions() -> None:
    instance = {"input0": [[1, 2], [3, 4]], "input1": [True, False, True]}
    model = Model(models.tensors(models.outer(), models.OUTER, [instance]))
    run = Run(jsonl([{"inputs": instance}] * 2), "inbox/m/f.jsonl", model, output="parquet").score()
    found = parquet.read_table(io.BytesIO(run.sink.objects["part-00000-00000.parquet"])).to_pylist()
    assert [row["inputs"] for row in found] == [instance] * 2
    assert [row["prediction"] for row in found] == [{"output0": [[4.0, 6.0], [0.0, 0.0], [4.0, 6.0]]}] * 2


@pytest.mark.parametrize("n_short", [0, 300, 1_500])
def test_a_table_that_unpacks_to_far_more_is_refused_with_little_of_it_in_memory(n_short: int) -> None:
    places = pa.array([0] * n_short + [1] * 500, pa.int32())
    texts = pa.DictionaryArray.from_arrays(places, pa.array(["t", "good " * 800_000]))
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": texts}), out, dictionary_pagesize_limit=1 << 30, store_schema=False)
    usual, counted = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
    pa.set_memory_pool(counted)
    try:
        file = tables.Parquet(Stored(out.getvalue()))
        with pytest.raises(Unreadable, match="a bomb"):
            assert sum(len(row["text"]) for row in file.rows(0, n_short + 500, ["text"])) == n_short
    finally:
        pa.set_memory_pool(usual)
    assert counted.max_memory() < (300_000_000 if n_short else 150_000_000)


def repeated(kind: str) -> Any:
    """2,000 values that are one of a dictionary, each a megabyte."""
    big = {"large_string": pa.large_string(), "binary": pa.binary()}.get(kind, pa.string())
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 2_000, pa.int32()), pa.array(["good " * 200_000], big))
    if kind == "struct":
        return pa.StructArray.from_arrays([texts], ["x"])
    return pa.ListArray.from_arrays(pa.array(range(2_001), pa.int32()), texts) if kind == "list" else texts


@pytest.mark.parametrize("kind", ["string", "large_string", "binary", "struct", "list"])
def test_a_dictionary_counts_as_often_as_its_values_come(kind: str) -> None:
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": repeated(kind)}), out)
    with pytest.raises(Unreadable, match="a bomb"):
        list(map(len, tables.Parquet(Stored(out.getvalue())).rows(0, 2_000, ["text"])))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([["a"], None, [], ["b", "c"]] * 300),
        pa.array([["a"], None, [], ["b", "c"]] * 300, pa.large_list(pa.string())),
        pa.array([["a", "b"]] * 1_200, pa.list_(pa.string(), 2)),
        pa.array([[("a", 1)], None, [], [("b", 2)]] * 300, pa.map_(pa.string(), pa.int64())),
        pa.array([{"x": ["a"]}, None, {"x": None}, {"x": ["b", "c"]}] * 300),
        pa.array(["a", None, "b", "a"] * 300).dictionary_encode(),
        pa.array([b"a", None, b"b", b"a"] * 300).dictionary_encode(),
        pa.array([1.5, None, 2.5, 1.5] * 300).dictionary_encode(),
        pa.array([Decimal("1.5"), None, Decimal(2), Decimal(0)] * 300),
    ],
)
def test_a_column_of_any_type_is_read_as_it_is(column: Any) -> None:
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": column}), out, row_group_size=700)
    found = tables.Parquet(Stored(out.getvalue())).rows(3, 1_200, ["text"])
    assert [row["text"] for row in found] == column.to_pylist()[3:]


def test_a_dictionary_may_hold_nothing() -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([None, None], pa.int8()), pa.array([], pa.string()))
    out = io.BytesIO()
    parquet.write_table(pa.table({"text": texts}), out)
    assert [*tables.Parquet(Stored(out.getvalue())).rows(0, 2, ["text"])] == [{"text": None}] * 2


def test_short_values_that_come_again_and_again_are_no_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroloop.batch.streams._BOMB_FREE_BYTES", 100_000)
    data = as_parquet([{"text": "a film that says nothing new"}] * 50_000)
    assert len(data) * 250 < 50_000 * 28
    assert sum(1 for _ in tables.Parquet(Stored(data)).rows(0, 50_000, ["text"])) == 50_000


@pytest.mark.parametrize("sizes", [[1] * 900, [1] * 400 + [200_000] * 100 + [1] * 400, [200_000, 1] * 60])
def test_rows_of_any_size_are_read_once_each_from_wherever_one_begins(sizes: list[int]) -> None:
    data = as_parquet([{"id": i, "text": f"{i:x<{size}}"} for i, size in enumerate(sizes)], row_group_size=350)
    for start, end in ((0, len(sizes)), (7, 23), (len(sizes) - 1, len(sizes))):
        found = tables.Parquet(Stored(data)).rows(start, end, ["id", "text"])
        assert [(row["id"], len(row["text"]) >= sizes[row["id"]]) for row in found] == [
            (i, True) for i in range(start, end)
        ]


@pytest.mark.parametrize(
    ("data", "key", "why"),
    [
        (gzip.compress(b"x" * 30_000_000), "f.jsonl.gz", "a bomb"),
        (gzip.compress(b"{}\n" * 99)[:-9], "f.jsonl.gz", "cut short"),
        (b"\x1f\x8bnonsense", "f.csv.gz", "damaged"),
        (b"\x28\xb5\x2f\xfdnonsense", "f.csv.zst", "damaged"),
        (b"PAR1nonsense", "f.parquet", "is not Parquet"),
        (gzip.compress(b"PAR1"), "f.parquet", "as it is"),
        (b",".join(b"c%d" % i for i in range(100_000)), "f.csv", "header"),
        (b",".join(b"c%d" % i for i in range(5_000)), "f.csv", "columns"),
        (b"a,a\n1,2\n", "f.csv", "twice"),
        (twice("text"), "f.parquet", "twice"),
        (twice("id"), "f.parquet", "twice"),
        (b"a,b\n1,2\n", "f.csv", "no column 'text'"),
        (b"id,inputs\n1,2\n", "f.csv", "no column 'text'"),
        (b"\xff\xffx\n", "f.csv", "encoding"),
        (b'text\n"unclosed\nall the rest\n', "f.csv", "quote opened in row 1 never closes"),
        (b'text\ngood\n\na 5" disc\n' + b"good\n" * 3_000, "f.csv", "quote opened in row 3 never closes"),
        (gzip.compress(b'text\ngood\na 5" disc'), "f.csv.gz", "quote opened in row 2 never closes"),
    ],
)
def test_a_file_that_can_not_be_read_says_why(data: bytes, key: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zeroloop.batch.streams._BOMB_FREE_BYTES", 1_000_000)
    with pytest.raises(Unreadable, match=why):
        Run(data, f"inbox/m/{key}", TEXT).score()


def test_cells_are_no_features_whatever_their_column_is_called() -> None:
    with pytest.raises(Unreadable, match="no column 'b'"):
        Run(b"features,a\n{},1\n", "inbox/m/f.csv", TABLE).score()


def test_a_model_of_tensors_answers_its_outputs_by_name() -> None:
    model = Model(models.echo(["float32", "int32", "string"]))
    instance = model.package.golden.cases[0].instance
    run = Run(jsonl([instance, {"inputs": {}}, instance]), "inbox/m/f.jsonl", model).score()
    assert [row["row"] for row in run.rows] == [1, 3]
    stated = [one.name for one in model.package.signature.outputs]
    assert list(run.rows[0]["prediction"]) == stated
    assert list(run.rows[0]["prediction"].values()) == list(instance["inputs"].values())
    assert "is missing" in run.rejects[0]["reason"]


@pytest.mark.parametrize("package", ["sentiment/packages/small", "sentiment/packages/float"])
def test_a_row_of_a_batch_has_the_answer_of_a_single_one_bit_for_bit(package: str) -> None:
    folder = Path(__file__).parents[2] / "examples" / package
    model = Model({path.name: path.read_bytes() for path in folder.iterdir()})
    rows = gzip.decompress((folder.parents[1] / "data" / "movie_reviews.tsv.gz").read_bytes()).decode().splitlines()
    texts = [row.split("\t")[-1] for row in rows[1:2_001]]
    said = [row for some in (texts[:1000], texts[1000:]) for row in models.by_row(predict(model, some)[0])]
    assert said == [model.predict([text], ["text"])[0] for text in texts]
