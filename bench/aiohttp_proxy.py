"""The other side of bench.gateway: the plainest forwarding proxy that aiohttp on uvloop makes, recording nothing.

``python -m bench.aiohttp_proxy UPSTREAM_URL PORT``
"""

import asyncio
import logging
import signal
import sys

import uvloop
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from yarl import URL

_SKIPPED = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


async def main(upstream_url: str, port: int) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    async with ClientSession(
        connector=TCPConnector(limit=0), cookie_jar=DummyCookieJar(), auto_decompress=False, skip_auto_headers=_SKIPPED
    ) as session:

        async def forward(request: web.BaseRequest) -> web.StreamResponse:
            url = URL(upstream_url + request.raw_path, encoded=True)
            data = request.content if request.can_read_body else None
            async with session.request(
                request.method, url, headers=request.headers, data=data, allow_redirects=False
            ) as answer:
                response = web.StreamResponse(status=answer.status, headers=answer.headers)
                await response.prepare(request)
                async for piece in answer.content.iter_any():
                    await response.write(piece)
                await response.write_eof()
                return response

        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        await ended.wait()
        await runner.cleanup()


if __name__ == "__main__":
    logging.disable()  # wrk leaves in the middle of its last requests
    uvloop.run(main(sys.argv[1], int(sys.argv[2])))
