"""The log files that a trail's reader has open: selected events by account and Region, until closed into plans."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from opentrail.deliver.log_files import LogFile, close_log_file
from opentrail.deliver.selection import Choice
from opentrail.ports.delivery_log import LogFilePlan
from opentrail.ports.journal import START, Position
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.delivery_layout import log_file_key, name_suffix
from opentrail.resource.trail import Trail


@dataclass(slots=True)
class _OpenFile:
    events: list[bytes] = field(default_factory=list)
    last_position: Position = START
    oldest_event_time: str = ""
    newest_event_time: str = ""


class OpenFiles:
    """Events in journal order, one file for each account and Region; ``size_bytes`` counts the events of all."""

    def __init__(self) -> None:
        self._files: dict[AccountRegion, _OpenFile] = {}
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._files)

    def add(self, position: Position, choice: Choice) -> None:
        """Put one event into the file of its account and Region."""
        file = self._files.setdefault(choice.place, _OpenFile())
        moment = str(choice.event.get("eventTime", ""))
        file.events.append(choice.data)
        file.last_position = position
        file.oldest_event_time = min(file.oldest_event_time or moment, moment)
        file.newest_event_time = max(file.newest_event_time, moment)
        self.size_bytes += len(choice.data) + 1

    async def close(
        self, trail: Trail, after: Position, stamp: datetime, installation_id: str
    ) -> tuple[list[LogFilePlan], dict[str, LogFile]]:
        """Return the plans of all files, by account and Region, and the files by key. Files are compressed in threads.

        ``after`` is where the reader stood when the first of the events was still ahead of it.
        """
        plans, closed = [], {}
        for (account_id, region), file in sorted(self._files.items()):
            log_file = await asyncio.to_thread(close_log_file, file.events)
            suffix = name_suffix(installation_id, trail.arn, region, after)
            key = log_file_key(trail.s3_key_prefix, account_id, region, stamp, suffix, trail.organization_id)
            plan = LogFilePlan(
                trail_arn=trail.arn,
                region=region,
                account_id=account_id,
                bucket=trail.s3_bucket_name,
                key=key,
                first_position=after,
                last_position=file.last_position,
                stamp=stamp,
                sha256=log_file.sha256,
                event_count=len(file.events),
                oldest_event_time=file.oldest_event_time,
                newest_event_time=file.newest_event_time,
                trail=trail.to_json(),
                tree_hash=log_file.tree_hash,
            )
            plans.append(plan)
            closed[key] = log_file
        return plans, closed
