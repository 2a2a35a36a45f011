"""Single-event proofs: what the tree costs when a file is closed, how large a proof is, how long it takes.

``python -m bench.proof [--events N ...]``. For each size of log file: closing it with the tree against without it (the
same bytes must come out), the size of a proof, making it from file and digest, and checking it. The digest lists 12
files, an hour's. Both sides of the first figure in one process, turn about, medians.
"""

import argparse
import asyncio
import gzip
import hashlib
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import orjson

from opentrail.deliver.log_files import close_log_file, gzip_bytes
from opentrail.digest.document import EVENT_TREE
from opentrail.digest.key_file import TrustedKey
from opentrail.digest.merkle import tree_hash
from opentrail.digest.proof import check_proof, make_proof, parse_proof
from opentrail.digest.verification import digest_of
from tests.support.delivered_trail import BUCKET, DeliveredTrail

FILES = 12
ROUNDS = 7


def an_event(number: int) -> bytes:
    """An event of some 1,100 bytes, as a call of S3 leaves it."""
    return orjson.dumps(
        {
            "eventVersion": "1.11",
            "userIdentity": {
                "type": "AssumedRole",
                "principalId": "AROAEXAMPLE:session",
                "arn": "arn:aws:sts::123456789012:assumed-role/deploy/session",
                "accountId": "123456789012",
            },
            "eventTime": "2026-06-01T00:00:00Z",
            "eventSource": "s3.amazonaws.com",
            "eventName": "PutBucketPolicy",
            "awsRegion": "us-east-1",
            "userAgent": "aws-cli/2.0 " + "x" * 200,
            "requestParameters": {"bucketName": f"bucket-{number}", "policy": "p" * 300},
            "eventID": hashlib.md5(str(number).encode()).hexdigest(),
            "recipientAccountId": "123456789012",
        }
    )


def median_ms(work: Callable[[], object]) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000


def without_tree(events: list[bytes]) -> tuple[bytes, str]:
    """What closing a file was before it had a tree."""
    raw = b'{"Records":[' + b",".join(events) + b"]}"
    return gzip_bytes(raw), hashlib.sha256(raw).hexdigest()


async def measure(count: int) -> None:
    """Print one size of file."""
    events = [an_event(number) for number in range(count)]
    file = close_log_file(events)
    assert (file.body, file.sha256) == without_tree(events)
    plain, whole, tree = (
        median_ms(lambda: without_tree(events)),
        median_ms(lambda: close_log_file(events)),
        median_ms(lambda: tree_hash(events)),
    )
    trail = await DeliveredTrail().deliver(1, FILES, 1)
    members = trail.members(trail.digests[0])
    listed = members["logFiles"][3]
    listed["hashValue"] = file.sha256
    listed[EVENT_TREE] |= {"eventCount": count, "rootHash": file.tree_hash}
    await trail.put_digest(members)
    body, metadata = trail.objects[trail.digests[0]]
    digest = digest_of(gzip.decompress(body), metadata["signature"])
    raw = gzip.decompress(file.body)
    wanted = events[count // 2]

    def make() -> bytes:
        proof = make_proof(digest, BUCKET, listed["s3Object"], raw, lambda event: event == wanted)
        assert proof is not None
        return proof.to_json()

    keys = [TrustedKey(key.der, key.fingerprint, key.valid_from, key.valid_until) for key in await trail.keys()]
    data = make()
    assert check_proof(parse_proof(data), keys).event_count == count
    empty = len(replace(parse_proof(data), event=b"", digest=b"").to_json())
    print(f"{count} events, {len(raw):,} bytes")
    print(f"  closing: without tree {plain:.2f} ms, with {whole:.2f} ms: {whole / plain:.3f}x; the tree {tree:.2f} ms")
    sizes = f"event {len(wanted):,}, digest {len(digest.raw):,}, path and names {empty:,}"
    print(f"  proof: {len(data):,} bytes ({sizes}), {len(gzip.compress(data)):,} compressed")
    print(f"  make {median_ms(make):.2f} ms, check {median_ms(lambda: check_proof(parse_proof(data), keys)):.2f} ms")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, nargs="*", default=[10, 100, 1_000, 10_000, 40_000])
    for count in parser.parse_args().events:
        asyncio.run(measure(count))


if __name__ == "__main__":
    main()
