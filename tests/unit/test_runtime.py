"""The interpreter behind its lock: batches, quantisation, threads, and what it refuses."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests import models
from zeroloop.errors import InvalidInput, ModelFailed
from zeroloop.inference.runtime import SUB_BATCH, Runner, looks_like_tflite

Rows = NDArray[np.float32]
RUNNER = Runner(models.dense())


def rows(n: int, width: int = 3) -> Rows:
    return (np.arange(n * width).reshape(n, width) % 17 / 8 - 1).astype(np.float32)


def expected(given: Rows, outputs: int = 2) -> NDArray[np.float64]:
    """softmax(x W') in float64."""
    powers = np.exp(given.astype(np.float64) @ models.weights(given.shape[1], outputs).T)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def test_an_answer_is_the_one_worked_out_by_hand() -> None:
    # W is [[-1, -3/8, 1/4], [7/8, -1/2, 1/8]]: x = (0, 2, 2) gives -1/4 and -3/4; 1 / (1 + e^(-1/2)) = 0.622459
    (answer,) = RUNNER.run([np.array([[0, 2, 2]], np.float32)])
    assert answer == pytest.approx(np.array([[0.622459, 0.377541]]), abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, SUB_BATCH - 1, SUB_BATCH, SUB_BATCH + 1, 2 * SUB_BATCH, 250])
def test_batches_of_any_size_are_answered_row_by_row(n: int) -> None:
    (answers,) = RUNNER.run([rows(n)])
    assert answers == pytest.approx(expected(rows(n)), abs=1e-6)


@settings(max_examples=25)
@given(st.lists(st.integers(0, 230), max_size=4))
def test_the_cut_of_a_batch_does_not_matter(cuts: list[int]) -> None:
    batch = rows(230)
    parts = [part for part in np.split(batch, sorted(cuts)) if len(part)]
    assert np.concatenate([RUNNER.run([part])[0] for part in parts]) == pytest.approx(RUNNER.run([batch])[0], abs=1e-6)


@pytest.mark.parametrize("fixed", [1, 4])
@pytest.mark.parametrize("n", [1, 3, 4, 5, 9])
def test_a_model_for_one_batch_size_answers_every_size(fixed: int, n: int) -> None:
    (answers,) = Runner(models.dense(rows=fixed)).run([rows(n)])
    assert answers == pytest.approx(expected(rows(n)), abs=1e-6)


def test_quantised_inputs_and_outputs_are_real_numbers_to_the_caller() -> None:
    # (1, 1/2, 3/4) is 19, 11, 15 at 1/16 from 3. 1 - 1 + 3/8 = 3/8, logistic 0.592667, in steps of 1/256: 152/256
    (answer,) = Runner(models.quantised()).run([np.array([[1, 0.5, 0.75]], np.float32)])
    assert answer.dtype == np.float32
    assert answer.tolist() == [[152 / 256]]


def test_a_quantised_input_is_rounded_to_the_nearest_step(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(models.quantised())
    handed: list[Any] = []
    given = runner._set

    def noted(index: int, array: NDArray[Any]) -> None:
        handed.append(array.tolist())
        given(index, array)

    monkeypatch.setattr(runner, "_set", noted)
    steps = np.array([[1, 0.5, 0.75]], np.float32)
    for off in (0, 0.03, -0.03):  # of steps of 0.0625; what the model answers has steps of its own, which hide it
        runner.run([steps + np.float32(off)])
    assert handed == [[[19, 11, 15]]] * 3


def test_a_value_beyond_the_quantised_range_counts_as_its_end() -> None:
    # int8 ends at 127: (127 - 3) / 16 = 7.75
    runner = Runner(models.quantised())
    beyond, end = np.array([[1000, 0, 0]], np.float32), np.array([[7.75, 0, 0]], np.float32)
    assert runner.run([beyond])[0] == runner.run([end])[0]


def test_int32_inputs_reach_the_model_as_they_are() -> None:
    (answers,) = Runner(models.dense(dtype="int32")).run([np.array([[0, 2, 2]], np.int32)])
    assert answers == pytest.approx(np.array([[0.622459, 0.377541]]), abs=1e-6)


class Slow:
    """An interpreter that lets other threads in between its steps."""

    def __init__(self, interpreter: Any) -> None:
        self.interpreter = interpreter

    def __getattr__(self, name: str) -> Any:
        step = getattr(self.interpreter, name)

        def slow(*args: Any) -> Any:
            answer = step(*args)
            time.sleep(0)
            return answer

        return slow


def test_threads_that_share_a_runner_get_their_own_answers() -> None:
    runner, together = Runner(models.dense()), threading.Barrier(8)
    runner._interpreter = Slow(runner._interpreter)

    def ask(number: int) -> float:
        """How far answers are from right; rows and sizes are the thread's own."""
        batch = rows(9)[number : number + 1 + number % 2]
        together.wait()
        return max(float(np.abs(runner.run([batch])[0] - expected(batch)).max()) for _ in range(25))

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(ask, range(8))) < 1e-6


