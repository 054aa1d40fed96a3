"""Logs and metrics of every function but predict, which writes its own line (`inference/record.py`)."""

from aws_lambda_powertools import Logger, Metrics

from zeroloop import config

_service = config.read(config.Function).aws_lambda_function_name
logger = Logger(service=_service)
metrics = Metrics(namespace="Zeroloop", service=_service)  # a dimension: two functions count apart


def log_failure(error: Exception) -> None:
    """Log an exception that nobody expected, with its traceback."""
    logger.error("unexpected", exc_info=error)
