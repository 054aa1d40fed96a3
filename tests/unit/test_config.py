from dataclasses import dataclass

import pytest

from zeroloop import config
from zeroloop.config import Aws, BadSettings


@dataclass(frozen=True)
class Settings:
    registry_table: str
    max_megabytes: int
    share: float = 0.5
    debug: bool = False


FULL = {"REGISTRY_TABLE": "registry", "MAX_MEGABYTES": "100", "SHARE": "0.25", "DEBUG": "true"}


def test_a_field_is_read_from_the_variable_of_its_name() -> None:
    assert config.read(Settings, FULL) == Settings("registry", 100, 0.25, debug=True)


def test_what_has_a_default_may_be_missing() -> None:
    required = {name: FULL[name] for name in ("REGISTRY_TABLE", "MAX_MEGABYTES")}
    assert config.read(Settings, required) == Settings("registry", 100)


def test_other_variables_do_not_matter() -> None:
    assert config.read(Settings, {**FULL, "PATH": "/bin"}) == config.read(Settings, FULL)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"MAX_MEGABYTES": "many"}, "MAX_MEGABYTES='many' is not int"),
        ({"MAX_MEGABYTES": ""}, "MAX_MEGABYTES='' is not int"),
        ({"MAX_MEGABYTES": "1.5"}, "MAX_MEGABYTES='1.5' is not int"),
        ({"SHARE": "half"}, "SHARE='half' is not float"),
        ({"DEBUG": "1"}, "DEBUG='1' is not bool"),
        ({"DEBUG": "True"}, "DEBUG='True' is not bool"),
    ],
)
def test_what_can_not_be_read_is_refused(change: dict[str, str], problem: str) -> None:
    with pytest.raises(BadSettings) as refused:
        config.read(Settings, {**FULL, **change})
    assert str(refused.value) == problem


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(BadSettings) as refused:
        config.read(Settings, {"SHARE": "half"})
    assert str(refused.value) == "REGISTRY_TABLE is not set; MAX_MEGABYTES is not set; SHARE='half' is not float"


def test_the_keys_of_the_role_are_not_printed() -> None:
    keys = {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "t0ken"}
    aws = config.read(Aws, {"AWS_REGION": "eu-west-1", **keys})
    assert aws.aws_secret_access_key == "s3cret"
    assert "s3cret" not in repr(aws)
    assert "t0ken" not in repr(aws)


def test_a_child_gets_the_environment_without_the_keys_of_the_role() -> None:
    child = config.for_child({"HOME": "/", "AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_SESSION_TOKEN": "t0ken"})
    assert child.keys() == {"HOME", "PYTHONPATH", "OPENBLAS_NUM_THREADS"}
