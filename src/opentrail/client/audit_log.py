"""The audit log of an application: events go into a bounded queue, a thread puts them through the channel."""

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import orjson

from opentrail.client.channel import CallRefused, Channel, NoAnswer

MAX_QUEUED = 10_000
"""Events that wait at most; ``record`` waits for room beyond."""

EVENTS_PER_CALL = 100
BYTES_PER_CALL = 900 * 1024
"""CloudTrail takes 100 events and 1 MiB a call."""

LINGER_SECONDS = 0.5
"""How long the first event of a call waits for others."""

_log = logging.getLogger(__name__)


class AuditLogFull(Exception):
    """There was no room for an event in time: the channel takes fewer than are recorded, or does not answer."""


class AuditLogRefused(Exception):
    """Events were not recorded; the text says why, ``failures`` are they."""

    def __init__(self, failures: "list[NotRecorded]") -> None:
        super().__init__(f"{len(failures)} events were not recorded: {failures[0].reason}")
        self.failures = failures


@dataclass(frozen=True)
class AuditEvent:
    """One event as CloudTrail's schema for integrations has it. Give an ``id`` (its UID) for events that may be
    recorded twice, so that one can be told from the other."""

    name: str
    source: str
    principal: str
    principal_type: str = "User"
    principal_details: Mapping[str, Any] | None = None
    time: datetime | None = None
    id: str = ""
    request: Mapping[str, Any] | None = None
    response: Mapping[str, Any] | None = None
    error_code: str = ""
    error_message: str = ""
    source_ip: str = ""
    user_agent: str = ""
    additional: Mapping[str, Any] | None = None

    def to_json(self, account_id: str, now: datetime) -> str:
        """Return the ``eventData`` of an entry; what CloudTrail bounds is cut to fit. Raises TypeError for values that
        JSON does not have."""
        identity: dict[str, Any] = {"type": self.principal_type[:128], "principalId": self.principal[:1024]}
        if self.principal_details:
            identity["details"] = dict(self.principal_details)
        moment = (self.time or now).astimezone(UTC)
        members: dict[str, Any] = {
            "version": "1.0",
            "userIdentity": identity,
            "userAgent": self.user_agent[:1024],
            "eventSource": self.source,
            "eventName": self.name[:1024],
            "eventTime": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "UID": self.id or str(uuid.uuid4()),
            "requestParameters": self.request,
            "responseElements": self.response,
            "errorCode": self.error_code[:256],
            "errorMessage": self.error_message[:256],
            "sourceIPAddress": self.source_ip[:256],
            "recipientAccountId": account_id,
            "additionalEventData": self.additional,
        }
        return orjson.dumps({name: value for name, value in members.items() if value not in ("", None)}).decode()


@dataclass(frozen=True)
class NotRecorded:
    """An event that was not taken: its ``eventData``, and why."""

    event_data: str
    code: str
    reason: str


OnFailure = Callable[[list[NotRecorded]], None]


@dataclass
class AuditLog:
    """Records events of one application through one channel; from any thread.

    ``record`` returns once the event is in the queue; ``flush`` and leaving a ``with`` block return once all of it is
    durable at the other end. What is refused goes to ``on_failure`` (a log line without one); ``flush`` raises it.
    """

    channel: Channel | str
    source: str
    on_failure: OnFailure | None = None
    max_queued: int = MAX_QUEUED
    _queue: deque[str] = field(default_factory=deque, init=False, repr=False)
    _failures: list[NotRecorded] = field(default_factory=list, init=False, repr=False)

    def __post_init__(self) -> None:
        self._channel = Channel(self.channel) if isinstance(self.channel, str) else self.channel
        self._changed = threading.Condition()
        self._in_flight = 0
        self._is_closing = False
        self._must_hurry = False
        self._thread: threading.Thread | None = None

    def record(self, name: str, principal: str, *, timeout: float = 30.0, **members: Any) -> None:
        """Record an event; ``members`` are those of AuditEvent. Raises AuditLogFull when there is no room for so many
        seconds, TypeError for values that JSON does not have, RuntimeError once the log is closed."""
        event = AuditEvent(name=name, source=members.pop("source", self.source), principal=principal, **members)
        self.put(event, timeout=timeout)

    def put(self, event: AuditEvent, *, timeout: float = 30.0) -> None:
        """Record an event that was made beforehand. Raises what ``record`` raises."""
        data = event.to_json(self._channel.account_id, datetime.now(UTC))
        with self._changed:
            if self._is_closing:
                raise RuntimeError("the audit log is closed")
            if not self._changed.wait_for(lambda: len(self._queue) < self.max_queued, timeout):
                raise AuditLogFull(f"{self.max_queued} events wait to be recorded")
            self._queue.append(data)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="opentrail-audit-log", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout: float | None = None) -> None:
        """Wait until everything recorded so far is durable. Raises AuditLogRefused for what was not taken since the
        last flush, TimeoutError."""
        with self._changed:
            self._must_hurry = True
            self._changed.notify_all()
            is_done = self._changed.wait_for(lambda: not self._queue and not self._in_flight, timeout)
            self._must_hurry = False
            failures, self._failures = self._failures, []
        if failures:
            raise AuditLogRefused(failures)
        if not is_done:
            raise TimeoutError("events still wait to be recorded")

    def close(self) -> None:
        """Flush, and take no more. Raises what ``flush`` raises."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
        self.flush()

    def __enter__(self) -> "AuditLog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self) -> None:
        while (entries := self._next_call()) is not None:
            failures = self._put(entries)
            with self._changed:
                self._in_flight = 0
                self._failures = [*self._failures, *failures][-self.max_queued :]
                self._changed.notify_all()
            if failures:
                self._tell(failures)

    def _next_call(self) -> list[str] | None:
        """Wait for events and return those of one call, None once the log is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._is_closing)
            deadline = time.monotonic() + LINGER_SECONDS
            while (left := deadline - time.monotonic()) > 0:
                if len(self._queue) >= EVENTS_PER_CALL or self._is_closing or self._must_hurry:
                    break
                self._changed.wait(left)
            entries: list[str] = []
            size = 0
            while self._queue and len(entries) < EVENTS_PER_CALL:
                size += len(self._queue[0].encode("utf-8", "surrogatepass"))
                if entries and size > BYTES_PER_CALL:
                    break
                entries.append(self._queue.popleft())
            self._in_flight = len(entries)
            self._changed.notify_all()
            return entries or None

    def _put(self, entries: list[str]) -> list[NotRecorded]:
        named = {str(number): data for number, data in enumerate(entries)}
        try:
            answer = self._channel.put([{"id": number, "eventData": data} for number, data in named.items()])
        except CallRefused as error:
            return [NotRecorded(data, error.code, str(error)) for data in entries]
        except NoAnswer as error:
            return [NotRecorded(data, "NoAnswer", str(error)) for data in entries]
        except Exception as error:  # whatever it was, the application must learn that its events are not recorded
            return [NotRecorded(data, type(error).__name__, str(error)) for data in entries]
        return [
            NotRecorded(named[one["id"]], one.get("errorCode", ""), one.get("errorMessage", ""))
            for one in answer.get("failed", ())
        ]

    def _tell(self, failures: list[NotRecorded]) -> None:
        if self.on_failure is None:
            _log.error("%d audit events were not recorded: %s", len(failures), failures[0].reason)
            return
        try:
            self.on_failure(failures)
        except Exception:
            _log.exception("the handler of audit events that were not recorded failed")
