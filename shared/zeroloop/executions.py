"""Step Functions: executions by name."""

from contextlib import suppress

from zeroloop.objects import client, translated


class StateMachine:
    """One state machine of Step Functions, by its ARN."""

    def __init__(self, arn: str) -> None:
        self._arn = arn

    def start(self, name: str, state: bytes) -> None:
        """Start the execution `name`; one that was started before, running or not, stays as it is."""
        machines = client("stepfunctions")
        with translated(f"execution {name}"), suppress(machines.exceptions.ExecutionAlreadyExists):
            machines.start_execution(stateMachineArn=self._arn, name=name, input=state.decode())

    def stop(self, name: str) -> None:
        """Stop the execution `name`; what isn't running stays as it is."""
        machines = client("stepfunctions")
        arn = self._arn.replace(":stateMachine:", ":execution:") + f":{name}"
        with translated(f"execution {name}"), suppress(machines.exceptions.ExecutionDoesNotExist):
            machines.stop_execution(executionArn=arn)
