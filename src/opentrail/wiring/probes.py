"""What answers without a signature: ``/healthz`` for whoever routes around us, ``/metrics`` for Prometheus."""

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from opentrail.pipeline.lake_figures import LakeStoreState
from opentrail.wiring.installation import Installation

PROBE_SECONDS = 1.0
"""How long an answer of the disk is good for: probes come unsigned and must not make us write for each."""

PROBE_BYTES = 64 * 1024


class Probes:
    """The unsigned routes of one installation."""

    def __init__(self, installation: Installation, lake_states: Callable[[], Sequence[LakeStoreState]]) -> None:
        self._installation = installation
        self._lake_states = lake_states
        self._probed_at = float("-inf")
        self._is_writable = True

    def routes(self) -> list[Route]:
        return [Route("/healthz", self.health), Route("/metrics", self.metrics)]

    async def health(self, _: Request) -> Response:
        """Answer 200 while calls can be recorded, else 503; JSON says what is wrong."""
        if time.monotonic() - self._probed_at > PROBE_SECONDS:
            self._probed_at = time.monotonic()
            self._is_writable = await asyncio.to_thread(is_writable, self._installation.home.journal)
        is_behind = await self._installation.history.cursor() < self._installation.journal.head()
        answer = {
            "status": "ok" if self._is_writable else "failing",
            "journal": "writable" if self._is_writable else "cannot be written; is the disk full?",
            "history": "behind" if is_behind else "current",
            "lake": _lake_state(self._lake_states()),
        }
        return JSONResponse(answer, 200 if self._is_writable else 503)

    async def metrics(self, _: Request) -> Response:
        """Answer the installation's figures in Prometheus's text format."""
        return Response(generate_latest(self._installation.registry), media_type=CONTENT_TYPE_LATEST)


def is_writable(folder: Path) -> bool:
    """Say whether the disk under ``folder`` takes PROBE_BYTES durably; what is written is removed again. Blocks."""
    path = folder / "probe"
    try:
        with path.open("wb") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
    except OSError:
        path.unlink(missing_ok=True)
        return False
    return True


def _lake_state(states: Sequence[LakeStoreState]) -> str:
    failing = [one for one in states if one.is_failing]
    if failing and all(one.is_refused for one in failing):
        return "waiting for a KMS key"
    return "waiting for its tables" if failing else "ok"
