"""S3's own chunks (``aws-chunked``): a body in pieces, each with its signature or none, and trailers behind them.

    400;chunk-signature=<64 hex>   (no signature in STREAMING-UNSIGNED-PAYLOAD-TRAILER)
    <0x400 bytes>
    0;chunk-signature=<64 hex>
    x-amz-checksum-crc32c:<base64>       (the -TRAILER kinds)
    x-amz-trailer-signature:<64 hex>

Lines end with CR LF. Chunk signatures are not checked: the call's own signature, which is, says who makes it; what was
stored the upstream decides.
"""

import re

from opentrail.http_message import HttpRequest
from opentrail.protocol.bounds import MalformedValue

MAX_CHUNKS = 100_000
"""Chunks of one held body. Clients send 8 KiB or more in each but the last; a held body has 128 of those."""

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]{0,8};[^\r\n]{0,512})?\r\n")


def is_aws_chunked(request: HttpRequest) -> bool:
    """Say whether the body is in S3's chunks, by its encoding or by the payload hash that announces them."""
    encodings = request.headers.get("content-encoding").lower().split(",")
    streaming = request.headers.get("x-amz-content-sha256").startswith("STREAMING-")
    return streaming or any(encoding.strip() == "aws-chunked" for encoding in encodings)


def join_chunks(body: bytes) -> bytes:
    """Return what the chunks of ``body`` hold; trailers are left out. Raises MalformedValue."""
    pieces: list[bytes] = []
    position = 0
    for _ in range(MAX_CHUNKS):
        line = _SIZE_LINE.match(body, position)
        if line is None:
            raise MalformedValue("A chunk of the request body is malformed.")
        size, start = int(line.group(1), 16), line.end()
        if size == 0:
            return b"".join(pieces)
        end = start + size
        if body[end : end + 2] != b"\r\n":
            raise MalformedValue("A chunk of the request body is cut off.")
        pieces.append(body[start:end])
        position = end + 2
    raise MalformedValue("The request body has too many chunks.")
