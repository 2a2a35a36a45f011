"""A bucket whose objects vanish, may not be read, are cut short, or whose listing ends midway, as the source of an
import: what cannot be had is named, and all the rest is brought."""

import gzip
from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from opentrail.adapters.object_store import s3_client
from opentrail.adapters.object_store.s3 import S3Buckets, S3Endpoint
from opentrail.imports.bucket_source import BucketSource
from opentrail.imports.selection import KeySelection
from opentrail.pipeline import import_job
from opentrail.resource.lake_import import ImportStatus
from tests.support.scripted_s3 import S3Request, error, reply, scripted_s3
from tests.unit.pipeline.test_imports import Scene, log_file

MODIFIED = "Last-Modified: Mon, 01 Jun 2026 00:00:00 GMT"
NAMES = [f"a/{number}.json.gz" for number in range(8)]
PAGE = 3
Answer = Callable[[int], bytes]
"""What an object is answered with, by how often it was asked for."""


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "ATTEMPTS", 1)
    monkeypatch.setattr(import_job, "RETRY_SECONDS", (0.0, 0.0))


def body_of(name: str) -> bytes:
    return gzip.compress(log_file(NAMES.index(name)), mtime=0)


def whole(body: bytes, length: int | None = None) -> bytes:
    return reply(200, body, 'ETag: "x"', MODIFIED, length=length)


class Bucket:
    """Eight log files, listed three at a time. ``odd`` answers for some of them; listings behind the keys of ``cuts``
    fail so often."""

    def __init__(self, odd: dict[str, Answer], cuts: dict[str, int]) -> None:
        self._odd = odd
        self._cuts = cuts
        self._asked: dict[str, int] = {}

    def give(self, request: S3Request) -> bytes:
        url = urlsplit(request.target)
        name = url.path.removeprefix("/logs").removeprefix("/")
        if not name:
            query = {key: values[0] for key, values in parse_qs(url.query).items()}
            return self._listed(query.get("continuation-token", query.get("start-after", "")))
        self._asked[name] = self._asked.get(name, 0) + 1
        answer = self._odd.get(name)
        return answer(self._asked[name]) if answer is not None else whole(body_of(name))

    def _listed(self, after: str) -> bytes:
        if self._cuts.get(after, 0):
            self._cuts[after] -= 1
            return error(500, "InternalError")
        page = [name for name in NAMES if name > after][:PAGE]
        is_cut = page[-1:] != NAMES[-1:] and bool(page)
        listed = "".join(
            f"<Contents><Key>{name}</Key><Size>{len(body_of(name))}</Size><ETag>x</ETag>"
            "<LastModified>2026-06-01T00:00:00.000Z</LastModified></Contents>"
            for name in page
        )
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if is_cut else ""
        head = f"<Name>logs</Name><KeyCount>{len(page)}</KeyCount><IsTruncated>{str(is_cut).lower()}</IsTruncated>"
        text = f'<?xml version="1.0"?><ListBucketResult>{head}{token}{listed}</ListBucketResult>'
        return reply(200, text.encode(), "Content-Type: application/xml")


async def imported(bucket: Bucket) -> tuple[Scene, ImportStatus, list[tuple[str, str]]]:
    scene = await Scene({}).ready()
    async with scripted_s3(bucket.give) as server:
        store = S3Buckets(S3Endpoint(server.url, "us-east-1", "testing", "testing")).bucket("logs")
        scene.source = BucketSource(store, "", KeySelection())
        done = await scene.run()
    failures = [(one.location, one.error_type) for one in await scene.failures(done)]
    return scene, done.status, sorted(failures)


def ids_but(*numbers: int) -> list[str]:
    return [f"id-{number}" for number in range(len(NAMES)) if number not in numbers]


async def test_objects_that_cannot_be_had_are_named_and_the_rest_is_brought() -> None:
    odd: dict[str, Answer] = {
        NAMES[1]: lambda _: error(403, "AccessDenied"),
        NAMES[3]: lambda _: error(404, "NoSuchKey"),
        NAMES[4]: lambda _: error(403, "InvalidObjectState"),
        NAMES[6]: lambda _: whole(body_of(NAMES[6])[:-12]),
    }

    scene, status, failures = await imported(Bucket(odd, {}))

    assert status is ImportStatus.FAILED
    assert scene.ids == ids_but(1, 3, 4, 6)
    assert failures == [
        (f"s3://logs/{NAMES[1]}", "AccessDenied"),
        (f"s3://logs/{NAMES[3]}", "NoSuchKey"),
        (f"s3://logs/{NAMES[4]}", "InvalidObjectState"),
        (f"s3://logs/{NAMES[6]}", "CorruptObject"),
    ]


async def test_a_body_that_is_cut_on_the_way_is_asked_for_again() -> None:
    name = NAMES[2]

    def cut_once(times: int) -> bytes:
        return whole(body_of(name)[:20], len(body_of(name))) if times == 1 else whole(body_of(name))

    scene, status, failures = await imported(Bucket({name: cut_once}, {}))

    assert (status, scene.ids, failures) == (ImportStatus.COMPLETED, ids_but(), [])


async def test_a_listing_that_ends_midway_goes_on_behind_what_it_had() -> None:
    scene, status, failures = await imported(Bucket({}, {NAMES[2]: 2}))

    assert (status, scene.ids, failures) == (ImportStatus.COMPLETED, ids_but(), [])


async def test_a_listing_that_never_goes_on_fails_the_import_rather_than_ending_it() -> None:
    _, status, _ = await imported(Bucket({}, {NAMES[5]: 1_000}))

    assert status is ImportStatus.FAILED
