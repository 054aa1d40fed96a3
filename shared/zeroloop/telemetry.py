"""Logs and metrics of every function but predict, which writes its own line (`inference/record.py`)."""

from aws_lambda_powertools import Logger, Metrics

logger = Logger()
metrics = Metrics(namespace="Zeroloop")


def log_failure(error: Exception) -> None:
    """Log an exception that nobody expected, with its traceback."""
    logger.error("unexpected", exc_info=error)
