"""What AWS refuses and the emulators accept, refused before the call leaves, in every test.

`install()` once, before the first client is made: every botocore session then has it, PynamoDB's included. Also for
a function of a test stack: the modules `tests/aws_*.py` need botocore only.
"""

import io
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from botocore.response import StreamingBody
from botocore.utils import determine_content_length

from tests import aws_dynamodb_limits
from tests.aws_hook import Answer, Handler, Hook, Refused, call_name, invalid

KB, MB = 1024, 1024 * 1024
INVOKE_BYTES = 6 * MB
INVOKE_RESULT_BYTES = INVOKE_BYTES + 100  # what the service's own message says
# 256 KB until 2025. These three: aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-
# payloads-up-to-1-mb, and API_SendMessage in the SQS reference.
INVOKE_EVENT_BYTES = 1 * MB
MESSAGE_BYTES = 1 * MB
EVENTS_BYTES = 1 * MB  # all entries of a PutEvents together
STATE_BYTES = 256 * KB  # not raised: docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
# CloudWatch Logs takes 1 MB an event since 2025. We hold ourselves to the old bound, which is still what tools that
# read and forward logs are built for, and a longer line would be a payload in the log.
LOG_LINE_BYTES = 256 * KB
API_SECONDS = 30
PART_BYTES = 5 * MB
OBJECT_KEY_BYTES = 1024

Params = Mapping[str, Any]


class LimitExceededError(AssertionError):
    """A limit that no exception of a client stands for."""


class Limits(Hook):
    """Refuses, with the service's own exception, what real AWS refuses from the request alone.

    `keys` names the key attributes of tables, partition key first, where neither CreateTable nor DescribeTable passes
    through a client that listens. `refused` lists what was refused, also where the code under test swallowed it.
    """

    def __init__(self, keys: Mapping[str, tuple[str, ...]] | None = None) -> None:
        self.refused: list[str] = []
        self._tables = aws_dynamodb_limits.Tables(keys or {})
        self._parts: dict[tuple[str, int], int | None] = {}
        self._rules: dict[str, Callable[[Params], None]] = {
            "lambda.Invoke": check_invoke,
            "sfn.StartExecution": check_state_input,
            "sfn.StartSyncExecution": check_state_input,
            "sfn.SendTaskSuccess": check_state_output,
            "eventbridge.PutEvents": check_events,
            "sqs.SendMessage": check_message,
            "sqs.SendMessageBatch": check_messages,
            "s3.UploadPart": self._note_part,
            "s3.CompleteMultipartUpload": self._check_parts,
        }

    def handlers(self) -> list[tuple[str, Handler]]:
        return [("before-parameter-build", self.remember), ("before-call", self._before), ("after-call", self._after)]

    def _before(self, model: Any, context: dict[str, Any], **_: Any) -> Answer | None:
        if not self.active:
            return None
        try:
            self._check(call_name(model), context["tests.params"])
        except Refused as refused:
            self.refused.append(f"{call_name(model)}: {refused}")
            return refused.answer()
        return None

    def _check(self, call: str, params: Params) -> None:
        service, operation = call.split(".")
        if service == "dynamodb":
            aws_dynamodb_limits.check(operation, params, self._tables)
        if service == "s3":
            check_object_key(params.get("Key", ""))
        if rule := self._rules.get(call):
            rule(params)

    def _after(self, parsed: dict[str, Any], model: Any, **_: Any) -> None:
        if not self.active:
            return
        call = call_name(model)
        if call.startswith("dynamodb."):
            for description in aws_dynamodb_limits.described(parsed):
                self._tables.learn(description)
        if call == "lambda.Invoke" and "Payload" in parsed:
            cut_result(parsed)

    def _note_part(self, params: Params) -> None:
        size = params.get("ContentLength") or determine_content_length(params.get("Body") or b"")
        self._parts[params["UploadId"], params["PartNumber"]] = size

    def _check_parts(self, params: Params) -> None:
        """Every part but the last holds 5 MB; parts copied or sent elsewhere are not known here."""
        numbers = [part["PartNumber"] for part in params.get("MultipartUpload", {}).get("Parts", [])]
        for number in numbers[:-1]:
            size = self._parts.get((params["UploadId"], number))
            if size is not None and size < PART_BYTES:
                raise Refused("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size")


def install(target: Any = None, *, keys: Mapping[str, tuple[str, ...]] | None = None) -> Limits:
    """Put the limits into a session or client, or into all sessions made from now on."""
    return Limits(keys).install(target)


def uninstall(limits: Limits) -> None:
    """Take them out again."""
    limits.uninstall()


def check_invoke(params: Params) -> None:
    """Payload of a Lambda invocation: 6 MB, 1 MB where nobody waits."""
    size = determine_content_length(params.get("Payload") or b"") or 0
    if params.get("InvocationType") == "Event":
        if size > INVOKE_EVENT_BYTES:
            limit = f"(limit {INVOKE_EVENT_BYTES} bytes)"
            raise _too_large(f"{size} byte payload is too large for the Event invocation type {limit}")
    elif size > INVOKE_BYTES:
        raise _too_large(f"Request must be smaller than {INVOKE_BYTES} bytes for the InvokeFunction operation")


