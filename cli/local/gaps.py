"""What MiniStack 1.5.33 lacks and what we do about it. Each goes when its gap closes."""

import json
from collections.abc import Iterable
from typing import Any

from cli.local import deployment


def api_url(endpoint: str, api_id: str) -> str:
    """Where the API answers: gap, its own host name (`<id>.execute-api...`) leads to AWS, so the path names it.

    Without the stage `$default`, as on AWS: signers don't agree on how a `$` is encoded.
    """
    return f"{endpoint}/_aws/execute-api/{api_id}"


def give_failure_queues(endpoint: str, functions: Iterable[str]) -> None:
    """Publish each asynchronous function once more, with its alias's OnFailure queue as its dead-letter queue.

    Gap: an asynchronous call of an alias looks for the settings of the version, which can have none, so that what
    failed three times would be lost. The dead-letter queue it does find, and writes there what OnFailure gets.
    """
    client = deployment.client("lambda", endpoint)
    for function in functions:
        try:
            found = client.get_function_event_invoke_config(FunctionName=function, Qualifier="live")
        except client.exceptions.ResourceNotFoundException:
            continue
        if "OnFailure" not in found["DestinationConfig"]:
            continue  # what its schedule starts is started again a minute later
        queue = found["DestinationConfig"]["OnFailure"]["Destination"]
        client.update_function_configuration(FunctionName=function, DeadLetterConfig={"TargetArn": queue})
        client.get_waiter("function_updated_v2").wait(FunctionName=function)
        version = client.publish_version(FunctionName=function)["Version"]
        client.update_alias(FunctionName=function, Name="live", FunctionVersion=version)


def relax_bucket_policy(endpoint: str, bucket: str) -> None:
    """Take from the bucket's policy what can't be met here; for where the emulator enforces policies.

    Gap: it never sets the condition key `s3:if-none-match`, and so would refuse every upload of a package
    (`If-None-Match` itself it honours). No gap, but this machine: its endpoint isn't TLS.
    """
    s3 = deployment.client("s3", endpoint)
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    policy["Statement"] = [statement for statement in policy["Statement"] if not _unmeetable(statement)]
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _unmeetable(statement: dict[str, Any]) -> bool:
    keys = {key for condition in statement.get("Condition", {}).values() for key in condition}
    return bool(keys & {"s3:if-none-match", "aws:SecureTransport"})
