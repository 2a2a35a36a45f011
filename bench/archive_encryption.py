"""What encryption at rest costs a local archive: objects put and read with a key of the ring, and without one.

``python -m bench.archive_encryption [--size BYTES] [--objects N] [--rounds N]``. Both sides put and read the same
incompressible bodies through the same archive code, turn about, onto the disk of the temporary folder (every put is
flushed); both must read back what was put. The key ring is ours, its keys in memory. Printed: medians of wall and CPU
time an object, and the ratio.
"""

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from opentrail.adapters.key_ring.local import LocalKeyRing
from opentrail.adapters.object_store.archives import LocalArchives
from opentrail.adapters.object_store.local import LocalBucket
from opentrail.arn import root_arn
from opentrail.policy.evaluation import RequestPrincipal
from opentrail.ports.key_ring import KeyCaller
from opentrail.resource.archive import Archive
from tests.builders import ACCOUNT, NOON, REGION, HandClock, a_key
from tests.memory.key_store import InMemoryKeyStore

OWNER_POLICY = """{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
"Action": "kms:*", "Resource": "*"}]}"""
OWNER = KeyCaller(RequestPrincipal(ACCOUNT, root_arn(ACCOUNT), is_root=True))
SIDES = ("plain", "encrypted")


async def timed(work: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Return the wall and CPU milliseconds that ``work`` takes."""
    wall, cpu = time.perf_counter(), time.process_time()
    await work()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


async def measure(
    folder: Path, size: int, objects: int, rounds: int
) -> dict[tuple[str, str], list[tuple[float, float]]]:
    """Return the milliseconds of every put and read of each side."""
    keys = InMemoryKeyStore(HandClock())
    key = a_key(policy=OWNER_POLICY)
    await keys.add(key, os.urandom(32))
    archives = LocalArchives(folder, keys=LocalKeyRing(keys))
    archives.create(Archive("logs", REGION, ACCOUNT, NOON))
    store: LocalBucket = archives.store("logs")
    taken: dict[tuple[str, str], list[tuple[float, float]]] = {
        (step, side): [] for step in ("put", "read") for side in SIDES
    }
    for round_number in range(rounds):
        for number in range(objects):
            body = os.urandom(size)
            for side in SIDES:
                name, kms_key = f"{side}/{round_number}-{number}.gz", key.arn if side == "encrypted" else ""
                put = lambda: store.put_if_absent(name, body, content_type="", kms_key_id=kms_key)  # noqa: B023, E731
                taken["put", side].append(await timed(put))
                taken["read", side].append(await timed(lambda: store.read(name, OWNER)))  # noqa: B023
                assert (await store.read(name, OWNER)).body == body
    return taken


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=5_000_000)
    parser.add_argument("--objects", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        taken = asyncio.run(measure(Path(folder), given.size, given.objects, given.rounds))
    print(f"objects of {given.size:,} bytes, medians of {given.objects * given.rounds}, milliseconds an object")
    for step in ("put", "read"):
        plain, sealed = (
            tuple(statistics.median(times) for times in zip(*taken[step, side], strict=True)) for side in SIDES
        )
        for kind, without, with_key in zip(("wall", "CPU"), plain, sealed, strict=True):
            ratio = f"{with_key / without:.2f}x, {with_key - without:+.1f} ms"
            print(f"{step:5} {kind:5} plain {without:7.1f}   encrypted {with_key:7.1f}   {ratio}")


if __name__ == "__main__":
    main()
