"""Another Opentrail as a named target: what is sent becomes log events of a group there, by its PutLogEvents.

The messages of log groups' subscription filters keep their streams, timestamps and, without another group in the
settings, their group's name; any other text is one event of the stream ``events``, without a group in the settings of
the group ``opentrail``. Group and stream are made when they are not there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson
import structlog

from opentrail.clock import Clock
from opentrail.deliver.subscription_data import LOG_DATA, unpacked
from opentrail.http_message import HttpRequest
from opentrail.outgoing.call import Answer, Call, NoAnswer, call
from opentrail.outgoing.endpoint import UnusableUrl
from opentrail.outgoing.guard import ANYWHERE, DestinationRefused
from opentrail.ports import Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.protocol.sigv4 import sign
from opentrail.resource.log_group import milliseconds

ANSWER_SECONDS = 15
MAX_ANSWER_BYTES = 64 * 1024
MAX_SPAN_MS = 24 * 60 * 60 * 1000
"""Between the first and the last event of one PutLogEvents."""

GROUP, STREAM = "opentrail", "events"
"""Where texts go that are no log events, when the settings name no group."""

_REFUSED = frozenset({"InvalidParameterException", "SerializationException", "ValidationException"})
"""What will be answered again, however often it is tried; all else may be mended at either end."""

_EXISTS, _MISSING = "ResourceAlreadyExistsException", "ResourceNotFoundException"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class InstallationEndpoint:
    """Where the other installation's gateway or API is, and who we are there. ``log_group`` "" means the group's own
    name; ``ca_bundle`` is a file, "" for the system's CAs."""

    url: str
    region: str
    access_key_id: str
    secret_access_key: str
    log_group: str = ""
    ca_bundle: str = ""


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"it answered {code}: {message}"[:500])
        self.code = code


class InstallationTarget:
    """Implements Targets for one installation. What is sent twice is there twice."""

    def __init__(self, endpoint: InstallationEndpoint, clock: Clock) -> None:
        self._endpoint = endpoint
        self._clock = clock

    async def send(self, dispatch: Dispatch) -> None:
        group, stream, events = self._events(dispatch)
        for batch in _batches(events):
            try:
                await self._put(group, stream, batch)
            except _Refused as error:
                if error.code in _REFUSED:
                    raise TargetRefused("INVALID_PARAMETER", str(error)) from error
                raise Unavailable(str(error)) from error

    def _events(self, dispatch: Dispatch) -> tuple[str, str, Sequence[Mapping[str, Any]]]:
        """Return the group, the stream and the events in the order of their timestamps."""
        group = self._endpoint.log_group
        if LOG_DATA not in dispatch.target:
            event = {"timestamp": milliseconds(self._clock.now()), "message": dispatch.text}
            return group or GROUP, STREAM, [event]
        data = unpacked(dispatch.text)
        events = [{"timestamp": one["timestamp"], "message": one["message"]} for one in data["logEvents"]]
        return group or data["logGroup"], data["logStream"], sorted(events, key=lambda one: int(one["timestamp"]))

    async def _put(self, group: str, stream: str, events: Sequence[Mapping[str, Any]]) -> None:
        place = {"logGroupName": group, "logStreamName": stream}
        given = {**place, "logEvents": events}
        try:
            answer = await self._call("PutLogEvents", given)
        except _Refused as error:
            if error.code != _MISSING:
                raise
            await self._make("CreateLogGroup", {"logGroupName": group})
            await self._make("CreateLogStream", place)
            answer = await self._call("PutLogEvents", given)
        if answer.get("rejectedLogEventsInfo"):
            said = "another installation did not take events of a log group: they are too old, or too far ahead"
            _log.warning(said, group=group, rejected=answer["rejectedLogEventsInfo"])

    async def _make(self, operation: str, parameters: Mapping[str, Any]) -> None:
        try:
            await self._call(operation, parameters)
        except _Refused as error:
            if error.code != _EXISTS:
                raise

    async def _call(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        endpoint = self._endpoint
        address = urlsplit(endpoint.url)
        headers = (
            ("Host", address.netloc),
            ("Content-Type", "application/x-amz-json-1.1"),
            ("X-Amz-Target", f"Logs_20140328.{operation}"),
            ("User-Agent", "Opentrail"),
        )
        signed = sign(
            HttpRequest("POST", "/", headers, orjson.dumps(parameters), ""),
            access_key_id=endpoint.access_key_id,
            secret_access_key=endpoint.secret_access_key,
            region=endpoint.region,
            signing_name="logs",
            now=self._clock.now(),
        )
        url = f"{address.scheme}://{address.netloc}/"
        body = signed.body or b""
        wanted = Call("POST", url, dict(signed.header_list), body, ANSWER_SECONDS, MAX_ANSWER_BYTES, endpoint.ca_bundle)
        try:
            return _read(operation, await call(wanted, ANYWHERE))
        except (NoAnswer, UnusableUrl, DestinationRefused) as error:
            raise Unavailable(f"the other installation did not answer: {error}") from error


def _read(operation: str, answer: Answer) -> dict[str, Any]:
    """Return what a successful call answered. Raises _Refused and Unavailable."""
    try:
        told = orjson.loads(answer.body or b"{}")
    except orjson.JSONDecodeError as error:
        raise Unavailable(f"{operation} was answered {answer.status}, and not by an Opentrail") from error
    if not isinstance(told, dict):
        raise Unavailable(f"{operation} was answered {answer.status}, and not by an Opentrail")
    if 200 <= answer.status < 300:
        return told
    code = str(told.get("__type", answer.status)).rpartition("#")[2]
    raise _Refused(code, str(told.get("message", told.get("Message", ""))))


def _batches(events: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield events in batches that one call takes."""
    batch: list[Mapping[str, Any]] = []
    for event in events:
        if batch and event["timestamp"] - batch[0]["timestamp"] >= MAX_SPAN_MS:
            yield batch
            batch = []
        batch.append(event)
    if batch:
        yield batch
