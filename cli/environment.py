"""The CLI's only look at the environment: what the programs that it starts inherit."""

import os

# What a program needs to find its files and to reach the package index; nothing that says where AWS is or who we are.
_PLAIN = ("HOME", "LANG", "LC_ALL", "PATH", "SSL_CERT_FILE", "TERM", "TMPDIR")


def plain(**extra: str) -> dict[str, str]:
    """The least environment, and `extra`."""
    return {name: value for name in _PLAIN if (value := os.environ.get(name))} | extra  # noqa: TID251 - the owner


def url_of(name: str) -> str | None:
    """The address of the environment `name`, as `ZEROLOOP_STAGING_URL` says it."""
    return os.environ.get(f"ZEROLOOP_{name.upper()}_URL")  # noqa: TID251 - the owner


def whole(**extra: str) -> dict[str, str]:
    """All of the caller's environment, for a training that may log to a server of its own, and `extra`."""
    return dict(os.environ) | extra  # noqa: TID251 - the owner


def without_aws(**extra: str) -> dict[str, str]:
    """The caller's environment without its AWS account and its virtual environment, and `extra`."""
    kept = {
        name: value
        for name, value in os.environ.items()  # noqa: TID251 - the owner
        if not name.startswith("AWS_") and name != "VIRTUAL_ENV"
    }
    return kept | extra


def become(**variables: str) -> None:
    """Set `variables` for this process: the shared code finds AWS by them, as the functions do."""
    os.environ.update(variables)  # noqa: TID251 - the owner
