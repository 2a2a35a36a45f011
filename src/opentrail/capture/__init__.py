"""Capture: how API traffic enters. The gateway passes calls to their upstream and hands what it saw to a recorder."""

from typing import Protocol

from opentrail.http_message import HttpRequest, HttpResponse
from opentrail.protocol import CredentialScope, Operation


class RecordingUnavailable(Exception):
    """The call could not be put on record in time; under ``fail-closed`` it must not go upstream."""


class OpenRecord(Protocol):
    """One call whose beginning is on record."""

    async def finish(self, response: HttpResponse) -> None:
        """Put the call's result on record; under ``fail-closed`` it is durable on return. Raises
        RecordingUnavailable."""
        ...

    async def abandon(self, reason: str) -> None:
        """Put on record that no (whole) answer was seen; ``reason`` is a short word such as ``upstream-timeout``."""
        ...


class CallRecorder(Protocol):
    """Where the gateway puts the calls it passes on."""

    async def begin(
        self, request: HttpRequest, operation: Operation | None, scope: CredentialScope | None
    ) -> OpenRecord:
        """Put the call on record before its first byte goes upstream; under ``fail-closed`` it is durable on return.

        ``request.body`` is None when it is not held. Raises RecordingUnavailable within a second.
        """
        ...
