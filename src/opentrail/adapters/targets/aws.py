"""Queues, topics and functions behind AWS-compatible endpoints, through boto3 in threads of this adapter.

Each service has its own threads, so that an endpoint that hangs keeps only its own targets waiting. A queue gets the
text as a message's body, a topic as its message, a function as the payload of an asynchronous invocation, a stream as
a record, a state machine as the input of an execution named by the invocation's id, an automation as its parameters.
"""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson

from opentrail.arn import Arn
from opentrail.deliver.subscription_data import LOG_DATA, packed_data
from opentrail.ports import PortError, Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused

MAX_CONNECTIONS = 8
"""Calls of one service under way at once."""

MAX_WAITING = 256
"""Calls of one service that have a thread or wait for one; more wait WAIT_S for that, and are Unavailable then."""

WAIT_S = 10

MAX_CLIENTS = 32
"""Regions of a service whose client is kept."""

MAX_PREPARED = 4
"""Regions of a service whose client is made before anything is sent: each takes some megabytes."""

MAX_QUEUE_URLS = 10_000

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 10

_SERVER_FAULT = 500
_TOO_MANY = 429
_TRY_AGAIN = frozenset({"Throttling", "ThrottlingException", "Throttled", "KMSThrottling", "RequestThrottled"})
_MISSING = frozenset(
    {
        "NotFound",
        "ResourceNotFound",
        "ResourceNotFoundException",
        "QueueDoesNotExist",
        "StateMachineDoesNotExist",
        "AutomationDefinitionNotFoundException",
        "AWS.SimpleQueueService.NonExistentQueue",
    }
)
_DENIED = frozenset({"AuthorizationError", "AccessDenied", "AccessDeniedException", "InvalidClientTokenId"})

SERVICES = ("sqs", "sns", "lambda", "states", "kinesis", "firehose", "ssm")
"""Services of AWS that this adapter sends to."""

T = TypeVar("T")


@dataclass(frozen=True)
class TargetEndpoint:
    """Where a service is and who we are there. ``ca_bundle`` is a file of CA certificates, "" for the system's."""

    url: str
    access_key_id: str
    secret_access_key: str
    ca_bundle: str = ""


class AwsTargets:
    """Implements Targets for one service of SERVICES; without an endpoint nothing of it exists."""

    def __init__(self, service: str, endpoint: TargetEndpoint | None) -> None:
        self._service = service
        self._endpoint = endpoint
        self._send_one = _SENDERS[service]
        self._threads = ThreadPoolExecutor(MAX_CONNECTIONS, f"target-{service}")
        self._preparing = ThreadPoolExecutor(1, f"prepare-{service}")
        self._making = threading.Lock()
        self._clients: dict[str, Any] = {}
        self._prepared: set[str] = set()
        self._room = asyncio.Semaphore(MAX_WAITING)

    def prepare(self, destination: str) -> None:
        """Make the client of a destination's Region in the background: the first message took half a second where it
        had to wait for that beside a thousand calls a second. What keeps it from being made, whoever sends is told."""
        region = Arn.parse(destination).region
        if self._endpoint is not None and region not in self._prepared and len(self._prepared) < MAX_PREPARED:
            self._prepared.add(region)
            self._preparing.submit(self._client, self._endpoint, region)

    async def send(self, dispatch: Dispatch) -> None:
        await self.ask(dispatch.destination, lambda client: self._send_one(client, dispatch))

    async def ask(self, destination: str, work: Callable[[Any], T]) -> T:
        """Do ``work`` with the client of a destination's Region, in a thread. Raises TargetRefused and Unavailable."""
        if self._endpoint is None:
            raise TargetRefused("NO_RESOURCE", f"there is no upstream that could have {destination}")
        try:
            async with asyncio.timeout(WAIT_S):
                await self._room.acquire()
        except TimeoutError:
            raise Unavailable(f"too many calls wait for {self._service}") from None
        region = Arn.parse(destination).region
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._call, self._endpoint, region, work)
        future.add_done_callback(lambda _: self._room.release())
        return await future

    def _call(self, endpoint: TargetEndpoint, region: str, work: Callable[[Any], T]) -> T:
        # Imported here because a tenth of a second of every start is too much for what most do without.
        import botocore.exceptions

        try:
            return work(self._client(endpoint, region))
        except botocore.exceptions.ClientError as error:
            raise _translate(error) from error
        except (botocore.exceptions.NoCredentialsError, botocore.exceptions.ParamValidationError) as error:
            raise TargetRefused("INVALID_PARAMETER", str(error)) from error
        except (botocore.exceptions.BotoCoreError, OSError) as error:
            raise Unavailable(f"{self._service} did not answer: {error}") from error

    def _client(self, endpoint: TargetEndpoint, region: str) -> Any:
        known = self._clients.get(region)
        if known is not None:
            return known
        with self._making:
            if region not in self._clients:
                if len(self._clients) >= MAX_CLIENTS:
                    del self._clients[next(iter(self._clients))]
                self._clients[region] = _make_client(self._service, endpoint, region)
            return self._clients[region]

    def close(self) -> None:
        """Let the threads go once their calls ended."""
        for threads in (self._preparing, self._threads):
            threads.shutdown(wait=False, cancel_futures=True)


