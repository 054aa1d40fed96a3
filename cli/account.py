"""A stack's own resources on AWS, for what no route does: with the operator's credentials, past the API."""

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

import botocore.session
import click
from botocore.exceptions import BotoCoreError, ClientError

from cli import environment
from cli.api import Api, connect, known, local_api
from cli.local.commands import in_home
from cli.local.deployment import CREDENTIALS
from cli.local.deployment import STACK as LOCAL_STACK
from cli.local.home import Home
from zeroloop import config
from zeroloop.data import DataBucket
from zeroloop.dynamo import Table
from zeroloop.inference.registered import Registered
from zeroloop.monitoring.archive import Archive
from zeroloop.monitoring.store import MonitoringStore
from zeroloop.objects import client
from zeroloop.signed import Session


class Account(NamedTuple):
    """What is deployed, by the stack's outputs, and how to reach it."""

    outputs: dict[str, str]
    session: Session
    api: Api

    @property
    def archive(self) -> Archive:
        """What was predicted."""
        return Archive(DataBucket(self.outputs["DataBucket"]))

    @property
    def store(self) -> MonitoringStore:
        """What was counted."""
        return MonitoringStore(Table(self.outputs["MonitoringTable"], self.session))

    @property
    def registered(self) -> Registered:
        """Who is registered."""
        outputs = self.outputs
        table, bucket, secret = outputs["RegistryTable"], outputs["ArtifactsBucket"], outputs.get("ReceiptSecret", "")
        return Registered(self.session, table=table, bucket=bucket, secret=secret)

    def model_id(self, name: str) -> str:
        """The id of the model called `name`."""
        found = self.registered.model_id(name, 10.0)
        if found is None:
            raise click.ClickException(f"there is no model {name}")
        return found


def find(stack: str | None, home: Home, token: str = "") -> Account:
    """The stack of that name in the account that the caller's credentials are for, else the local one in `home`."""
    endpoint = ""
    if stack is None:
        record = known(home, "--home names another, --stack one on AWS")
        endpoint = record.endpoint_url
        environment.become(**CREDENTIALS, AWS_DEFAULT_REGION=record.region, AWS_ENDPOINT_URL=endpoint)
    caller = botocore.session.get_session()
    credentials, region = caller.get_credentials(), caller.get_config_variable("region")
    if credentials is None or region is None:
        raise click.ClickException(
            "there are no AWS credentials, or no region: run `aws login`, set AWS_DEFAULT_REGION"
        )
    environment.become(AWS_REGION=region)
    try:
        [found] = client("cloudformation").describe_stacks(StackName=stack or LOCAL_STACK)["Stacks"]
    except (BotoCoreError, ClientError) as error:
        raise click.ClickException(f"the stack was not found: {error}") from error
    keys = credentials.get_frozen_credentials()
    aws = config.Aws(region, keys.access_key or "", keys.secret_key or "", keys.token or "", aws_endpoint_url=endpoint)
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found["Outputs"]}
    api = local_api(home, token) if stack is None else connect(outputs["ApiUrl"], token)
    return Account(outputs, Session(aws), api)


def on_account(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of those that work on a stack's own resources, and these as `account`."""

    @click.option("--stack", envvar="ZEROLOOP_STACK", help="Name of the stack on AWS; default the local stack.")
    @in_home
    @click.option("--token", envvar="ZEROLOOP_TOKEN", default="", help="Bearer token, for stacks that want a JWT.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    @wraps(command)
    def connected(stack: str | None, home: Home, token: str, **rest: Any) -> Any:
        return command(account=find(stack, home, token), **rest)

    return connected
