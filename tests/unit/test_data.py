from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ResponseStreamingError

from zeroloop import clock, data
from zeroloop.data import ObjectVersion
from zeroloop.errors import Unavailable

BYTES = bytes(range(256)) * 20


class S3:
    """One object; each answer breaks off behind `breaks_after` bytes, and `whole` ignores what range is asked."""

    def __init__(self, *, breaks_after: int = 10**9, whole: bool = False) -> None:
        self.breaks_after = breaks_after
        self.whole = whole
        self.asked: list[str] = []

    def get_object(self, **asked: Any) -> dict[str, Any]:
        self.asked.append(asked["Range"])
        first, last = map(int, asked["Range"].removeprefix("bytes=").split("-"))
        part = BYTES if self.whole else BYTES[first : last + 1]
        answer = {"Body": self, "part": part} if self.whole else {"Body": self, "ContentRange": "bytes"}
        self.part = part
        return answer

    def iter_chunks(self, _size: int) -> Iterator[bytes]:
        for at in range(0, len(self.part), 100):
            if at >= self.breaks_after:
                raise ResponseStreamingError(error="the line went dead")
            yield self.part[at : at + 100]


def version(monkeypatch: pytest.MonkeyPatch, s3: S3) -> ObjectVersion:
    monkeypatch.setattr(data, "client", lambda _service: s3)
    monkeypatch.setattr(clock, "sleep", lambda _seconds: None)
    return ObjectVersion("b", "k", {"VersionId": "v", "ETag": '"e"', "ContentLength": len(BYTES)})


@pytest.mark.parametrize(("start", "end"), [(0, 5120), (7, 4000), (99, 100), (5, 5)])
@pytest.mark.parametrize("s3", [{}, {"breaks_after": 100}, {"breaks_after": 700}, {"whole": True}])
def test_a_range_is_read_whole_however_often_the_line_breaks(
    monkeypatch: pytest.MonkeyPatch, s3: dict[str, Any], start: int, end: int
) -> None:
    assert version(monkeypatch, S3(**s3)).read_range(start, end) == BYTES[start:end]


def test_what_was_read_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3(breaks_after=2000)
    version(monkeypatch, s3).read_range(0, 5000)
    assert s3.asked == ["bytes=0-4999", "bytes=2000-4999", "bytes=4000-4999"]


def test_five_tries_in_vain_are_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = S3(breaks_after=0)
    with pytest.raises(Unavailable):
        version(monkeypatch, s3).read_range(0, 10)
    assert len(s3.asked) == 5
