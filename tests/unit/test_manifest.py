import pytest

from zeroloop.digests import PackageFile
from zeroloop.errors import InvalidInput
from zeroloop.registry import manifest


@pytest.mark.parametrize("name", ["sentiment", "a", "Churn v2", "a.b_c+d-e", "x" * 128])
def test_names_a_model_may_have(name: str) -> None:
    assert manifest.check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "x" * 129,
        "../etc",
        "a/b",
        "a\0b",
        ".hidden",
        "a:b",
        "%2e%2e",
        "modeł",
        "a\n",
        "trailing ",
        "\uff53entiment",
    ],
)
def test_names_a_model_may_not_have(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        manifest.check_name(name)
    assert refused.value.code == "bad_name"


GOOD = [PackageFile("model.tflite", "a" * 64, 10), PackageFile("package.json", "b" * 64, 5)]


def test_a_package_with_its_two_files_is_accepted() -> None:
    manifest.check_files([*GOOD, PackageFile("assets/vocabulary.txt", "c" * 64, 5)], max_bytes=20)


@pytest.mark.parametrize(
    ("files", "field"),
    [
        (GOOD[:1], "files"),
        ([], "files"),
        ([*GOOD, GOOD[0]], "files"),
        ([*GOOD, PackageFile("big", "c" * 64, 1_000)], "files"),
        ([*GOOD, *(PackageFile(f"f{i}", "c" * 64, 0) for i in range(63))], "files"),
        ([*GOOD, PackageFile("package.json/x", "c" * 64, 1)], "files"),
        ([*GOOD, PackageFile("../x", "c" * 64, 1)], "files[2].path"),
        ([*GOOD, PackageFile("/etc/passwd", "c" * 64, 1)], "files[2].path"),
        ([*GOOD, PackageFile("a//b", "c" * 64, 1)], "files[2].path"),
        ([*GOOD, PackageFile("a\nb", "c" * 64, 1)], "files[2].path"),
        ([*GOOD, PackageFile("x", "C" * 64, 1)], "files[2].sha256"),
        ([*GOOD, PackageFile("x", "c" * 63, 1)], "files[2].sha256"),
        ([*GOOD, PackageFile("x", "c" * 64, -1)], "files[2].size"),
    ],
)
def test_what_is_not_a_package(files: list[PackageFile], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        manifest.check_files(files, max_bytes=900)
    assert refused.value.field == field
