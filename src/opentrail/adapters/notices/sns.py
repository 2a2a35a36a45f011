"""SNS topics of the upstream: checked when a trail names one, published to when a file was delivered.

Through boto3, in threads of this adapter. The message is CloudTrail's own, without subject and attributes:
``{"s3Bucket":B,"s3ObjectKey":[K]}``.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson

from opentrail.adapters.notices.topic_policy import allows_publishing
from opentrail.arn import Arn
from opentrail.ports import PortError, Unavailable
from opentrail.ports.notices import Notice, NoticeRefused, ReceiverNotFound

MAX_CONNECTIONS = 8
"""Calls under way at once, over all topics."""

MAX_CLIENTS = 32
"""Regions whose client is kept; callers name topics in any. Of more, the one that was made first goes."""

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15
ATTEMPTS = 2
"""boto3's own tries; patience beyond them is the notices' back-off."""

_SERVER_FAULT = 500
_TOO_MANY = 429
_THROTTLED = frozenset({"Throttling", "ThrottlingException", "Throttled", "KMSThrottling"})
_MISSING = frozenset({"NotFound", "ResourceNotFound"})


@dataclass(frozen=True)
class SnsEndpoint:
    """Where SNS is and who we are there. ``ca_bundle`` is a file of CA certificates, "" for the system's."""

    url: str
    access_key_id: str
    secret_access_key: str
    ca_bundle: str = ""


class SnsTopics:
    """Implements Topics, and NoticeSender for topics. Without an endpoint no topic exists."""

    def __init__(self, endpoint: SnsEndpoint | None) -> None:
        self._endpoint = endpoint
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, "sns")
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}

    async def check_topic(self, topic_arn: str, trail_arn: str) -> None:
        output = await self._call(topic_arn, "get_topic_attributes", TopicArn=topic_arn)
        policy = output.get("Attributes", {}).get("Policy", "")
        if policy and not allows_publishing(policy, topic_arn, trail_arn):
            raise NoticeRefused("AuthorizationError", f"the policy of {topic_arn} does not let CloudTrail publish")

    async def send(self, notice: Notice) -> None:
        message = orjson.dumps({"s3Bucket": notice.bucket, "s3ObjectKey": [notice.key]}).decode()
        output = await self._call(notice.receiver, "publish", TopicArn=notice.receiver, Message=message)
        if not output.get("MessageId"):
            raise Unavailable("the answer of SNS was cut, or is none of SNS")

    async def _call(self, topic_arn: str, operation: str, **parameters: Any) -> Any:
        if self._endpoint is None:
            raise ReceiverNotFound(f"there is no upstream that could have the topic {topic_arn}")
        try:
            region = Arn.parse(topic_arn).region
        except ValueError as error:
            raise ReceiverNotFound(str(error)) from error
        make = partial(self._answer, self._endpoint, region, operation, topic_arn, parameters)
        return await asyncio.get_running_loop().run_in_executor(self._threads, make)

    def _answer(
        self, endpoint: SnsEndpoint, region: str, operation: str, topic_arn: str, parameters: dict[str, Any]
    ) -> Any:
        # Imported here because a tenth of a second of every start is too much for what most trails do without.
        import botocore.exceptions

        try:
            return self._ask(endpoint, region, operation)(**parameters)
        except botocore.exceptions.ClientError as error:
            raise _translate(error, topic_arn) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise NoticeRefused("NoCredentials", str(error)) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"SNS did not answer: {error}") from error

    def _ask(self, endpoint: SnsEndpoint, region: str, operation: str) -> Callable[..., Any]:
        with self._making:
            if region not in self._clients:
                if len(self._clients) >= MAX_CLIENTS:
                    del self._clients[next(iter(self._clients))]
                self._clients[region] = _make_client(endpoint, region)
            call: Callable[..., Any] = getattr(self._clients[region], operation)
            return call

    def close(self) -> None:
        """Let the threads go once their calls ended."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _make_client(endpoint: SnsEndpoint, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=MAX_CONNECTIONS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return boto3.session.Session().client(
        "sns",
        region_name=region,
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        verify=endpoint.ca_bundle or None,
        config=config,
    )


def _translate(error: Any, topic_arn: str) -> PortError:
    """Return the port's error for a botocore ClientError."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code in _MISSING:
        return ReceiverNotFound(topic_arn)
    if status >= _SERVER_FAULT or status == _TOO_MANY or code in _THROTTLED:
        return Unavailable(str(error))
    return NoticeRefused(code or str(status), str(error))