def _too_large(message: str) -> Refused:
    return Refused("RequestEntityTooLargeException", message, 413)


def cut_result(parsed: dict[str, Any]) -> None:
    """An invocation whose result passes 6 MB ran, and answers with an error in place of the result."""
    result = parsed["Payload"].read()
    if len(result) > INVOKE_RESULT_BYTES:
        message = f"Response payload size exceeded maximum allowed payload size ({INVOKE_RESULT_BYTES} bytes)."
        result = json.dumps({"errorMessage": message, "errorType": "Function.ResponseSizeTooLarge"}).encode()
        parsed["FunctionError"] = "Unhandled"
    parsed["Payload"] = StreamingBody(io.BytesIO(result), len(result))


def check_state_input(params: Params) -> None:
    """Input of an execution."""
    _check_state("input", params)


def check_state_output(params: Params) -> None:
    """What a task with a token answers."""
    _check_state("output", params)


def _check_state(member: str, params: Params) -> None:
    if _size(params.get(member, "")) > STATE_BYTES:
        constraint = f"failed to satisfy constraint: Member must have length less than or equal to {STATE_BYTES}"
        raise invalid(f"1 validation error detected: Value at '{member}' {constraint}")


def check_events(params: Params) -> None:
    """Entries of PutEvents, sized as the EventBridge guide sizes them; 14 is the bytes of a given time."""
    total = sum(
        (14 if "Time" in entry else 0)
        + sum(_size(entry.get(name, "")) for name in ("Source", "DetailType", "Detail"))
        + sum(_size(resource) for resource in entry.get("Resources", []))
        for entry in params["Entries"]
    )
    if total > EVENTS_BYTES:
        raise invalid("Total size of the entries in the request is over the limit.")


def check_message(params: Params) -> None:
    """One message to a queue that has the default MaximumMessageSize."""
    if message_bytes(params) > MESSAGE_BYTES:
        reason = f"Message must be shorter than {MESSAGE_BYTES} bytes."
        raise Refused("InvalidParameterValue", f"One or more parameters are invalid. Reason: {reason}")


def check_messages(params: Params) -> None:
    """All messages of a batch together; which fail one by one is for the queue to say."""
    if (total := sum(message_bytes(entry) for entry in params["Entries"])) > MESSAGE_BYTES:
        message = f"Batch requests cannot be longer than {MESSAGE_BYTES} bytes. You have sent {total} bytes."
        raise Refused("AWS.SimpleQueueService.BatchRequestTooLong", message)


def message_bytes(message: Params) -> int:
    """Body and attributes: name, type and value."""
    attributes = message.get("MessageAttributes", {})
    return _size(message["MessageBody"]) + sum(
        _size(name) + _size(value["DataType"]) + _size(value.get("StringValue", value.get("BinaryValue", "")))
        for name, value in attributes.items()
    )


def check_object_key(key: str) -> None:
    """Name of an S3 object."""
    if (size := _size(key)) > OBJECT_KEY_BYTES:
        detail = {"Size": str(size), "MaxSizeAllowed": str(OBJECT_KEY_BYTES)}
        refused = Refused("KeyTooLongError", "Your key is too long")
        refused.extra["Error"] = {"Code": refused.code, "Message": refused.message, **detail}
        raise refused


def check_log_lines(lines: Iterable[str | bytes]) -> None:
    """Lines that a function logs."""
    for line in lines:
        if (size := _size(line)) > LOG_LINE_BYTES:
            raise LimitExceededError(f"a log line of {size} bytes, at most {LOG_LINE_BYTES}: {line[:80]!r}")


def check_task_payload(payload: Any) -> None:
    """Input or result of a state, which no client sees: call it around a handler that Step Functions runs."""
    if (size := len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())) > STATE_BYTES:
        raise LimitExceededError(f"States.DataLimitExceededError: {size} bytes, at most {STATE_BYTES}")


def check_answer(elapsed_seconds: float, status: int, body: str | bytes) -> None:
    """Answer of the HTTP API: 30 s, and 6 MB with the envelope that a function answers in (base64 if not text)."""
    if elapsed_seconds > API_SECONDS:
        raise LimitExceededError(
            f"HTTP {status} after {elapsed_seconds:.1f} s: the gateway gives up after {API_SECONDS} s"
        )
    if (size := _enveloped(status, body)) > INVOKE_RESULT_BYTES:
        raise LimitExceededError(f"HTTP {status} with {size} bytes of answer: a function returns {INVOKE_RESULT_BYTES}")


def _enveloped(status: int, body: str | bytes) -> int:
    try:
        text = body if isinstance(body, str) else body.decode()
    except UnicodeDecodeError:
        text = "A" * (-(-len(body) // 3) * 4)
    return len(json.dumps({"statusCode": status, "body": text}, ensure_ascii=False).encode())


def _size(text: str | bytes) -> int:
    return len(text.encode() if isinstance(text, str) else text)
