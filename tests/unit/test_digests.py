import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeroloop.digests import PackageFile, canonical, package_digest, sha256

FILES = [PackageFile("package.json", "b" * 64, 2), PackageFile("model.tflite", "a" * 64, 1)]


def test_canonical_json_is_sorted_and_has_no_spaces_and_is_utf8() -> None:
    assert canonical({"b": [1, None, 0.5], "a": "é"}) == b'{"a":"\xc3\xa9","b":[1,null,0.5]}'


@given(st.permutations(["b", "a", "é", "aa", ""]))
def test_the_order_of_keys_does_not_matter(keys: list[str]) -> None:
    inner = '{"":0,"a":0,"aa":0,"b":0,"é":0}'
    assert canonical([dict.fromkeys(keys, 0), {"in": dict.fromkeys(keys, 0)}]) == f'[{inner},{{"in":{inner}}}]'.encode()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [-float("inf")]])
def test_what_has_no_json_has_no_canonical_form(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(value)


def test_sha256_is_the_known_one() -> None:
    # FIPS 180-2, appendix B.1
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_package_is_the_digest_of_its_sorted_files_as_anybody_can_compute_it() -> None:
    # printf '[["model.tflite","aa...",1],["package.json","bb...",2]]' | sha256sum
    text = f'[["model.tflite","{"a" * 64}",1],["package.json","{"b" * 64}",2]]'
    assert package_digest(FILES) == hashlib.sha256(text.encode()).hexdigest()
    assert package_digest(FILES) == "96f4702149c2ed383f59f74398404fd7e1e62efb301607d3611731a7fed0de9e"


@given(st.permutations([*FILES, PackageFile("card.md", "c" * 64, 3)]))
def test_the_order_of_files_does_not_matter(files: list[PackageFile]) -> None:
    assert package_digest(files) == package_digest([*FILES, PackageFile("card.md", "c" * 64, 3)])


@pytest.mark.parametrize(
    "changed",
    [
        FILES[0]._replace(path="package.jso"),
        FILES[0]._replace(sha256="c" * 64),
        FILES[0]._replace(size=3),
    ],
)
def test_any_change_of_a_file_changes_the_package(changed: PackageFile) -> None:
    assert package_digest([changed, FILES[1]]) != package_digest(FILES)
