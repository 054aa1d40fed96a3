"""A network that is none, and small requests to send over it."""

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any

import botocore.config
import botocore.loaders
import botocore.session
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import ClientError
from pynamodb.attributes import UnicodeAttribute
from pynamodb.models import Model

from tests.aws_dynamodb_items import item_bytes

T, INDEX = "things", "by_owner"
KEYS = {T: ("pk", "sk")}
LOADER = botocore.loaders.create_loader()  # it caches, and loading is what takes time
RETRIES = botocore.config.Config(retries={"mode": "standard", "total_max_attempts": 3})
ONE_ATTEMPT = botocore.config.Config(retries={"total_max_attempts": 1})


class Wire:
    """Stands for the network: counts what is sent and answers 200."""

    def __init__(self) -> None:
        self.sent: Counter[str] = Counter()
        self.body = b"{}"
        self.clients: dict[str, Any] = {}
        self.session = new_session()
        self.session.register("before-send", self.answer)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = self.session.create_client(service, "eu-west-1", config=RETRIES)
        return self.clients[service]

    def answer(self, **sent: Any) -> Any:
        self.sent[sent["event_name"].rpartition(".")[2]] += 1
        return AWSResponse(sent["request"].url, 200, HTTPHeaders(), Raw(self.body))


def new_session() -> Any:
    session = botocore.session.Session()
    session.register_component("data_loader", LOADER)
    session.set_credentials("a", "b")
    return session


class Raw(io.BytesIO):
    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self.read()


def call(wire: Wire, service: str, operation: str, params: dict[str, Any]) -> Any:
    return wire.client(service)._make_api_call(operation, params)


def refusal(wire: Wire, service: str, operation: str, params: dict[str, Any]) -> ClientError:
    with pytest.raises(ClientError) as caught:
        call(wire, service, operation, params)
    assert not wire.sent, "it was sent"
    return caught.value


def key(n: object = 1) -> dict[str, Any]:
    return {"pk": {"S": f"p{n}"}, "sk": {"S": "s"}}


def put(item: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"TableName": T, "Item": item, **more}


def update(expression: str, values: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    given = {"ExpressionAttributeValues": values} if values else {}
    return {"TableName": T, "Key": key(), "UpdateExpression": expression, **given, **more}


def sized(size: int, n: object = 1) -> dict[str, Any]:
    """An item of that many bytes."""
    item = {**key(n), "b": {"B": b""}}
    return {**item, "b": {"B": b"x" * (size - item_bytes(item))}}


def puts(*items: dict[str, Any]) -> dict[str, Any]:
    return {"TransactItems": [{"Put": put(item)} for item in items]}


V = {":v": {"S": "x"}}


def create(client: Any) -> None:
    client.create_table(
        TableName=T,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": "S"} for n in ("pk", "sk", "owner")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": INDEX,
                "KeySchema": [
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                    {"AttributeName": "owner", "KeyType": "HASH"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )


class Thing(Model):
    class Meta:
        table_name = T
        region = "eu-west-1"
        aws_access_key_id = "a"
        aws_secret_access_key = "b"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    text = UnicodeAttribute(null=True)
