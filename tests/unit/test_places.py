import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.errors import InvalidInput
from zeroloop.mlflow import places


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("", "artifacts"),
        (".", "artifacts"),
        ("a.txt", "artifacts/a.txt"),
        ("a//b/./c/", "artifacts/a/b/c"),
        ("..a/b..", "artifacts/..a/b.."),
        ("%C3%BC%20100%25.txt", "artifacts/ü 100%.txt"),
        ("ü 100%.txt", "artifacts/ü 100%.txt"),
        ("a%252Fb", "artifacts/a/b"),
        ("a+b", "artifacts/a+b"),
        ("x" * 1014, "artifacts/" + "x" * 1014),
    ],
)
def test_a_path_is_a_key_below_the_root(path: str, key: str) -> None:
    assert places.key(path) == key


UNSAFE = [
    *("..", "a/..", "a/../../b", "%2e%2e/b", "a/%252e%252e/b", "/etc/passwd", "%2Fetc/passwd", "//host/x", "C:/x"),
    *("a\\b", "a%5Cb", "a\\..\\b", "a%00b", "a\nb", "a#b", "%2523", "ü" * 508, "%" + "25" * 11 + "41"),
]


@pytest.mark.parametrize("path", UNSAFE)
def test_an_unsafe_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput, match="Invalid path"):
        places.key(path)


@given(st.text(st.sampled_from("./%25eEfF2\\a")))
def test_a_key_lies_below_its_folder_and_reads_as_itself(path: str) -> None:
    try:
        key = places.key(path, "artifacts/12")
    except InvalidInput:
        return
    assert key == "artifacts/12" or key.startswith("artifacts/12/")
    assert not {"", ".", ".."} & set(key.split("/"))
    assert places.key(key, "root") == f"root/{key}"


@pytest.mark.parametrize(
    ("uri", "key"),
    [
        ("mlflow-artifacts:/12/r/artifacts", "artifacts/12/r/artifacts"),
        ("mlflow-artifacts:/", "artifacts"),
        ("mlflow-artifacts:12", "artifacts/12"),
        ("mlflow-artifacts://host:5000/12", "artifacts/12"),
        ("mlflow-artifacts:///12", "artifacts/12"),
        ("mlflow-artifacts:/my%20own", "artifacts/my own"),
        ("mlflow-artifacts:/../models/x", None),
        ("s3://bucket/artifacts/12/r/artifacts/", "artifacts/12/r/artifacts"),
        ("s3://bucket/artifacts/my%20own", "artifacts/my%20own"),
        ("s3://bucket/artifacts", "artifacts"),
        ("s3://bucket/artifacts/../models/x", None),
        ("s3://bucket/artifacts-of-others/x", None),
        ("s3://bucket/models/x", None),
        ("s3://bucket", None),
        ("s3://buckets/artifacts/x", None),
        ("file:///artifacts/x", None),
        ("", None),
    ],
)
def test_a_uri_of_ours_is_a_key_and_no_other(uri: str, key: str | None) -> None:
    assert places.key_of(uri, "bucket") == key


@pytest.mark.parametrize(("root", "uri"), [("s3", "s3://bucket/artifacts/12"), ("proxied", "mlflow-artifacts:/12")])
def test_an_experiments_default_location_is_among_our_own(root: str, uri: str) -> None:
    assert places.location(root, "bucket", "12") == uri
    assert places.key_of(uri, "bucket") == "artifacts/12"
