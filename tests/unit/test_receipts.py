import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from string import ascii_letters, digits

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from zeroloop.errors import InvalidInput
from zeroloop.inference import receipts
from zeroloop.inference.receipts import Key, Receipt

KEY = Key("5f2b9a01", b"a secret of the service")
RECEIPT = Receipt(
    kid=KEY.kid,
    id="0f0e0d0c0b0a09080706050403020100",
    model_id="m-0123456789abcdef",
    version=2,
    variant="champion",
    label="positive",
    score=0.92,
    time=1_795_380_650_548,
)
SIGNED = receipts.sign(RECEIPT, KEY)
TEXTS = st.text(max_size=20)
RECEIPTS = st.builds(
    Receipt,
    kid=st.just(KEY.kid),
    id=TEXTS,
    model_id=TEXTS,
    version=st.integers(1, 10**8),
    variant=TEXTS,
    label=st.none() | TEXTS,
    score=st.floats(allow_nan=False, allow_infinity=False),
    time=st.integers(0, 2**50),
    test_id=st.none() | TEXTS,
    unit_hash=st.none() | TEXTS,
    slice=st.none() | TEXTS,
)


def refused(prediction_id: str, *keys: Key) -> None:
    with pytest.raises(InvalidInput) as refusal:
        receipts.verify(prediction_id, {key.kid: key for key in keys or (KEY,)})
    assert (refusal.value.code, refusal.value.field) == ("bad_prediction_id", "prediction_id")


def part(value: object) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@given(RECEIPTS)
def test_a_receipt_comes_back_as_it_was_signed(receipt: Receipt) -> None:
    assert receipts.verify(receipts.sign(receipt, KEY), {KEY.kid: KEY}) == receipt


def test_a_prediction_id_can_stand_in_a_url() -> None:
    assert set(SIGNED) <= {*ascii_letters, *digits, *"-_."}


def test_the_wire_format_is_the_one_of_the_contract() -> None:
    prefix, body, signature = SIGNED.split(".")
    assert prefix == "zr1"
    assert json.loads(urlsafe_b64decode(body + "==")) == msgspec.to_builtins(RECEIPT)
    # printf 'zr1.<body>' | openssl dgst -sha256 -hmac 'a secret of the service', first 16 bytes
    assert urlsafe_b64decode(signature + "==").hex() == "00871aaebef053cb469250c07d1ac0b0"


def test_a_key_that_is_still_known_verifies() -> None:
    new = Key("b7c8d9e0", b"another secret")
    assert receipts.verify(SIGNED, {new.kid: new, KEY.kid: KEY}) == RECEIPT


def test_every_changed_character_is_refused() -> None:
    for i, character in enumerate(SIGNED):
        for other in "AB.-~é":
            if other != character:
                refused(SIGNED[:i] + other + SIGNED[i + 1 :])


def test_the_last_character_has_no_second_spelling() -> None:
    for other in {*ascii_letters, *digits, *"-_"} - {SIGNED[-1]}:
        refused(SIGNED[:-1] + other)


def test_every_cut_is_refused() -> None:
    for end in range(len(SIGNED)):
        refused(SIGNED[:end])


@pytest.mark.parametrize(
    "prediction_id",
    [
        "",
        ".",
        "..",
        "zr1..",
        "no prediction id",
        SIGNED + "=",
        SIGNED + " ",
        SIGNED + "\n",
        " " + SIGNED,
        SIGNED + ".AAAA",
        SIGNED.replace("zr1", "zr2"),
        SIGNED.replace("zr1.", ""),
        SIGNED.replace("zr1.", "zr1.\ud800"),
        f"zr1.{part(1)}.AAAA",
        f"zr1.{part({'kid': KEY.kid})}.AAAA",
        f"zr1.{part([[]] * 3)}.AAAA",
        "zr1." + urlsafe_b64encode(b'{"a":' + b"[" * 100_000).decode() + ".AAAA",
    ],
)
def test_what_is_no_prediction_id_is_refused(prediction_id: str) -> None:
    refused(prediction_id)


def test_another_body_under_the_same_signature_is_refused() -> None:
    forged = receipts.sign(replace(RECEIPT, version=3), Key(KEY.kid, b"a guess")).rpartition(".")[0]
    refused(f"{forged}.{SIGNED.rpartition('.')[2]}")


def test_another_secret_under_the_same_id_is_refused() -> None:
    refused(SIGNED, Key(KEY.kid, b"another secret"))


def test_a_key_that_is_gone_is_refused() -> None:
    refused(SIGNED, Key("b7c8d9e0", KEY.secret))


def test_a_unit_has_the_same_hash_under_the_same_key_only() -> None:
    hashed = receipts.unit_hash("user-1", KEY)
    assert hashed == receipts.unit_hash("user-1", KEY)
    assert hashed != receipts.unit_hash("user-1", Key(KEY.kid, b"another secret"))
    assert hashed != receipts.unit_hash("user-2", KEY)
    assert len(bytes.fromhex(hashed)) == 16


def test_a_long_secret_is_no_trouble() -> None:
    assert receipts.unit_hash("user-1", Key("k", b"x" * 200))
