"""What must hold for either interpreter: run here by LiteRT, and in a second environment by tflite-runtime 2.14.

Uses a float export of the sentiment example, which both load, and nothing that the second environment lacks.
"""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from zeroloop.errors import InvalidInput
from zeroloop.inference import golden
from zeroloop.inference.model import Model
from zeroloop.inference.runtime import SUB_BATCH, Runner

FLOAT = Path(__file__).parents[2] / "examples" / "sentiment" / "packages" / "float"
SENTENCES = [f"{word} film number {i}" for i in range(60) for word in ("wonderful", "dreadful", "long")]


@pytest.fixture(scope="module", name="model")
def _model() -> Model:
    return Model({path.name: path.read_bytes() for path in FLOAT.iterdir()})


def scores(model: Model, texts: list[str]) -> list[dict[str, float]]:
    return [answer.scores for answer in model.predict(texts, ["text"] * len(texts))]


def test_the_golden_predictions_of_the_float_export_hold(model: Model) -> None:
    golden.check(model)


def test_an_answer_does_not_depend_on_its_batch(model: Model) -> None:
    assert len(SENTENCES) > SUB_BATCH
    together = scores(model, SENTENCES)
    alone = [scores(model, [text])[0] for text in SENTENCES]
    for one, other in zip(together, alone, strict=True):
        assert one == pytest.approx(other, abs=2e-6)  # sums in another order, rounded to six decimals


def test_threads_that_share_a_model_get_only_right_answers(model: Model) -> None:
    expected = [scores(model, [text])[0] for text in SENTENCES]

    def all_of_them(_thread: int) -> list[dict[str, float]]:
        return [scores(model, [text])[0] for text in SENTENCES]

    with ThreadPoolExecutor(8) as pool:
        for answers in pool.map(all_of_them, range(8)):
            assert answers == expected


@pytest.mark.parametrize("model_bytes", [b"", b"\0" * 100, b"\0\0\0\0TFL3" + b"\xff" * 100])
def test_what_is_no_model_is_refused(model_bytes: bytes) -> None:
    with pytest.raises(InvalidInput) as refused:
        Runner(model_bytes)
    assert refused.value.code == "bad_model"


def test_ids_out_of_the_vocabulary_can_not_reach_the_interpreter(model: Model) -> None:
    [ids] = model._reader.take(SENTENCES, ["text"] * len(SENTENCES)).arrays
    assert ids.min() >= 0
    assert ids.max() < model.package.preprocessing.parameters["buckets"]
    assert ids.dtype == np.int32
