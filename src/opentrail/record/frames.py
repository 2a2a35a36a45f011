"""What the events of one caller's calls to one operation share, so that it is worked out once and not per call."""

from opentrail.event import Event
from opentrail.http_message import HttpRequest
from opentrail.identity import CallerIdentity, Principal
from opentrail.protocol import CredentialScope, Operation
from opentrail.record.regions import known_regions

MAX_FRAMES = 1024
"""Frames remembered; when there are more, all are forgotten. One takes about 2 KB."""

MAX_AGENT_CHARACTERS = 1024
"""Longest User-Agent of a call whose frame is remembered."""

FrameKey = tuple[Operation, str, bool, int, str, str, str]


class FrameMemory:
    """Frames by everything that they depend on. A frame is an event before anything of the single call is in it."""

    def __init__(self) -> None:
        self._frames: dict[FrameKey, tuple[Principal | None, Event]] = {}

    def key(
        self,
        request: HttpRequest,
        operation: Operation | None,
        scope: CredentialScope | None,
        caller: CallerIdentity,
    ) -> FrameKey | None:
        """Return what the frame of a call depends on; None when it depends on more."""
        region = scope.region if scope is not None else ""
        agent = request.headers.first.get("user-agent", "")
        if operation is None or request.is_tls or len(agent) > MAX_AGENT_CHARACTERS:
            return None
        if region and region not in known_regions():
            return None
        return operation, caller.access_key_id, caller.is_verified, id(caller.principal), region, request.peer, agent

    def recall(self, key: FrameKey, caller: CallerIdentity) -> Event | None:
        """Return a copy of a frame, None when it was not kept. What its members hold must be replaced, not changed."""
        kept = self._frames.get(key)
        return dict(kept[1]) if kept is not None and kept[0] is caller.principal else None

    def keep(self, key: FrameKey, caller: CallerIdentity, frame: Event) -> None:
        """Keep a copy of ``frame``; the principal is kept too, so that its identity stays its own."""
        if len(self._frames) >= MAX_FRAMES:
            self._frames.clear()
        self._frames[key] = (caller.principal, dict(frame))
