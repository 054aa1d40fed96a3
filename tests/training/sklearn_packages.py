from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, PolynomialFeatures, StandardScaler

from zeroloop.errors import InvalidInput
from zeroloop.inference import golden
from zeroloop.inference.model import Model
from zeroloop_training import packaging, tabular
from zeroloop_training.sklearn import package

pytestmark = pytest.mark.filterwarnings("ignore")  # networks that are trained too shortly say so

MACHINES = pd.DataFrame({
    "temperature": [299.5, 301.0, 304.2, 300.1, 298.7, 305.0, 299.9, 303.3],
    "torque": [38, 44, 31, 57, 40, 12, 45, 35],
    "quality": ["M", "L", "H", "L", "M", "H", "L", "M"],
    "site": ["a", "b", "a", "b", "c", "c", "a", "b"],
})  # fmt: skip
FAILS = np.array(["no", "no", "yes", "yes", "no", "yes", "no", "yes"])


def answers(files: Mapping[str, bytes], rows: list[dict[str, Any]]) -> Any:
    """(rows, labels) scores, or (rows, 1) numbers, as predict gives them."""
    given = packaging.predict(Model(files), rows)
    return np.array([list(answer.scores.values()) or [packaging.number(answer)] for answer in given])


@pytest.mark.parametrize(
    ("model", "data"),
    [
        (LogisticRegression(max_iter=1000), load_iris),
        (make_pipeline(StandardScaler(), LogisticRegression()), load_breast_cancer),
        (make_pipeline(StandardScaler(with_std=False), LogisticRegression(max_iter=5000)), load_iris),
        (make_pipeline(MinMaxScaler((-1, 2)), LogisticRegression(fit_intercept=False)), load_iris),
        (make_pipeline(StandardScaler(), MLPClassifier((16, 8), activation="tanh", random_state=0)), load_wine),
        (
            make_pipeline(StandardScaler(with_mean=False), MLPClassifier((8,), activation="logistic")),
            load_breast_cancer,
        ),
        (MLPClassifier((8,), activation="identity", random_state=0), load_iris),
        (LinearRegression(), load_diabetes),
        (make_pipeline(MinMaxScaler(), Ridge()), load_diabetes),
        (Lasso(), load_diabetes),
        (ElasticNet(), load_diabetes),
        (make_pipeline(StandardScaler(), MLPRegressor(max_iter=300, random_state=0)), load_diabetes),
    ],
    ids=str,
)
@pytest.mark.parametrize("as_frame", [False, True], ids=["array", "frame"])
def test_a_package_answers_what_its_model_answers(model: Any, data: Callable[..., Any], *, as_frame: bool) -> None:
    rows, truth = data(return_X_y=True, as_frame=as_frame)
    fitted_on, unseen, known, true = train_test_split(rows, truth, random_state=0)
    model.fit(fitted_on, known)
    files = package(model, (fitted_on, known), (unseen, true))
    golden.check(Model(files))
    names = list(rows.columns) if as_frame else [f"x{i}" for i in range(rows.shape[1])]
    sent = [dict(zip(names, map(float, row), strict=True)) for row in np.asarray(unseen)]
    regression = data is load_diabetes
    wanted = model.predict(unseen)[:, np.newaxis] if regression else model.predict_proba(unseen)
    assert answers(files, sent) == pytest.approx(wanted, rel=1e-5 if regression else 0, abs=1e-5)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        (["temperature", "torque"], ["quality", "site"]),
        ([0, 1], slice(2, 4)),
        ([True, True, False, False], [3, 2]),
    ],
    ids=["names", "places", "mask"],
)
def test_columns_of_words_are_sent_as_words(numbers: Any, words: Any) -> None:
    encoder = OneHotEncoder(handle_unknown="ignore")
    model = make_pipeline(make_column_transformer((encoder, words), (StandardScaler(), numbers)), LogisticRegression())
    model.fit(MACHINES, FAILS)
    files = package(model, (MACHINES, FAILS), (MACHINES, FAILS))
    new = pd.DataFrame({"temperature": [300.5], "torque": [20], "quality": ["never seen"], "site": ["a"]})
    sent = [{"temperature": 300.5, "torque": 20, "quality": "never seen", "site": "a"}]
    assert answers(files, sent) == pytest.approx(model.predict_proba(new), abs=1e-5)


