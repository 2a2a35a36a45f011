"""Which store a bucket's name leads to."""

import pytest

from opentrail.adapters.object_store.buckets import Buckets
from opentrail.ports.object_store import BucketNotFound
from tests.builders import an_archive
from tests.memory.archives import InMemoryArchives
from tests.memory.object_store import InMemoryObjectStore


def test_an_archive_comes_before_the_upstreams_bucket_of_that_name() -> None:
    archives = InMemoryArchives(an_archive("logs"))
    remote = InMemoryObjectStore("remote")
    buckets = Buckets(archives, lambda name: remote)

    assert buckets.bucket("logs") is archives.stores["logs"]
    assert buckets.bucket("other") is remote


async def test_without_an_upstream_every_other_bucket_is_missing() -> None:
    missing = Buckets(InMemoryArchives()).bucket("other")

    with pytest.raises(BucketNotFound):
        await missing.get("k")
    with pytest.raises(BucketNotFound):
        await missing.put_if_absent("k", b"", content_type="")
    with pytest.raises(BucketNotFound):
        await missing.check_delivery("k", "arn")
    with pytest.raises(BucketNotFound):
        _ = [item async for item in missing.list("")]
