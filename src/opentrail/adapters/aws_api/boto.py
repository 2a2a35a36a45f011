"""AWS's API through boto3, blocking: for commands."""

from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from opentrail.ports import Unavailable
from opentrail.ports.aws_api import CallRefused

TIMEOUT_S = 30
ATTEMPTS = 3


class BotoApi:
    """Implements AwsApi for an endpoint that answers for every service."""

    def __init__(self, url: str, region: str, access_key_id: str, secret_access_key: str, agent: str) -> None:
        self._session = boto3.Session(access_key_id, secret_access_key, region_name=region)
        self._url = url
        self._config = Config(
            connect_timeout=TIMEOUT_S,
            read_timeout=TIMEOUT_S,
            retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
            user_agent_extra=agent,
            ignore_configured_endpoint_urls=True,
        )
        self._clients: dict[str, Any] = {}

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self._url, config=self._config)
        try:
            answer: dict[str, Any] = getattr(self._clients[service], xform_name(operation))(**parameters)
        except ClientError as error:
            told = error.response.get("Error", {})
            raise CallRefused(operation, told.get("Code", ""), told.get("Message", "")) from error
        except BotoCoreError as error:
            raise Unavailable(f"{operation} was not answered: {error}") from error
        return answer
