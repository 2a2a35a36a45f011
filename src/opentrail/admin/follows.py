"""The operator's follows: each lives as long as its command looks at it; checkpoints stay for the next one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from opentrail.clock import Clock, Identifiers
from opentrail.errors import OperatorError
from opentrail.imports.feeds import Feed
from opentrail.pipeline.follow import Follower
from opentrail.ports.lake_table import LakeAppender
from opentrail.ports.object_store import AccessRefused, BucketNotFound
from opentrail.resource.event_data_store import EventDataStore

LEASE_SECONDS = 60.0
"""A follow that nobody looked at for so long ends."""

MAX_FOLLOWS = 16

Answer = dict[str, Any]
FindStore = Callable[[str], Awaitable[EventDataStore]]
OpenFeed = Callable[..., Feed]
"""(uri, queue URL, event data store's ARN, since, regions, endpoint URL, key or None) -> the feed."""


class FollowAdministration:
    """The operator's commands about follows. Every method raises OperatorError."""

    def __init__(
        self, lake: LakeAppender, find_store: FindStore, open_feed: OpenFeed, clock: Clock, identifiers: Identifiers
    ) -> None:
        self._lake = lake
        self._find_store = find_store
        self._open_feed = open_feed
        self._clock = clock
        self._identifiers = identifiers
        self._follows: dict[str, tuple[Follower, asyncio.Task[None]]] = {}
        self._looked_at: dict[str, datetime] = {}

    def commands(self) -> dict[str, Callable[..., Awaitable[Answer]]]:
        """Return what the control socket may call, by name."""
        return {command.__name__: command for command in (self.begin_follow, self.follow_progress, self.end_follow)}

    async def begin_follow(
        self,
        uri: str,
        queue_url: str = "",
        into: str = "",
        regions: Sequence[str] = (),
        since: str = "",
        poll_seconds: float = 60.0,
        endpoint_url: str = "",
        key: Mapping[str, str] | None = None,
    ) -> Answer:
        """Begin to follow a bucket, by a queue or by listing it; return the follow's id and the store's name."""
        self._end_forgotten()
        if len(self._follows) >= MAX_FOLLOWS:
            raise OperatorError(f"{MAX_FOLLOWS} follows run already")
        store = await self._find_store(into)
        start = datetime.fromisoformat(since) if since else None
        feed = self._open_feed(uri, queue_url, store.arn, start, tuple(regions), endpoint_url, key)
        follower = Follower(feed, self._lake, store.arn, poll_seconds)
        follow_id = self._identifiers.uuid()
        task = asyncio.create_task(follower.run(), name=f"follow {follow_id}")
        self._follows[follow_id] = (follower, task)
        self._looked_at[follow_id] = self._clock.now()
        return {"id": follow_id, "store": store.name}

    async def follow_progress(self, follow_id: str) -> Answer:
        """Return what a follow did so far; ``ended`` says why it is over, "" while it goes on."""
        self._end_forgotten()
        follower, task = self._found(follow_id)
        self._looked_at[follow_id] = self._clock.now()
        ended = ""
        if task.done():
            failure = task.exception() if not task.cancelled() else None
            ended = _said(failure) if failure is not None else "it was ended"
        return follower.status.shown() | {"ended": ended}

    async def end_follow(self, follow_id: str) -> Answer:
        """End a follow; its checkpoints stay."""
        follower, task = self._found(follow_id)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        del self._follows[follow_id]
        return follower.status.shown()

    async def close(self) -> None:
        """End all follows."""
        for follow_id in list(self._follows):
            await self.end_follow(follow_id)

    def _found(self, follow_id: str) -> tuple[Follower, asyncio.Task[None]]:
        if follow_id not in self._follows:
            raise OperatorError("this follow is over: start it again, it goes on where it was")
        return self._follows[follow_id]

    def _end_forgotten(self) -> None:
        now = self._clock.now()
        for follow_id in list(self._follows):
            if abs((now - self._looked_at[follow_id]).total_seconds()) > LEASE_SECONDS:
                self._follows.pop(follow_id)[1].cancel()


def _said(failure: BaseException) -> str:
    if isinstance(failure, BucketNotFound):
        return f"there is no bucket {failure}"
    if isinstance(failure, AccessRefused):
        return f"the source may not be read: {failure}"
    return f"{type(failure).__name__}: {failure}"