GOOD = models.dense()


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"TFL3", id="identifier in the wrong place"),
        pytest.param(b"\0" * 1000, id="zeros"),
        pytest.param(GOOD[:4] + b"TFL2" + GOOD[8:], id="another identifier"),
        pytest.param(GOOD[:8], id="nothing but the identifier"),
        pytest.param(GOOD[: len(GOOD) // 2], id="half"),
        pytest.param(GOOD[:8] + b"\xff" * (len(GOOD) - 8), id="noise behind the identifier"),
        pytest.param(models.without_inputs(), id="no inputs"),
    ],
)
def test_what_is_no_model_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        Runner(data)
    assert refused.value.code == "bad_model"


def test_a_model_is_known_by_its_identifier() -> None:
    assert looks_like_tflite(GOOD)
    assert not looks_like_tflite(GOOD[1:])


def test_a_model_that_fails_on_an_input_fails_as_the_model_and_goes_on() -> None:
    runner = Runner(models.lookup())
    with pytest.raises(ModelFailed, match="index out of bounds") as failed:
        runner.run([np.array([[9]], np.int32)])
    assert failed.value.code == "model_failed"
    assert runner.run([np.array([[0], [1]], np.int32)])[0].tolist() == [[1, 0], [0, 1]]


def test_a_model_that_answers_fewer_rows_than_it_is_asked_fails() -> None:
    with pytest.raises(ModelFailed, match="for 2 rows"):
        Runner(models.mixing(keep=False)).run([rows(2)])


def test_tensors_are_counted_for_the_largest_run_and_stay() -> None:
    runner = Runner(models.wide(1000))
    alone = runner.held
    assert alone == pytest.approx(2 * 4 * 1000, abs=100)
    runner.run([rows(20, 1)])
    largest = runner.held
    assert largest == pytest.approx(20 * alone, abs=2000)
    runner.run([rows(1, 1)])
    assert runner.held == largest


@pytest.mark.parametrize(("width", "step"), [(1000, SUB_BATCH), (80_000, 99), (1_000_000, 7), (9_000_000, 1)])
def test_where_rows_are_large_fewer_run_at_a_time(width: int, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    runner, asked = Runner(models.wide(width)), []

    def once(inputs: list[Rows], _wanted: None) -> list[Rows]:
        asked.append(len(inputs[0]))
        return inputs

    monkeypatch.setattr(runner, "once", once)
    (answers,) = runner.run([rows(250, 1)])
    assert answers.tolist() == rows(250, 1).tolist()
    assert set(asked[:-1]) == {step}


@pytest.mark.parametrize("model", [models.averaged, models.flattened])
@pytest.mark.parametrize(("longest", "step"), [(1, SUB_BATCH), (100, SUB_BATCH), (1_000, 15), (1_000_000, 1)])
def test_where_rows_may_be_long_fewer_run_at_a_time(longest: int, step: int, model: Callable[[int], bytes]) -> None:
    runner = Runner(model(512))
    runner.bound([[-1, longest], [-1, longest][: len(runner.outputs[0]["shape"])]])
    assert runner.step == step


def test_where_outputs_may_be_long_fewer_run_at_a_time() -> None:
    runner = Runner(models.identity("float32", (-1, -1)))
    runner.bound([[-1, 8], [-1, 8_000_000]])
    assert runner.step == 1


@pytest.mark.parametrize("model", [models.averaged, models.flattened])
def test_the_length_of_rows_counts_as_well_as_their_number(model: Callable[[int], bytes]) -> None:
    runner = Runner(model(64))
    runner.run([np.ones((2, 500), np.int32)])
    assert runner.held == pytest.approx(2 * 2 * 500 * 64 * 4, rel=0.1)
    runner.run([np.ones((1, 900), np.int32)])  # more numbers in a row, and fewer in all
    assert runner.held == pytest.approx(2 * 2 * 500 * 64 * 4, rel=0.1)


def test_weights_count_once_however_many_rows_run(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = 4 * 2 * 4_000
    monkeypatch.setattr("zeroloop.inference.runtime._SUB_BATCH_BYTES", weights // 4)
    runner = Runner(models.lookup(4_000))
    assert runner.step == SUB_BATCH
    runner.run([np.zeros((SUB_BATCH, 1), np.int32)])
    assert weights < runner.held < weights * 1.2


def test_only_the_outputs_that_are_wanted_are_copied() -> None:
    runner, inputs = Runner(models.recommender()), [np.zeros((250, 1), np.int32), np.ones((250, 2), np.float32)]
    sums, best = runner.run(inputs)
    [alone] = runner.run(inputs, [1])
    assert alone.tolist() == best.tolist()
    assert [one.tolist() for one in runner.run(inputs, [0])] == [sums.tolist()]
    assert runner.run(inputs, []) == []


def test_a_model_of_large_rows_answers_within_its_bytes() -> None:
    runner = Runner(models.wide(1_000_000))
    (answers,) = runner.run([rows(15, 1)])
    assert answers == pytest.approx(1 / (1 + np.exp(-rows(15, 1).astype(np.float64))), abs=1e-3)
    assert runner.held < 64_000_000
