"""The store that the validation benchmark reads: a trail's objects in memory behind as much of S3 and ListPublicKeys as
both verifiers use, each answer delayed. ``python -m bench.validate_logs_server DIGESTS FILES EVENTS DELAY_MS`` prints
its URL once it listens and serves until its standard input ends. One log file is altered."""

import asyncio
import sys

from opentrail.deliver.log_files import close_log_file
from tests.support.delivered_trail import DeliveredTrail
from tests.support.object_server import ObjectServer, serving


async def main(digests: int, files: int, events: int, delay_ms: int) -> None:
    trail = await DeliveredTrail().deliver(digests, files, events)
    trail.objects[trail.log_files[0]] = (close_log_file([b'{"eventName":"SomethingElse"}']).body, {})
    async with serving(ObjectServer(trail.objects, await trail.keys(), delay_ms / 1000)) as url:
        print(url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(*(int(argument) for argument in sys.argv[1:5])))
