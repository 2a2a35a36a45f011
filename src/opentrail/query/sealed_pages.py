"""Pages of query results as they are kept under a data key: each is bound to its query and its place in the result."""

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from opentrail.envelope import BlobBroken, open_text, seal_text
from opentrail.ports import Unavailable


def seal_page(key: bytes, key_id: bytes, query_id: str, start: int, page: bytes) -> bytes:
    """Return a page as it is kept at ``start``, a byte's place; ``key_id`` is the key's short name."""
    return seal_text(AESGCM(key), key_id, page, _place(query_id, start))


def open_page(key: bytes, query_id: str, start: int, page: bytes) -> bytes:
    """Return a page that was kept under ``key``; as it is, where there is none. Raises Unavailable for one that was
    altered."""
    if not key:
        return page
    try:
        return open_text(AESGCM(key), page, _place(query_id, start))
    except BlobBroken as error:
        raise Unavailable("a page of the result was altered") from error


def _place(query_id: str, start: int) -> bytes:
    return f"{query_id} {start}".encode()
