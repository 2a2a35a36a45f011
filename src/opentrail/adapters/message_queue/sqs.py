"""An SQS queue, through boto3 in threads (port: message_queue)."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from opentrail.ports import PortError, Unavailable
from opentrail.ports.message_queue import Message
from opentrail.ports.object_store import AccessRefused

MESSAGES_AT_ONCE = 10
VISIBILITY_SECONDS = 600
"""How long a message that was received stays hidden from others: a batch is done with in less."""

_SERVER_FAULT = 500
_LATE = ("ReceiptHandleIsInvalid", "InvalidParameterValue")
"""What SQS answers to a handle that expired: the message comes again."""


class SqsQueue:
    """Implements MessageQueue. Without ``key`` boto3's own chain of credentials is used; the Region is the URL's."""

    def __init__(
        self, url: str, *, endpoint_url: str = "", region: str = "", key: dict[str, str] | None = None
    ) -> None:
        self._url = url
        self._endpoint_url = endpoint_url
        self._region = _region_of(url) or region or "us-east-1"
        self._key = key or {}
        self._making = threading.Lock()
        self._client: Any = None

    async def receive(self, wait_seconds: int) -> Sequence[Message]:
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=MESSAGES_AT_ONCE,
            WaitTimeSeconds=wait_seconds,
            VisibilityTimeout=VISIBILITY_SECONDS,
        )
        return [
            Message(one["MessageId"], one.get("Body", ""), one["ReceiptHandle"]) for one in answer.get("Messages", ())
        ]

    async def delete(self, message: Message) -> None:
        try:
            await self._call("delete_message", ReceiptHandle=message.handle)
        except AccessRefused as error:
            if error.code not in _LATE:
                raise

    async def _call(self, operation: str, **parameters: Any) -> Any:
        return await asyncio.to_thread(self._call_now, operation, parameters)

    def _call_now(self, operation: str, parameters: dict[str, Any]) -> Any:
        import botocore.exceptions

        try:
            return getattr(self._connected(), operation)(QueueUrl=self._url, **parameters)
        except botocore.exceptions.ClientError as error:
            raise _translated(error) from error
        except botocore.exceptions.NoCredentialsError as error:
            raise AccessRefused("NoCredentials", str(error)) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"SQS did not answer: {error}") from error

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                import boto3

                self._client = boto3.session.Session().client(
                    "sqs",
                    region_name=self._region,
                    endpoint_url=self._endpoint_url or None,
                    aws_access_key_id=self._key.get("access_key_id"),
                    aws_secret_access_key=self._key.get("secret_access_key"),
                    aws_session_token=self._key.get("session_token") or None,
                )
            return self._client


def _region_of(url: str) -> str:
    parts = (urlsplit(url).hostname or "").split(".")
    return parts[1] if len(parts) > 3 and parts[0] == "sqs" else ""


def _translated(error: Any) -> PortError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if status >= _SERVER_FAULT or "Throttl" in code:
        return Unavailable(str(error))
    return AccessRefused(code, str(error))