def _make_client(service: str, endpoint: TargetEndpoint, region: str) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=MAX_CONNECTIONS,
        retries={"total_max_attempts": 1},
    )
    return boto3.session.Session().client(
        _CLIENTS.get(service, service),
        region_name=region,
        endpoint_url=endpoint.url,
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        verify=endpoint.ca_bundle or None,
        config=config,
    )


def _send_message(client: Any, dispatch: Dispatch) -> None:
    with queue_url(client, dispatch.destination) as url:
        answer = client.send_message(QueueUrl=url, **queue_message(dispatch))
    _require(answer.get("MessageId"))


@contextmanager
def queue_url(client: Any, arn: str) -> Iterator[str]:
    """Give the URL of a queue, asked for once; forgotten when the queue proves not to be there."""
    known: dict[str, str] = client.__dict__.setdefault("opentrail_queue_urls", {})
    if arn not in known:
        queue = Arn.parse(arn)
        found = client.get_queue_url(QueueName=queue.resource, QueueOwnerAWSAccountId=queue.account_id)
        if len(known) >= MAX_QUEUE_URLS:
            known.clear()
        known[arn] = found["QueueUrl"]
    try:
        yield known[arn]
    except client.exceptions.QueueDoesNotExist:
        known.pop(arn, None)
        raise


def queue_message(dispatch: Dispatch) -> dict[str, Any]:
    """Return a message as SQS takes it: body, attributes, and what a FIFO queue needs."""
    message: dict[str, Any] = {"MessageBody": dispatch.text}
    if dispatch.destination.endswith(".fifo"):
        group = (dispatch.target.get("SqsParameters") or {}).get("MessageGroupId", "opentrail")
        message |= {"MessageGroupId": group, "MessageDeduplicationId": dispatch.invocation_id}
    if dispatch.attributes or dispatch.typed_attributes:
        message["MessageAttributes"] = _message_attributes(dispatch)
    return message


def _publish(client: Any, dispatch: Dispatch) -> None:
    subject = {"Subject": dispatch.target["Subject"]} if "Subject" in dispatch.target else {}
    _require(client.publish(TopicArn=dispatch.destination, Message=dispatch.text, **subject).get("MessageId"))


def _invoke(client: Any, dispatch: Dispatch) -> None:
    answer = client.invoke(FunctionName=dispatch.destination, InvocationType="Event", Payload=dispatch.text.encode())
    _require(200 <= int(answer.get("StatusCode", 0)) < 300)


def _start_execution(client: Any, dispatch: Dispatch) -> None:
    more = {"stateMachineArn": dispatch.destination, "name": dispatch.invocation_id, "input": dispatch.text}
    try:
        _require(client.start_execution(**more).get("executionArn"))
    except client.exceptions.ExecutionAlreadyExists:
        return  # an earlier try of this invocation started it


