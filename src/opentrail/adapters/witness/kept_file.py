"""A witness's log in a file that the verifier has from the witness itself (docs/formats/witness.md)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from opentrail.adapters.witness.webhook import MAX_LOG_BYTES, read_log
from opentrail.ports.witness import Chain, Testimony, WitnessRefused


class KeptFile:
    """Implements TestimonySource over JSON lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def testimonies(self, chain: Chain) -> AsyncIterator[Testimony]:
        for testimony in await asyncio.to_thread(self._read):
            if chain.includes(testimony.statement):
                yield testimony

    def _read(self) -> list[Testimony]:
        try:
            if self._path.stat().st_size > MAX_LOG_BYTES:
                raise WitnessRefused(f"{self._path} is larger than {MAX_LOG_BYTES} bytes")
            return list(read_log(self._path.read_bytes(), str(self._path)))
        except OSError as error:
            raise WitnessRefused(f"{self._path} cannot be read: {error.strerror}") from error
