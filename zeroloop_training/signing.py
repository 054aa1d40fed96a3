"""Signed calls of MLflow's client, all of them: `MLFLOW_TRACKING_AUTH=zeroloop`, found by its entry point.

What MLflow signs with itself (MLFLOW_TRACKING_AWS_SIGV4) signs a space in a query as it isn't sent, and no file.
"""

from typing import Any

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from mlflow.exceptions import MlflowException
from mlflow.tracking.request_auth.abstract_request_auth_provider import RequestAuthProvider
from requests import PreparedRequest
from requests.auth import AuthBase

SERVICE = "execute-api"


class Provider(RequestAuthProvider):  # type: ignore[misc]  # MLflow is published without types
    """Signatures with the AWS credentials and the region that every AWS tool would find."""

    def get_name(self) -> str:
        """What MLFLOW_TRACKING_AUTH calls it."""
        return "zeroloop"

    def get_auth(self) -> AuthBase:
        """What signs a request.

        Raises
        ------
        MlflowException
            There are no credentials, or no region is set.
        """
        session = botocore.session.get_session()
        credentials, region = session.get_credentials(), session.get_config_variable("region")
        if credentials is None or not region:
            missing = "credentials" if credentials is None else "region (AWS_DEFAULT_REGION)"
            raise MlflowException(f"MLFLOW_TRACKING_AUTH=zeroloop signs calls, and finds no AWS {missing}")
        return Signature(credentials, region)


class Signature(AuthBase):
    """Signature Version 4 of a request as it is sent; `credentials` are those of botocore, renewed by it."""

    def __init__(self, credentials: Any, region: str) -> None:
        self._credentials = credentials
        self._region = region

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        """The request with its signature."""
        path, mark, query = (request.url or "").partition("?")
        request.url = path + mark + query.replace("+", "%20")  # a plus of a form's is a space, and SigV4 knows no forms
        unsigned = AWSRequest(request.method, request.url, data=request.body or b"")
        SigV4Auth(self._credentials.get_frozen_credentials(), SERVICE, self._region).add_auth(unsigned)
        request.headers.update(unsigned.headers)
        return request
