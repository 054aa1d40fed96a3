"""Rotation of the key that signs receipts."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.unit.test_receipts import RECEIPT
from zeroloop import clock
from zeroloop.errors import InvalidInput, NotFound, Unavailable
from zeroloop.inference import receipts
from zeroloop.inference.keys import PAUSE_SECONDS, RENEWED_SECONDS, KeyUnknown, SigningKey, VerifyingKeys
from zeroloop.inference.receipts import Key
from zeroloop.inference.source import Source

AT_MS = 1_795_380_650_000


class Secret:
    """Secrets Manager's view of one secret: a put makes the value current and the one before previous."""

    def __init__(self) -> None:
        self.versions: list[dict[str, str]] = []
        self.down = False
        self.asked = 0

    def put(self, name: str) -> None:
        self.versions.append({"VersionId": f"{name}-0000-0000", "SecretString": f"secret {name}"})

    def json(self, service: str, target: str, body: dict[str, Any], *, timeout: float) -> dict[str, str]:
        assert timeout > 0
        assert (service, target, body["SecretId"]) == ("secretsmanager", "secretsmanager.GetSecretValue", "s")
        self.asked += 1
        if self.down:
            raise Unavailable("no answer")
        place = {"AWSCURRENT": 1, "AWSPREVIOUS": 2}[body.get("VersionStage", "AWSCURRENT")]
        if len(self.versions) < place:
            raise NotFound("no such version")
        return self.versions[-place]


class World:
    """A secret, what reads it, and a clock in hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.secret = Secret()
        self.secret.put("aaaaaaaa")
        self.source = Source(self.secret, table="t", bucket="b", secret="s")  # type: ignore[arg-type]
        self.signing = SigningKey(self.source.signing_key, monotonic=lambda: self.now)

    def sign(self) -> str:
        key = self.signing.get()
        return receipts.sign(replace(RECEIPT, kid=key.kid), key)

    def verifies(self, prediction_id: str) -> bool:
        try:
            receipts.verify(prediction_id, self.source.verifying_keys())
        except InvalidInput:
            return False
        return True


def test_before_any_rotation_there_is_one_key() -> None:
    world = World()
    assert world.source.verifying_keys() == {"aaaaaaaa": Key("aaaaaaaa", b"secret aaaaaaaa")}
    assert world.verifies(world.sign())


def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies() -> None:
    world = World()
    old = world.sign()
    world.secret.put("bbbbbbbb")
    assert world.verifies(world.sign())  # an environment that hasn't heard yet signs with the old key
    world.now += RENEWED_SECONDS
    assert world.signing.get().kid == "bbbbbbbb"
    assert world.verifies(world.sign())
    assert world.verifies(old)


def test_after_two_rotations_the_first_key_is_gone() -> None:
    world = World()
    old = world.sign()
    world.secret.put("bbbbbbbb")
    world.secret.put("cccccccc")
    assert not world.verifies(old)


def test_the_key_is_asked_for_once_an_hour() -> None:
    world = World()
    for _ in range(10):
        world.now += RENEWED_SECONDS / 20
        world.sign()
    assert world.secret.asked == 1


def test_an_outage_leaves_the_old_key_signing_and_is_not_asked_about_at_every_request() -> None:
    world = World()
    world.sign()
    world.secret.put("bbbbbbbb")
    world.secret.down = True
    world.now += RENEWED_SECONDS
    assert {world.signing.get().kid for _ in range(5)} == {"aaaaaaaa"}
    assert world.secret.asked == 2
    world.secret.down = False
    world.now += PAUSE_SECONDS
    assert world.signing.get().kid == "bbbbbbbb"


def test_without_any_key_nothing_is_signed() -> None:
    world = World()
    world.secret.versions.clear()
    with pytest.raises(Unavailable):
        world.signing.get()


class Verifying:
    """Who verifies, and the time of all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World()
        self.keys = VerifyingKeys(self.world.source.verifying_keys, monotonic=lambda: self.world.now)
        monkeypatch.setattr(clock, "now_ms", lambda: AT_MS + round(self.world.now * 1000))

    def told(self, kid: str, made: float) -> str:
        """What becomes of a receipt that this key signed at second `made`: its kid, or the refusal's code."""
        key = Key(kid, f"secret {kid}".encode())
        receipt = replace(RECEIPT, kid=kid, time=AT_MS + round(made * 1000))
        try:
            return self.keys.verify(receipts.sign(receipt, key)).kid
        except (InvalidInput, KeyUnknown) as error:
            return error.code


@pytest.fixture(name="verifying")
def _verifying(monkeypatch: pytest.MonkeyPatch) -> Verifying:
    return Verifying(monkeypatch)


def test_a_receipt_of_a_new_key_is_to_be_sent_again_until_the_key_is_asked_for(verifying: Verifying) -> None:
    assert verifying.told("aaaaaaaa", 0) == "aaaaaaaa"
    verifying.world.secret.put("bbbbbbbb")
    for verifying.world.now in (2, 30, 59):
        assert verifying.told("bbbbbbbb", 1.5) == "key_unknown"
    verifying.world.now = PAUSE_SECONDS
    assert (verifying.told("bbbbbbbb", 1.5), verifying.told("aaaaaaaa", 0)) == ("bbbbbbbb", "aaaaaaaa")


def test_a_receipt_of_a_key_that_is_gone_is_refused_for_good(verifying: Verifying) -> None:
    verifying.world.now = 3600
    assert verifying.told("aaaaaaaa", 3600) == "aaaaaaaa"
    assert verifying.told("99999999", 60) == "bad_prediction_id"
    assert verifying.told("99999999", 3600 + 61) == "bad_prediction_id"  # from a time to come


def test_while_no_keys_can_be_had_new_ones_are_to_be_sent_again_and_known_ones_verify(verifying: Verifying) -> None:
    assert verifying.told("aaaaaaaa", 0) == "aaaaaaaa"
    verifying.world.secret.put("bbbbbbbb")
    verifying.world.secret.down = True
    verifying.world.now = RENEWED_SECONDS
    assert (verifying.told("bbbbbbbb", 3000), verifying.told("aaaaaaaa", 0)) == ("key_unknown", "aaaaaaaa")


def test_forgeries_make_us_ask_once_a_minute(verifying: Verifying) -> None:
    secret = verifying.world.secret
    assert verifying.told("aaaaaaaa", 0) == "aaaaaaaa"
    before = secret.asked
    for _ in range(5):
        assert verifying.told("99999999", 0) == "key_unknown"
        with pytest.raises(InvalidInput):
            verifying.keys.verify("zr1.junk.x")
    assert secret.asked == before
    verifying.world.now = PAUSE_SECONDS + 1
    assert {verifying.told("99999999", 0) for _ in range(5)} == {"bad_prediction_id"}
    assert secret.asked == before + 2  # the current key and the one before, once each
