"""The deployed API as the command calls it: where it is, signed if it asks for that, errors as told."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

import botocore.session
import click
import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import ReadOnlyCredentials

from cli import environment
from cli.local.deployment import CREDENTIALS
from cli.local.home import PROJECT, Home, Record
from cli.show import Stopped

DEFAULT_HOME = Home(PROJECT / ".zeroloop")


Keys = Callable[[], ReadOnlyCredentials]


class ApiError(Stopped):
    """What the API refused, as it told it."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        self.status = status
        self.code = str(body.get("code", status))
        field = f" (field: {body['field']})" if body.get("field") else ""
        super().__init__(f"{body.get('message', 'no message')}{field} [{status} {self.code}]", body)


class Api:
    """One deployed stack.

    Parameters
    ----------
    url
        Base of the API, as the stack's output `ApiUrl` and `.zeroloop/local.json` tell it.
    credentials
        Where to get the keys to sign with (Signature Version 4, service `execute-api`); None: don't sign.
    token
        A bearer token, for stacks with ApiAuthorization JWT.
    region
        Region of the signature.

    """

    def __init__(
        self,
        url: str,
        *,
        credentials: Keys | None = None,
        token: str = "",
        region: str = "",
    ) -> None:
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._token = token
        self._region = region
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=35))

    def get(self, path: str) -> dict[str, Any]:
        """GET, tried again while the service is busy."""
        return self.call("GET", path, repeat=True)

    def find(self, path: str) -> dict[str, Any] | None:
        """GET; None for what isn't there."""
        try:
            return self.get(path)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    def post(self, path: str, body: dict[str, Any], *, repeat: bool = False) -> dict[str, Any]:
        """POST; `repeat` only where doing it twice is doing it once."""
        return self.call("POST", path, body, repeat=repeat)

    def call(self, method: str, path: str, body: Any = None, *, repeat: bool) -> dict[str, Any]:
        """The answer's body.

        Raises
        ------
        ApiError
            The API answered an error, or could not be reached.
        """
        data = json.dumps(body).encode() if body is not None else None
        retries = _retries(4 if repeat else 0, on=(429, 503))
        url = self.url + path
        try:
            answer = self._http.request(
                method, url, body=data, headers=self._headers(method, url, data), retries=retries
            )
        except urllib3.exceptions.HTTPError as error:
            raise click.ClickException(f"{self.url} can't be reached: {error}. Is the stack up?") from error
        try:
            content = json.loads(answer.data or b"{}")
        except ValueError:
            content = {"message": answer.data[:300].decode(errors="replace")}
        if answer.status >= 300:
            raise ApiError(answer.status, content)
        return dict(content)

    def upload(self, upload: dict[str, Any], data: bytes | BinaryIO) -> str | None:
        """Put one file where the API said; one that is there already is there. The version of the object it became."""
        # 409: somebody else puts the same file at this moment.
        retries = _retries(4, on=(409, 503))
        answer = self._http.request("PUT", upload["url"], body=data, headers=upload["headers"], retries=retries)
        if answer.status not in {200, 412}:
            reason = answer.data[:300].decode(errors="replace")
            raise click.ClickException(f"{upload['path']} was not accepted: {answer.status} {reason}")
        return answer.headers.get("x-amz-version-id")

    def download(self, url: str) -> bytes:
        """The bytes behind a presigned URL."""
        answer = self._http.request("GET", url)
        if answer.status != 200:
            raise click.ClickException(f"the download failed: {answer.status}")
        return bytes(answer.data)

    def _headers(self, method: str, url: str, data: bytes | None) -> dict[str, str]:
        headers = {"content-type": "application/json"}
        if self._token:
            return {**headers, "authorization": f"Bearer {self._token}"}
        if self._credentials is None:
            return headers
        request = AWSRequest(method, url, headers=headers, data=data or b"")
        SigV4Auth(self._credentials(), "execute-api", self._region).add_auth(request)
        return dict(request.headers.items())


def _retries(times: int, on: tuple[int, ...]) -> urllib3.Retry:
    return urllib3.Retry(times, status_forcelist=on, allowed_methods=None, backoff_factor=0.2, raise_on_status=False)


def path(*parts: str | int) -> str:
    """`/models/<name>/...` with every part quoted."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


def connect(url: str | None, token: str = "", home: Home = DEFAULT_HOME) -> Api:
    """The API at `url`, else that of the local stack in `home`; signed where it wants that and there is no token."""
    if not url:
        return local_api(home, token)
    host = (urlsplit(url).hostname or "").split(".")
    on_aws = len(host) > 2 and host[1] == "execute-api"
    return Api(url, credentials=_own if on_aws and not token else None, token=token, region=host[2] if on_aws else "")


def environment_api(name: str, token: str = "") -> Api:
    """The API of the environment `name`: at ZEROLOOP_<NAME>_URL, else the local stack in .zeroloop/<name>."""
    if not name.isidentifier():
        raise click.BadParameter(f"{name!r} is no name of letters, digits and _", param_hint="--env")
    url = environment.url_of(name)
    if url:
        return connect(url, token)
    return local_api(Home(DEFAULT_HOME.path / name), token, f"ZEROLOOP_{name.upper()}_URL names another")


def local_api(home: Home, token: str = "", another: str = "--url names another") -> Api:
    """The API of the local stack in `home`."""
    record = known(home, another)
    credentials = _emulated if record.iam and not token else None
    return Api(record.api_url, credentials=credentials, token=token, region=record.region)


def known(home: Home, another: str) -> Record:
    """What runs in `home`; where nothing does, an error that says how to start it or to name `another`."""
    record = home.read()
    if record is None or not record.api_url:
        where = "" if home == DEFAULT_HOME else f" --home {home.path}"
        raise click.ClickException(
            f"no stack is known in {home.path}: `zeroloop local up{where}` starts one, {another}"
        )
    return record


def _own() -> ReadOnlyCredentials:
    """The caller's, by the chain that every AWS tool follows."""
    credentials = botocore.session.get_session().get_credentials()
    if credentials is None:
        raise click.ClickException("this API wants signed calls, and there are no AWS credentials: run `aws login`")
    return credentials.get_frozen_credentials()


def _emulated() -> ReadOnlyCredentials:
    """What the local stack takes for the account's root."""
    return ReadOnlyCredentials(CREDENTIALS["AWS_ACCESS_KEY_ID"], CREDENTIALS["AWS_SECRET_ACCESS_KEY"], None)


def on_stack(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of every command that talks to a stack, and its API as `api`."""

    @click.option(
        "--url", envvar="ZEROLOOP_URL", help="Base URL of the API; default ZEROLOOP_URL, else the local stack."
    )
    @click.option("--env", "env", help="An environment: the API at ZEROLOOP_<ENV>_URL, else the local stack so called.")
    @click.option("--token", envvar="ZEROLOOP_TOKEN", default="", help="Bearer token, for stacks that want a JWT.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @wraps(command)
    def connected(url: str | None, env: str | None, token: str, **rest: Any) -> Any:
        return command(api=environment_api(env, token) if env else connect(url, token), **rest)

    return connected
