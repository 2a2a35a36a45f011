"""As much of S3 and CloudTrail as a verifier asks, over objects in memory that a test may change under way."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from xml.sax.saxutils import escape

import orjson
from aiohttp import web

from opentrail.ports.signer import PublicKey
from opentrail.resource.delivery_layout import log_file_stamp
from tests.support.delivered_trail import BUCKET, START_TIME, Objects

_PAGE = 1000


class ObjectServer:
    """Answers one request at a time per connection, each after ``delay`` seconds."""

    def __init__(self, objects: Objects, keys: Sequence[PublicKey], delay: float = 0) -> None:
        self.objects = objects
        self.keys = keys
        self._delay = delay
        self.gets = 0
        self.fail_on = ""
        """A key that is refused with a fault of the server's."""

    async def handle(self, request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(self._delay)
        if request.method == "POST":
            return self._list_public_keys()
        bucket, _, key = request.path.lstrip("/").partition("/")
        if bucket != BUCKET:
            return _xml("<Error><Code>NoSuchBucket</Code></Error>", 404)
        if "location" in request.query:
            return _xml("<LocationConstraint/>")
        if not key:
            return self._list(request)
        if key == self.fail_on:
            return _xml("<Error><Code>InternalError</Code></Error>", 500)
        self.gets += 1
        if key not in self.objects:
            return _xml("<Error><Code>NoSuchKey</Code></Error>", 404)
        body, metadata = self.objects[key]
        headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        headers |= {"ETag": _etag(body), "Last-Modified": "Mon, 01 Jun 2026 00:00:00 GMT"}
        return web.Response(body=body, headers=headers)

    def _list(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        after = query.get("continuation-token") or query.get("start-after") or query.get("marker") or ""
        keys = [key for key in sorted(self.objects) if key.startswith(query.get("prefix", "")) and key > after]
        page, is_cut = keys[:_PAGE], len(keys) > _PAGE
        following = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if is_cut else ""
        cut = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        return _xml(f"<ListBucketResult>{cut}{following}{''.join(map(self._line, page))}</ListBucketResult>")

    def _line(self, key: str) -> str:
        body, _ = self.objects[key]
        modified_at = (log_file_stamp(key) or START_TIME) + timedelta(seconds=1)
        return (
            f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size><ETag>{_etag(body)}</ETag>"
            f"<LastModified>{modified_at:%Y-%m-%dT%H:%M:%S}.000Z</LastModified></Contents>"
        )

    def _list_public_keys(self) -> web.Response:
        keys = [
            {
                "Value": base64.b64encode(key.der).decode(),
                "Fingerprint": key.fingerprint,
                "ValidityStartTime": key.valid_from.timestamp(),
                "ValidityEndTime": key.valid_until.timestamp(),
            }
            for key in self.keys
        ]
        body = orjson.dumps({"PublicKeyList": keys})
        return web.Response(body=body, content_type="application/x-amz-json-1.1")


def _etag(body: bytes) -> str:
    return f'"{hashlib.md5(body).hexdigest()}"'


def _xml(text: str, status: int = 200) -> web.Response:
    return web.Response(text=f'<?xml version="1.0"?>{text}', content_type="application/xml", status=status)


@asynccontextmanager
async def serving(server: ObjectServer) -> AsyncIterator[str]:
    """Serve on a free loopback port; yields the URL."""
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
