"""The consumer: takes log files from a source, hands their events over, and notes what is done with."""

import asyncio
import inspect
import logging
import signal
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from opentrail.consumer.events import CloudTrailEvent, LogFileError
from opentrail.consumer.sources import Source
from opentrail.imports.feeds import FedObject, Feed
from opentrail.imports.formats import read_contents
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AccessRefused, BucketNotFound, ObjectNotFound
from opentrail.waiting import is_set_within

QUEUE_WAIT_SECONDS = 10
READS_AHEAD = 8
RETRY_SECONDS = 15.0
"""How long a source that does not answer is left alone."""

_log = logging.getLogger(__name__)


class ErrorAction(Enum):
    """What becomes of a log file after an error: ``SKIP`` it, as done with; ``RETRY`` it, later; ``STOP`` the run."""

    SKIP = "skip"
    RETRY = "retry"
    STOP = "stop"


@dataclass(slots=True)
class Progress:
    """What a run did so far: files done with, events handed over, events that the filter left out, errors."""

    files: int = 0
    events: int = 0
    filtered: int = 0
    errors: int = 0


Handle = Callable[[Sequence[CloudTrailEvent]], object | Awaitable[object]]
OnError = Callable[[Exception, str], ErrorAction]
"""(what went wrong, the file's location) -> what to do with the file."""


def skip_unreadable(error: Exception, location: str) -> ErrorAction:
    """Log an error; pass over what cannot be read, and stop when the program itself failed."""
    _log.error("%s", error if isinstance(error, LogFileError) else f"{location}: {error!r}")
    return ErrorAction.SKIP if isinstance(error, LogFileError) else ErrorAction.STOP


@dataclass
class Consumer:
    """Hands events of a source to ``handle``, up to ``max_events`` of one file at a time, one batch after the other.

    ``handle`` is a function, which runs in a thread of its own, or a coroutine function. ``event_filter`` says which
    events are wanted. ``on_error`` is asked about what cannot be read (LogFileError; what is whole in the file is still
    handed over) and about what ``handle`` raises. ``on_progress`` is told after each file. A bucket is listed every
    ``poll_seconds``.
    """

    source: Source
    handle: Handle
    event_filter: Callable[[CloudTrailEvent], bool] | None = None
    on_error: OnError = skip_unreadable
    on_progress: Callable[[Progress], None] | None = None
    max_events: int = 1_000
    poll_seconds: float = 60.0
    progress: Progress = field(default_factory=Progress, init=False)

    def run(self, *, until_idle: bool = False) -> Progress:
        """Consume until ``stop`` or Ctrl-C, or ``until_idle``: until nothing is there that can be done with.

        Raises what ``handle`` raised when ``on_error`` says to stop, and PortError when the source refuses.
        """
        return asyncio.run(self.run_async(until_idle=until_idle))

    async def run_async(self, *, until_idle: bool = False) -> Progress:
        """The same on an event loop."""
        self._stopping = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            self._loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        feed = self.source.open()
        while not self._stopping.is_set():
            try:
                before = self.progress.files
                await self._consume(feed, await feed.next(1 if until_idle else QUEUE_WAIT_SECONDS))
            except Unavailable as error:
                _log.warning("waiting: %s", error)
                await is_set_within(self._stopping, RETRY_SECONDS)
                continue
            if self.progress.files == before:
                if until_idle:
                    break
                await is_set_within(self._stopping, self.poll_seconds)
        return self.progress

    def stop(self) -> None:
        """End a run once the file in hand is done with; from any thread."""
        self._loop.call_soon_threadsafe(self._stopping.set)

    async def _consume(self, feed: Feed, objects: Sequence[FedObject]) -> None:
        reading = [asyncio.create_task(self._read(feed, one)) for one in objects[:READS_AHEAD]]
        try:
            for number, one in enumerate(objects):
                if self._stopping.is_set():
                    return
                body = await reading[number]
                if number + READS_AHEAD < len(objects):
                    reading.append(asyncio.create_task(self._read(feed, objects[number + READS_AHEAD])))
                action = await self._hand_over(one, body)
                if action is ErrorAction.SKIP:
                    await feed.done([one])
                    self.progress.files += 1
                    if self.on_progress is not None:
                        self.on_progress(self.progress)
        finally:
            for task in reading:
                task.cancel()
            await asyncio.gather(*reading, return_exceptions=True)

    async def _read(self, feed: Feed, one: FedObject) -> bytes | LogFileError:
        try:
            return await feed.read(one)
        except ObjectNotFound:
            return LogFileError(one.location, "", "NoSuchKey", "it is not there any more")
        except BucketNotFound:
            return LogFileError(one.location, "", "NoSuchBucket", "there is no such bucket")
        except AccessRefused as error:
            return LogFileError(one.location, "", error.code, str(error))

    async def _hand_over(self, one: FedObject, body: bytes | LogFileError) -> ErrorAction:
        """Hand over a file's events; return SKIP when it is done with, RETRY when it shall come again."""
        if isinstance(body, LogFileError):
            return self._ask(body, one)
        contents = await asyncio.to_thread(read_contents, body)
        for fault in contents.faults:
            error = LogFileError(one.location, fault.place, fault.error_type, fault.message)
            if self._ask(error, one) is ErrorAction.RETRY:
                return ErrorAction.RETRY
        events = [CloudTrailEvent(raw, one.location, number) for number, raw in enumerate(contents.records, 1)]
        wanted = [event for event in events if self.event_filter is None or self.event_filter(event)]
        self.progress.filtered += len(events) - len(wanted)
        for at in range(0, len(wanted), self.max_events):
            batch = wanted[at : at + self.max_events]
            try:
                await self._call(batch)
            except Exception as error:
                return self._ask(error, one)
            self.progress.events += len(batch)
        return ErrorAction.SKIP

    async def _call(self, batch: Sequence[CloudTrailEvent]) -> None:
        if inspect.iscoroutinefunction(self.handle):
            await self.handle(batch)
        else:
            await asyncio.to_thread(self.handle, batch)

    def _ask(self, error: Exception, one: FedObject) -> ErrorAction:
        """Return SKIP or RETRY as ``on_error`` says; raise the error when it says to stop."""
        self.progress.errors += 1
        action = self.on_error(error, one.location)
        if action is ErrorAction.STOP:
            raise error
        return action


__all__ = ["Consumer", "ErrorAction", "Handle", "OnError", "PortError", "Progress", "skip_unreadable"]
