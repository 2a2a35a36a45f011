"""SQS queues: what is sent to one queue in the same moment goes in one call, up to ten messages.

A call for each message pays for a signature, a round trip and a thread each time. Every message has a fate of its own
all the same; where a service knows no batches, or refuses one as a whole, its messages go one by one.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from opentrail.adapters.targets.aws import AwsTargets, TargetEndpoint, port_error, queue_message, queue_url
from opentrail.ports import PortError, Unavailable
from opentrail.ports.targets import Dispatch, TargetRefused

MAX_MESSAGES = 10
"""Of a call; SQS takes no more."""

MAX_BATCH_BYTES = 192 * 1024
"""Texts of a call: with attributes below the 256 KiB that SQS takes of one at least. A longer text goes alone."""

_Waiting = tuple[Dispatch, asyncio.Future[None]]


class QueueTargets(AwsTargets):
    """Implements Targets for SQS."""

    def __init__(self, endpoint: TargetEndpoint | None) -> None:
        super().__init__("sqs", endpoint)
        self._unsent: dict[str, list[_Waiting]] = {}
        self._calls: set[asyncio.Task[None]] = set()

    async def send(self, dispatch: Dispatch) -> None:
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[None] = loop.create_future()
        unsent = self._unsent.setdefault(dispatch.destination, [])
        unsent.append((dispatch, sent))
        if len(unsent) == 1:
            loop.call_soon(self._send_together, dispatch.destination)
        await sent

    def _send_together(self, destination: str) -> None:
        for batch in _batches(self._unsent.pop(destination)):
            call = asyncio.get_running_loop().create_task(self._send_batch(batch))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _send_batch(self, batch: Sequence[_Waiting]) -> None:
        """Send messages and tell each sender what became of its own."""
        fates: Sequence[Exception | None]
        try:
            fates = await self._fates([dispatch for dispatch, _ in batch])
        except Exception as error:  # what befell the call befell every message of it
            fates = [error] * len(batch)
        for (_, sent), fate in zip(batch, fates, strict=True):
            if sent.done():
                continue
            if fate is None:
                sent.set_result(None)
            else:
                sent.set_exception(fate)

    async def _fates(self, dispatches: Sequence[Dispatch]) -> Sequence[PortError | None]:
        """Return what became of each message, None for one that the queue took. Raises what befell all of them."""
        if len(dispatches) == 1:
            await super().send(dispatches[0])
            return [None]
        try:
            return await self.ask(dispatches[0].destination, lambda client: _send_messages(client, dispatches))
        except TargetRefused as refusal:
            if refusal.code != "INVALID_PARAMETER":
                raise
        return [await self._fate(dispatch) for dispatch in dispatches]

    async def _fate(self, dispatch: Dispatch) -> PortError | None:
        try:
            await super().send(dispatch)
        except PortError as error:
            return error
        return None


def _batches(waiting: Sequence[_Waiting]) -> Iterator[Sequence[_Waiting]]:
    batch: list[_Waiting] = []
    size = 0
    for each in waiting:
        length = len(each[0].text.encode())
        if batch and (len(batch) == MAX_MESSAGES or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += length
    yield batch


def _send_messages(client: Any, dispatches: Sequence[Dispatch]) -> Sequence[PortError | None]:
    """Send messages to their queue in one call; return each one's fate."""
    entries = [{"Id": str(number)} | queue_message(dispatch) for number, dispatch in enumerate(dispatches)]
    with queue_url(client, dispatches[0].destination) as url:
        answer = client.send_message_batch(QueueUrl=url, Entries=entries)
    fates: list[PortError | None] = [Unavailable("the answer tells nothing of this message")] * len(dispatches)
    for taken in answer.get("Successful", ()):
        fates[int(taken["Id"])] = None
    for failed in answer.get("Failed", ()):
        said = f"{failed.get('Code', '')}: {failed.get('Message', '')}"
        fates[int(failed["Id"])] = port_error(failed.get("Code", ""), said, is_passing=not failed.get("SenderFault"))
    return fates
