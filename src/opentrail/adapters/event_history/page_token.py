"""Page tokens: the place of the last event that was handed out, bound to the query it belongs to.

A token says where to go on, so events that arrive meanwhile neither repeat nor hide others. Its first 16 bytes are a
hash over query and place; a token of another query, or none of ours, does not fit it. It grants nothing: a forged one
could only begin elsewhere in the caller's own query.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import blake2b

from opentrail.adapters.event_history.rows import Place
from opentrail.ports.event_history import InvalidPageToken, LookupQuery

_BINDING_BYTES = 16
_time = struct.Struct("<q")


def format_token(query: LookupQuery, last: Place) -> str:
    """Return the token for what comes after ``last``."""
    place = _time.pack(last.negative_time) + last.event_id.encode()
    return urlsafe_b64encode(_binding(query, place) + place).decode()


def parse_token(query: LookupQuery) -> Place:
    """Return the place of the last event handed out; raises InvalidPageToken."""
    try:
        token = urlsafe_b64decode(query.page_token.encode("ascii"))
        binding, place = token[:_BINDING_BYTES], token[_BINDING_BYTES:]
        if binding != _binding(query, place):
            raise InvalidPageToken("the page token belongs to another query")
        return Place(_time.unpack_from(place)[0], place[_time.size :].decode())
    except (ValueError, struct.error) as error:
        raise InvalidPageToken("the page token is garbage") from error


def _binding(query: LookupQuery, place: bytes) -> bytes:
    times = [None if time is None else time.timestamp() for time in (query.start_time, query.end_time)]
    bound = repr((query.account_id, query.region, sorted(query.attributes), times)).encode(errors="surrogatepass")
    return blake2b(bound + b"\0" + place, person=b"opentrail.page", digest_size=_BINDING_BYTES).digest()
