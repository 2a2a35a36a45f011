"""The machine's disk, and HTTP endpoints as they are reached from it."""

import asyncio
import os
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

from aiohttp import ClientError, ClientSession, ClientTimeout

from opentrail.ports import Unavailable
from opentrail.ports.host import DiskSpace

PEER_SECONDS = 5
"""How long an endpoint may take to answer at all."""


class LocalHost:
    """Implements Host for the folder of a home."""

    def __init__(self, home: Path) -> None:
        self._home = home

    async def disk(self) -> DiskSpace:
        try:
            found = await asyncio.to_thread(os.statvfs, self._home)
        except OSError as error:
            raise Unavailable(f"{self._home} cannot be looked at: {error.strerror}") from error
        size = found.f_frsize
        return DiskSpace(found.f_bavail * size, found.f_blocks * size, found.f_favail, found.f_files)

    async def peer_time(self, url: str) -> datetime | None:
        try:
            async with (
                ClientSession(timeout=ClientTimeout(total=PEER_SECONDS)) as session,
                session.head(url, allow_redirects=False) as response,
            ):
                return _moment(response.headers.get("Date", ""))
        except (TimeoutError, ClientError, OSError, ValueError) as error:
            raise Unavailable(f"{url} does not answer: {str(error) or type(error).__name__}") from error


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