def _put_record(client: Any, dispatch: Dispatch) -> None:
    path = (dispatch.target.get("KinesisParameters") or {}).get("PartitionKeyPath", "")
    key = dispatch.target.get(LOG_DATA) or partition_key(dispatch.event, path) or dispatch.invocation_id
    answer = client.put_record(
        StreamName=Arn.parse(dispatch.destination).resource.removeprefix("stream/"),
        Data=_record(dispatch),
        PartitionKey=key[:256],
    )
    _require(answer.get("SequenceNumber"))


def _put_to_firehose(client: Any, dispatch: Dispatch) -> None:
    stream = Arn.parse(dispatch.destination).resource.removeprefix("deliverystream/")
    _require(client.put_record(DeliveryStreamName=stream, Record={"Data": _record(dispatch)}).get("RecordId"))


def _record(dispatch: Dispatch) -> bytes:
    return packed_data(dispatch.text) if LOG_DATA in dispatch.target else dispatch.text.encode()


def partition_key(event: bytes, path: str) -> str:
    """Return the text or number that ``path`` (``$.detail.name``) leads to in an event, "" for none."""
    found: Any = orjson.loads(event)
    for name in path.removeprefix("$").strip(".").split(".") if path else ():
        found = found.get(name) if isinstance(found, dict) else None
    return "" if not path or isinstance(found, (dict, list)) or found is None else str(found)


def _start_automation(client: Any, dispatch: Dispatch) -> None:
    document = Arn.parse(dispatch.destination).resource.removeprefix("automation-definition/")
    name, _, version = document.partition(":")
    try:
        given = orjson.loads(dispatch.text)
    except orjson.JSONDecodeError:
        given = None
    if not isinstance(given, dict):
        raise TargetRefused("INVALID_PARAMETER", "the parameters of an automation are a JSON object")
    parameters = {
        key: [str(item) for item in value] if isinstance(value, list) else [str(value)] for key, value in given.items()
    }
    answer = client.start_automation_execution(
        DocumentName=name,
        DocumentVersion=version or "$DEFAULT",
        Parameters=parameters,
        ClientToken=dispatch.invocation_id,
    )
    _require(answer.get("AutomationExecutionId"))


def _require(sign: Any) -> None:
    if not sign:
        raise Unavailable("the answer was cut, or is none of this service")


_SENDERS: Mapping[str, Callable[[Any, Dispatch], None]] = {
    "sqs": _send_message,
    "sns": _publish,
    "lambda": _invoke,
    "states": _start_execution,
    "kinesis": _put_record,
    "firehose": _put_to_firehose,
    "ssm": _start_automation,
}

_CLIENTS = {"states": "stepfunctions"}
"""botocore's names of services where ARNs have another."""


def _message_attributes(dispatch: Dispatch) -> dict[str, dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {
        name: {"DataType": "String", "StringValue": value} for name, value in dispatch.attributes.items() if value
    }
    for name, given in dispatch.typed_attributes.items():
        if given["Type"].startswith("Binary"):
            made[name] = {"DataType": given["Type"], "BinaryValue": base64.b64decode(given["Value"])}
        else:
            made[name] = {"DataType": given["Type"].replace(".Array", ""), "StringValue": given["Value"]}
    return made


def _translate(error: Any) -> PortError:
    """Return the port's error for a botocore ClientError."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    return port_error(code, str(error), is_passing=status >= _SERVER_FAULT or status == _TOO_MANY)


def port_error(code: str, message: str, *, is_passing: bool) -> PortError:
    """Return the port's error for a service's; with ``is_passing`` whatever does not mean that nothing is there may be
    tried again."""
    if code in _MISSING:
        return TargetRefused("NO_RESOURCE", message)
    if is_passing or code in _TRY_AGAIN:
        return Unavailable(message)
    return TargetRefused("NO_PERMISSIONS" if code in _DENIED else "INVALID_PARAMETER", message)
