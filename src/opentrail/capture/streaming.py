"""Which operations carry object data: their bodies pass through and are never held."""

import asyncio

from opentrail.protocol import Operation
from opentrail.protocol.models import operation_model

MAX_KNOWN = 20_000
"""Operations remembered; botocore has 19,796."""


class StreamingTable:
    """Remembers per operation whether its input and its output are streams in the service's model.

    The first look at a service reads its model, which takes 20-100 ms, in a thread.
    """

    def __init__(self) -> None:
        self._known: dict[Operation | None, tuple[bool, bool]] = {None: (False, False)}

    def known(self, operation: Operation | None) -> tuple[bool, bool] | None:
        """Return what ``look_up`` does for an operation that was looked up before, else None."""
        return self._known.get(operation)

    async def look_up(self, operation: Operation | None) -> tuple[bool, bool]:
        """Return (input is a stream, output is a stream); an operation that nobody knows has neither."""
        known = self._known.get(operation)
        if known is None:
            assert operation is not None
            known = await asyncio.to_thread(_read_model, operation)
            if len(self._known) < MAX_KNOWN:
                self._known[operation] = known
        return known


def _read_model(operation: Operation) -> tuple[bool, bool]:
    model = operation_model(operation)
    takes_stream = bool(model.has_streaming_input or model.has_event_stream_input)
    gives_stream = bool(model.has_streaming_output or model.has_event_stream_output)
    return takes_stream, gives_stream
