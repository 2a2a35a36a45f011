"""The store that the validation benchmark reads: a trail's objects in memory behind as much of S3 and ListPublicKeys as
both verifiers use, each answer delayed. ``python -m bench.validate_logs_server DIGESTS FILES EVENTS DELAY_MS`` prints
its port once it listens and serves until its standard input ends."""

import asyncio
import base64
import hashlib
import sys
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from xml.sax.saxutils import escape

import orjson
from aiohttp import web

from bench.validate_logs_trail import ACCOUNT, BUCKET, REGION, START_TIME, TRAIL
from opentrail.adapters.signer.local import LocalSigner
from opentrail.deliver.digest_files import chain_link, close_digest_file, digest_metadata
from opentrail.deliver.log_files import close_log_file, gzip_bytes
from opentrail.digest.document import ChainLink
from opentrail.ports.delivery_log import LogFilePlan
from opentrail.ports.journal import START
from opentrail.ports.signer import PublicKey
from opentrail.resource.account_region import AccountRegion
from opentrail.resource.delivery_layout import log_file_key, name_suffix
from opentrail.sealing import Sealer

HOUR = timedelta(hours=1)
_PAGE = 1000

Objects = dict[str, tuple[bytes, dict[str, str]]]


async def fill(digests: int, files: int, events: int) -> tuple[Objects, list[PublicKey]]:
    """Make the objects of a trail: hourly digests of ``files`` log files of ``events`` events each, one altered."""
    objects: Objects = {}
    with TemporaryDirectory() as folder:
        signer = LocalSigner(Path(folder), Sealer(bytes(32)))
        previous: ChainLink | None = None
        for hour in range(digests):
            start = START_TIME + hour * HOUR
            plans = [_add_file(objects, start + number * HOUR / (files + 1), number, events) for number in range(files)]
            key = await signer.current_key(REGION, start + HOUR)
            span = (start, start + HOUR)
            unsigned = close_digest_file(
                TRAIL, AccountRegion(ACCOUNT, REGION), span, plans, previous, key.fingerprint, is_final=False
            )
            plan = unsigned.signed(await signer.sign(REGION, key.fingerprint, unsigned.text))
            objects[plan.key] = (gzip_bytes(plan.body), digest_metadata(plan))
            previous = chain_link(plan)
        keys = list(await signer.public_keys(REGION, START_TIME, START_TIME + (digests + 1) * HOUR))
    altered = min(key for key in objects if "/CloudTrail/" in key)
    objects[altered] = (close_log_file([b'{"eventName":"SomethingElse"}']).body, {})
    return objects, keys


def _add_file(objects: Objects, stamp: datetime, number: int, events: int) -> LogFilePlan:
    records = [
        orjson.dumps(
            {
                "eventVersion": "1.11",
                "eventTime": stamp.isoformat(),
                "eventID": hashlib.md5(f"{stamp}{event}".encode()).hexdigest(),
                "requestParameters": {"bucketName": f"bucket-{event}", "key": "k" * (event % 300)},
                "userAgent": "aws-cli/2.0 md/Botocore" + "x" * 300,
            }
        )
        for event in range(events)
    ]
    file = close_log_file(records)
    suffix = name_suffix("bench", TRAIL.arn, REGION, f"{stamp}{number}")
    key = log_file_key("", ACCOUNT, REGION, stamp, suffix)
    objects[key] = (file.body, {})
    when = stamp.strftime("%Y-%m-%dT%H:%M:%SZ")
    return LogFilePlan(
        TRAIL.arn,
        REGION,
        ACCOUNT,
        BUCKET,
        key,
        START,
        START,
        stamp,
        file.sha256,
        events,
        when,
        when,
        b"",
        None,
        file.tree_hash,
    )


class Store:
    """Answers one request at a time per connection, each after ``delay``."""

    def __init__(self, objects: Objects, keys: list[PublicKey], delay: float) -> None:
        self._objects = objects
        self._sorted = sorted(objects)
        self._keys = keys
        self._delay = delay

    async def handle(self, request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(self._delay)
        if request.method == "POST":
            return self._list_public_keys()
        bucket, _, key = request.path.lstrip("/").partition("/")
        if bucket != BUCKET:
            return web.Response(status=404, text="<Error><Code>NoSuchBucket</Code></Error>")
        if "location" in request.query:
            return _xml("<LocationConstraint/>")
        if not key:
            return self._list(request)
        if key not in self._objects:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        body, metadata = self._objects[key]
        headers = {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        headers |= {"ETag": '"etag"', "Last-Modified": "Mon, 01 Jun 2026 00:00:00 GMT"}
        return web.Response(body=body, headers=headers)

    def _list(self, request: web.BaseRequest) -> web.Response:
        query = request.query
        after = query.get("continuation-token") or query.get("start-after") or query.get("marker") or ""
        keys = [key for key in self._sorted if key.startswith(query.get("prefix", "")) and key > after]
        page, is_cut = keys[:_PAGE], len(keys) > _PAGE
        contents = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(self._objects[key][0])}</Size><ETag>etag</ETag>"
            "<LastModified>2026-06-01T00:00:00.000Z</LastModified></Contents>"
            for key in page
        )
        following = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if is_cut else ""
        cut = f"<IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        return _xml(f"<ListBucketResult>{cut}{following}{contents}</ListBucketResult>")

    def _list_public_keys(self) -> web.Response:
        keys = [
            {
                "Value": base64.b64encode(key.der).decode(),
                "Fingerprint": key.fingerprint,
                "ValidityStartTime": key.valid_from.timestamp(),
                "ValidityEndTime": key.valid_until.timestamp(),
            }
            for key in self._keys
        ]
        body = orjson.dumps({"PublicKeyList": keys})
        return web.Response(body=body, content_type="application/x-amz-json-1.1")


def _xml(text: str) -> web.Response:
    return web.Response(text=f'<?xml version="1.0"?>{text}', content_type="application/xml")


async def main(digests: int, files: int, events: int, delay_ms: float) -> None:
    store = Store(*await fill(digests, files, events), delay_ms / 1000)
    runner = web.ServerRunner(web.Server(store.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:5])))
