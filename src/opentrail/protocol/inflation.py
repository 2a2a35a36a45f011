"""Bodies that are gzip on the wire only, inflated within a bound."""

import zlib

from opentrail.http_message import HttpRequest
from opentrail.protocol.bounds import MAX_INFLATED_BYTES, MalformedValue


def is_gzip(request: HttpRequest) -> bool:
    """Say whether the last coding of the body is gzip."""
    return request.headers.get("content-encoding").replace(" ", "").lower().split(",")[-1] == "gzip"


def inflate(body: bytes) -> bytes:
    """Return what a gzip body holds. Raises MalformedValue for what is none, is cut off or is too large."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        content = inflater.decompress(body, MAX_INFLATED_BYTES)
    except zlib.error as error:
        raise MalformedValue("The request body is not gzip, as its Content-Encoding says.") from error
    if not inflater.eof:
        raise MalformedValue("The compressed request body is cut off or too large.")
    return content