def test_columns_that_the_model_drops_are_not_asked_for_and_others_pass() -> None:
    passing = make_column_transformer(
        (MinMaxScaler(), ["torque"]), ("drop", ["quality", "site"]), remainder="passthrough"
    )
    model = make_pipeline(passing, LinearRegression()).fit(MACHINES, FAILS == "yes")
    files = package(model, (MACHINES, FAILS == "yes"), (MACHINES, FAILS == "yes"))
    sent = [{"torque": 20, "temperature": 300.5}]
    assert answers(files, sent) == pytest.approx(model.predict(MACHINES.assign(torque=20, temperature=300.5))[:1, None])


def test_large_numbers_lose_nothing_where_nothing_scales_them() -> None:
    rows, truth = MACHINES[["temperature"]] * 1000 + 0.1, MACHINES["temperature"] - 300
    files = package(LinearRegression().fit(rows, truth), (rows, truth), (rows, truth))
    assert answers(files, [{"temperature": 300_123.4}])[0, 0] == pytest.approx(0.1233, abs=1e-6)


def test_a_package_tells_what_it_was_made_of() -> None:
    model = LogisticRegression(C=2.0).fit(MACHINES[["torque"]], FAILS)
    files = package(model, (MACHINES[["torque"]], FAILS), (MACHINES[["torque"]], FAILS), run_id="a1b2")
    about = Model(files).package
    assert (about.run_id, about.labels, about.task, about.dataset.rows) == ("a1b2", ["no", "yes"], "binary", 8)
    assert about.parameters["estimator"] == "LogisticRegression"
    assert about.parameters["C"] == 2.0
    assert about.metrics["accuracy"].value == pytest.approx(model.score(MACHINES[["torque"]], FAILS), abs=1e-4)


def test_other_training_rows_make_another_digest() -> None:
    rows = MACHINES[["torque"]]
    model = LogisticRegression().fit(rows, FAILS)
    digests = {
        Model(package(model, (rows, truth), (rows, FAILS))).package.dataset.digest for truth in (FAILS, FAILS[::-1])
    }
    assert len(digests) == 2


NUMBERS, SEVERAL = MACHINES[["temperature", "torque"]], np.stack([FAILS == "yes", FAILS == "no"], axis=1).astype(int)


@pytest.mark.parametrize(
    ("model", "rows", "truth", "says"),
    [
        (RandomForestClassifier(), NUMBERS, FAILS, "RandomForestClassifier can't be exported; what can: LogisticReg"),
        (make_pipeline(PolynomialFeatures(), LogisticRegression()), NUMBERS, FAILS, "PolynomialFeatures can't be"),
        (make_pipeline(MinMaxScaler(clip=True), LogisticRegression()), NUMBERS, FAILS, "MinMaxScaler without clip"),
        (make_pipeline(StandardScaler(), MinMaxScaler(), LogisticRegression()), NUMBERS, FAILS, "one transformer"),
        (make_pipeline(OneHotEncoder(), LogisticRegression()), MACHINES[["site"]], FAILS, "handle_unknown='ignore'"),
        (
            make_pipeline(OneHotEncoder(handle_unknown="ignore", drop="first"), LogisticRegression()),
            MACHINES[["site"]],
            FAILS,
            "without drop",
        ),
        (
            make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()),
            MACHINES[["torque"]],
            FAILS,
            "must be strings",
        ),
        (MLPClassifier(), NUMBERS, SEVERAL, "several targets"),
        (LinearRegression(), NUMBERS, SEVERAL, "several targets"),
    ],
)
def test_what_has_no_package_is_refused_by_name(model: Any, rows: Any, truth: Any, says: str) -> None:
    model.fit(rows, truth)
    with pytest.raises(InvalidInput) as refused:
        package(model, (rows, truth), (rows, truth))
    assert says in refused.value.message


def test_a_model_that_was_not_fitted_is_refused() -> None:
    with pytest.raises(NotFittedError):
        package(LogisticRegression(), (NUMBERS, FAILS), (NUMBERS, FAILS))


def test_fewer_rows_than_golden_predictions_need_are_refused() -> None:
    model = LogisticRegression().fit(NUMBERS, FAILS)
    with pytest.raises(InvalidInput, match="2 held-out rows, at least 3"):
        package(model, (NUMBERS, FAILS), (NUMBERS[:2], FAILS[:2]))


def test_a_package_that_answers_otherwise_than_its_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LogisticRegression().fit(NUMBERS, FAILS)
    monkeypatch.setattr(tabular, "TOLERANCE", 1e-9)  # less than float32 can hold
    with pytest.raises(InvalidInput, match=r"the package answers .*, the trained model"):
        package(model, (NUMBERS, FAILS), (NUMBERS, FAILS))
