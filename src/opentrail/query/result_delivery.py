"""Results delivered to S3: gzip CSV files and, last, the file that signs them.

A crash in between starts over when the service is back: the same result gives the same bytes under the same keys, and
what is there already is compared with them.
"""

import asyncio
import csv
import hashlib
import io
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import orjson
import structlog

from opentrail.clock import format_time
from opentrail.digest.result_sign import ResultFile, ResultSign, format_result_sign, result_signing_text
from opentrail.ports import PortError, Unavailable
from opentrail.ports.object_store import AccessRefused, AlreadyExists, BucketNotFound, ObjectStore, ObjectStores
from opentrail.ports.signer import Signer
from opentrail.resource.lake_query import DeliveryStatus, LakeQuery
from opentrail.resource.result_layout import SIGN_FILE_NAME, parse_delivery_uri, result_file_name

FILE_BYTES = 32 << 20
"""How large a file becomes, compressed; with one page of the result this is what a delivery holds in memory."""

ATTEMPTS = 6
FIRST_PAUSE_SECONDS = 1.0
"""Between attempts when the store does not answer; doubled each time."""

_GZIP = 31
_COMPRESSION_LEVEL = 6
_log = structlog.get_logger(__name__)


class ResultPages(Protocol):
    """Where the pages of results are read, in the clear."""

    async def read_page(self, query_id: str, start: int, length: int) -> bytes:
        """Return a page. Raises Unavailable."""
        ...


class _Altered(PortError):
    """Another object has the key of a result's file."""


class ResultDelivery:
    """Delivers results of finished queries."""

    def __init__(
        self, stores: ObjectStores, signer: Signer, *, first_pause_seconds: float = FIRST_PAUSE_SECONDS
    ) -> None:
        self._stores = stores
        self._signer = signer
        self._first_pause_seconds = first_pause_seconds

    async def deliver(self, query: LakeQuery, pages: ResultPages) -> DeliveryStatus:
        """Deliver the result of a finished query; return how that ended. Nothing is raised for what a store says."""
        pause = self._first_pause_seconds
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._deliver_once(query, pages)
            except Unavailable as error:
                _log.warning("result_delivery_interrupted", query=query.id, error=str(error), attempt=attempt)
            if attempt < ATTEMPTS:
                await asyncio.sleep(pause)
                pause *= 2
        return DeliveryStatus.FAILED

    async def _deliver_once(self, query: LakeQuery, pages: ResultPages) -> DeliveryStatus:
        assert query.ended_at is not None
        place = parse_delivery_uri(query.delivery_s3_uri)
        folder = place.folder(query.account_id, query.ended_at, query.id)
        bucket = self._stores.bucket(place.bucket)
        files: list[ResultFile] = []
        try:
            async for body in _csv_files(query, pages):
                name = result_file_name(len(files) + 1)
                await _put(bucket, query, folder + name, body, "application/gzip")
                files.append(ResultFile(name, await asyncio.to_thread(_sha256, body)))
        except BucketNotFound:
            return DeliveryStatus.RESOURCE_NOT_FOUND
        except AccessRefused:
            return DeliveryStatus.ACCESS_DENIED
        except _Altered:
            return DeliveryStatus.FAILED
        try:
            await _put(bucket, query, folder + SIGN_FILE_NAME, await self._sign(query, files), "application/json")
        except AccessRefused:
            return DeliveryStatus.ACCESS_DENIED_SIGNING_FILE
        except (BucketNotFound, _Altered):
            return DeliveryStatus.FAILED_SIGNING_FILE
        return DeliveryStatus.SUCCESS

    async def _sign(self, query: LakeQuery, files: Sequence[ResultFile]) -> bytes:
        assert query.ended_at is not None
        # With the key that is in force when the query completed, so that a second attempt makes the same file.
        key = await self._signer.current_key(query.region, query.ended_at)
        signature = await self._signer.sign(query.region, key.fingerprint, result_signing_text(files))
        return format_result_sign(
            ResultSign(query.region, tuple(files), format_time(query.ended_at), signature, key.fingerprint)
        )


async def _put(bucket: ObjectStore, query: LakeQuery, key: str, body: bytes, content_type: str) -> None:
    """Put one file; one that an earlier attempt put may be there."""
    context = {"aws:cloudtrail:arn": query.event_data_stores[0]}
    try:
        await bucket.put_if_absent(key, body, content_type=content_type, encryption_context=context)
    except AlreadyExists as error:
        if (await bucket.get(key)).body != body:
            raise _Altered(f"another object is at {key}") from error


async def _csv_files(query: LakeQuery, pages: ResultPages) -> AsyncIterator[bytes]:
    """Yield the result as gzip files of CSV, each with the header; a result without rows is one file."""
    header = _csv_lines([[label for label, _ in query.columns]])
    file = _GzipFile(header)
    for start, length, _ in query.pages:
        page = await pages.read_page(query.id, start, length)
        if await asyncio.to_thread(file.add_page, page) >= FILE_BYTES:
            yield await asyncio.to_thread(file.close)
            file = _GzipFile(header)
    if file.has_rows or not query.pages:
        yield await asyncio.to_thread(file.close)


class _GzipFile:
    """One file in the making. Its bytes name no time and no file, so that they depend on the rows alone."""

    def __init__(self, header: bytes) -> None:
        self._compressor = zlib.compressobj(_COMPRESSION_LEVEL, zlib.DEFLATED, _GZIP)
        self._bytes = bytearray(self._compressor.compress(header))
        self.has_rows = False

    def add_page(self, page: bytes) -> int:
        """Add a page of rows; return how many bytes the file has by now."""
        self._bytes += self._compressor.compress(_csv_lines(orjson.loads(page)))
        self.has_rows = True
        return len(self._bytes)

    def close(self) -> bytes:
        self._bytes += self._compressor.flush()
        return bytes(self._bytes)


def _csv_lines(rows: Sequence[Sequence[str | None]]) -> bytes:
    """Return rows as CSV (RFC 4180, lines end with a newline); NULL is an empty field."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
