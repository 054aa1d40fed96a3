import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput
from zeroloop.registry import sources
from zeroloop.registry.sources import Named

RUN = "e361d0f402ef486384e19d33185056b6"


@pytest.mark.parametrize(
    ("source", "named"),
    [
        (f"runs:/{RUN}/model/x", Named("run", RUN, "model/x")),
        (f"runs:/{RUN}", Named("run", RUN)),
        ("models:/film/3", Named("version", "film", "3")),
        ("models:/film@best", Named("version", "film", "@best")),
        ("s3://b/m", Named("place", "s3://b/m")),
        ("https://host/m", Named("place", "https://host/m")),
        ("mlflow-artifacts:/1/x", Named("place", "mlflow-artifacts:/1/x")),
    ],
)
def test_what_an_address_names(source: str, named: Named) -> None:
    assert sources.read(source, run_id=RUN, logged_model="") == named


def test_a_logged_model_is_named_by_its_id() -> None:
    assert sources.read("models:/m-1", run_id="", logged_model="m-1") == Named("logged model", "m-1")


@pytest.mark.parametrize(
    "source",
    [
        *("/etc", "etc", "file:///etc", "C", ""),
        *("s3://b/../m", "s3://b/%2e%2e/m", "s3://b/%252e%252e/m", "mlflow-artifacts:/..", "s3://b/m%00"),
        *("runs:/another/model", "runs://host/x", "runs:/", "models:/m-1", "models:/", "models://h/x", "s3://[b/m"),
    ],
)
def test_addresses_that_are_refused(source: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        sources.read(source, run_id=RUN, logged_model="")
    assert refused.value.field == "source"


def test_what_belongs_to_a_run_is_not_registered_as_a_logged_models() -> None:
    with pytest.raises(InvalidInput):
        sources.read(f"runs:/{RUN}/model", run_id=RUN, logged_model="m-1")


def test_proxied_artifacts_need_an_owner() -> None:
    with pytest.raises(InvalidInput):
        sources.read("mlflow-artifacts:/1/x", run_id="", logged_model="")


@given(st.text(max_size=40))
def test_no_text_is_more_than_refused(source: str) -> None:
    try:
        sources.read(source, run_id="", logged_model="")
    except InvalidInput:
        return


@pytest.mark.parametrize(
    ("location", "folder"),
    [
        ("s3://ours/artifacts/1/x", "artifacts/1/x/"),
        ("s3://ours/artifacts/1/x/", "artifacts/1/x/"),
        ("s3://ours/models/m-1/abc", "models/m-1/abc/"),
        ("mlflow-artifacts:/1/x", "artifacts/1/x/"),
        ("mlflow-artifacts://host:8080/1/a%20b", "artifacts/1/a b/"),
        ("s3://ours/other/x", None),
        ("s3://theirs/artifacts/x", None),
        ("https://ours/artifacts/x", None),
    ],
)
def test_folders_of_our_own_bucket(location: str, folder: str | None) -> None:
    assert sources.folder(location, "ours") == folder


def test_a_package_lies_at_the_root_or_in_its_folder() -> None:
    assert sources.package_folders("artifacts/x/") == ["artifacts/x/package/", "artifacts/x/"]
    assert sources.is_package(["MLmodel", "package.json", "model.tflite"])
    assert not sources.is_package(["package.json", "data/model.tflite"])


def test_what_is_below_a_place_is_within_it_and_its_neighbour_is_not() -> None:
    assert sources.within("s3://b/a/x", "s3://b/a")
    assert sources.within("s3://b/a", "s3://b/a/")
    assert not sources.within("s3://b/ab", "s3://b/a")
