"""What /metrics tells of recorded calls: pending ones as the journal stores them, events as Event history's feeder
passes them, off the path of the calls.

Nothing here parses an event that went well: what decides stands early in the fixed order of fields, or is rare.
"""

from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge

from opentrail.event.encoding import decode_event
from opentrail.pipeline.delivery_context import CUT_LOOSE, UNDELIVERABLE
from opentrail.pipeline.seconds_histogram import SecondsHistogram
from opentrail.ports.journal import CallId
from opentrail.record.service_events import GAP_NAME

RESULTS = ("ok", "denied", "throttled", "fault", "error", "unknown")
"""Every value of the label ``result``. ``fault`` is the service's failure, ``error`` any other refusal, ``unknown`` a
call whose answer nobody saw."""

REASONS = {
    "queue-full": "queue-full",
    "record-failed": "record-failed",
    "unclean-stop": "unclean-stop",
    CUT_LOOSE: "cut-loose",
    UNDELIVERABLE: "undeliverable",
}
"""Reason of a gap event -> value of the label ``reason``; any other is OTHER. All are there from the start, at zero:
a rate sees the first gap only of a series that existed before it."""

OTHER = "other"

MAX_TIMED_CALLS = 100_000
"""Pending calls whose begin is remembered; more than the gateway has connections."""

_CALL_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_API_CALL = b'"eventType":"AwsApiCall"'
_PARAMETERS = b'"requestParameters":'
_ERROR = b'"errorCode":"'
_UNKNOWN = b'"outcome":"unknown"'
_GAP = b'"eventName":"' + GAP_NAME.encode() + b'"'

_KINDS_OF_ERROR = (
    ("denied", (b"AccessDenied", b"Unauthorized", b"NotAuthorized", b"AuthorizationError", b"Forbidden")),
    ("throttled", (b"Throttl", b"TooManyRequests", b"RequestLimitExceeded", b"SlowDown")),
    ("fault", (b"InternalFailure", b"InternalError", b"InternalServ", b"ServiceUnavailable", b"ServiceFailure")),
)
"""What an error code contains -> its result; the first that fits."""


def result_of(event: bytes) -> str:
    """Return the result of a recorded call, one of RESULTS. Errors are told by their code alone."""
    start = event.find(_ERROR, 0, max(0, event.find(_PARAMETERS)))
    if start >= 0:
        start += len(_ERROR)
        code = event[start : event.find(b'"', start)]
        for result, parts in _KINDS_OF_ERROR:
            if any(part in code for part in parts):
                return result
        return "error"
    if _UNKNOWN in event:
        added = decode_event(event).get("additionalEventData")
        own = added.get("opentrail") if isinstance(added, dict) else None
        return "unknown" if isinstance(own, dict) and own.get("outcome") == "unknown" else "ok"
    return "ok"


class RecordedFigures:
    """Counts recorded calls by result, times pending ones, and counts what is known to be missing."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._events = Counter("opentrail_events_recorded", "Events on record, of any kind.", registry=registry)
        calls = Counter(
            "opentrail_calls_recorded",
            "API calls on record, the gateway's and those of our own API, by result.",
            ["result"],
            registry=registry,
        )
        self._calls = {result: calls.labels(result) for result in RESULTS}
        self._seconds = SecondsHistogram(
            "opentrail_gateway_call_seconds",
            "From a call's being pending in the journal to its being settled: the upstream's time and our second step"
            " (fail-closed only).",
            _CALL_BUCKETS_SECONDS,
        )
        registry.register(self._seconds)
        gaps = Counter("opentrail_recording_gaps", "Gap events, by reason.", ["reason"], registry=registry)
        self._gaps = {reason: gaps.labels(reason) for reason in (*REASONS.values(), OTHER)}
        self._unrecorded = Counter(
            "opentrail_calls_unrecorded", "Calls and events that gap events count as missing.", registry=registry
        )
        self._pending: dict[CallId, float] = {}
        pending = Gauge("opentrail_calls_pending", "Calls sent upstream and not settled.", registry=registry)
        pending.set_function(lambda: len(self._pending))
        oldest = Gauge("opentrail_oldest_pending_call_seconds", "Age of the oldest of them.", registry=registry)
        oldest.set_function(lambda: perf_counter() - next(iter(self._pending.values())) if self._pending else 0.0)

    def opened(self, call: CallId) -> None:
        """Note a call that is pending from now on."""
        if len(self._pending) < MAX_TIMED_CALLS:
            self._pending[call] = perf_counter()

    def settled(self, call: CallId) -> None:
        """Note that a call is pending no more; one that an earlier process left is not timed."""
        began = self._pending.pop(call, None)
        if began is not None:
            self._seconds.observe(perf_counter() - began)

    def recorded(self, event: bytes) -> None:
        """Count an event that is on record."""
        self._events.inc()
        if _API_CALL in event:
            self._calls[result_of(event)].inc()
        elif _GAP in event:
            self._count_gap(event)

    def _count_gap(self, event: bytes) -> None:
        decoded = decode_event(event)
        details = decoded.get("serviceEventDetails")
        if decoded.get("eventName") != GAP_NAME or not isinstance(details, dict):
            return
        self._gaps[REASONS.get(str(details.get("reason", "")), OTHER)].inc()
        missing = details.get("unrecordedCalls")
        if isinstance(missing, int):
            self._unrecorded.inc(missing)
