"""HTTP requests and responses as values, as codec, gateway and API hand them to each other.

Header names keep the case they came in; look-ups ignore case. ``target`` is the request target exactly as it stood on
the request line (raw path and query), because signatures are computed over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

HeaderList = tuple[tuple[str, str], ...]

BODY_LIMIT_BYTES = 1024 * 1024
"""Bodies up to this size are held, parsed and redacted; of longer ones, and of object data, only the length is kept."""


class Headers:
    """A header list with case-insensitive look-up of the first value of each name (``first``: by lower-case name)."""

    __slots__ = ("first", "items")

    def __init__(self, items: HeaderList) -> None:
        self.items = items
        first = {name.lower(): value for name, value in items}
        if len(first) < len(items):
            first = {}
            for name, value in items:
                first.setdefault(name.lower(), value)
        self.first: Mapping[str, str] = first

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of ``name`` (any case), or ``default``."""
        return self.first.get(name.lower(), default)

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.first

    def as_lower_dict(self) -> dict[str, str]:
        """Return a copy of the first values keyed by lower-case name."""
        return dict(self.first)


# Neither of these two is ever changed. They have constructors of their own, and none that dataclasses makes for frozen
# ones, because the gateway makes several of them for every call; a copy with other values is dataclasses.replace's.


@dataclass(init=False, slots=True)
class HttpRequest:
    """One request as it arrived.

    ``body`` is None when it was not held (streamed, or over BODY_LIMIT_BYTES); ``body_size_bytes`` is what was received
    or announced. ``peer`` is the caller's IP address after ``trusted_proxies`` were taken into account. ``form``
    has the fields, by lower-case name, of a form that posts an object to S3; the target then is the object's.
    """

    method: str
    target: str
    header_list: HeaderList
    body: bytes | None
    peer: str
    body_size_bytes: int = 0
    is_tls: bool = False
    form: Mapping[str, str] | None = None
    known_object_path: str | None = field(default=None, init=False, repr=False, compare=False)
    """What ``protocol.paths.object_path`` found, kept here so that it is worked out once."""
    _headers: Headers | None = field(default=None, init=False, repr=False, compare=False)
    _path: str | None = field(default=None, init=False, repr=False, compare=False)
    _raw_query: str | None = field(default=None, init=False, repr=False, compare=False)
    _query: tuple[tuple[str, str], ...] | None = field(default=None, init=False, repr=False, compare=False)

    def __init__(
        self,
        method: str,
        target: str,
        header_list: HeaderList,
        body: bytes | None,
        peer: str,
        body_size_bytes: int = 0,
        is_tls: bool = False,
        form: Mapping[str, str] | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.header_list = header_list
        self.body = body
        self.peer = peer
        self.body_size_bytes = body_size_bytes
        self.is_tls = is_tls
        self.form = form
        self.known_object_path = None
        self._headers = None
        self._path = None
        self._raw_query = None
        self._query = None

    @staticmethod
    def received(
        method: str, target: str, headers: Headers, body: bytes | None, peer: str, body_size_bytes: int, is_tls: bool
    ) -> "HttpRequest":
        """Return a request whose headers were looked through already."""
        request = HttpRequest(method, target, headers.items, body, peer, body_size_bytes, is_tls)
        request._headers = headers
        return request

    def with_body(self, body: bytes | None, body_size_bytes: int) -> "HttpRequest":
        """Return this request with another body, and all that was worked out of its head."""
        other = HttpRequest(
            self.method, self.target, self.header_list, body, self.peer, body_size_bytes, self.is_tls, self.form
        )
        other.known_object_path = self.known_object_path
        other._headers = self._headers
        other._path = self._path
        other._raw_query = self._raw_query
        other._query = self._query
        return other

    @property
    def headers(self) -> Headers:
        found = self._headers
        if found is None:
            found = self._headers = Headers(self.header_list)
        return found

    @property
    def path(self) -> str:
        """The raw path, still percent-encoded."""
        found = self._path
        if found is None:
            found = self._path = self.target.split("?", 1)[0]
        return found

    @property
    def raw_query(self) -> str:
        """The raw query string without its question mark; empty when there is none."""
        found = self._raw_query
        if found is None:
            found = self._raw_query = self.target.partition("?")[2]
        return found

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded query parameters in order, blank values kept."""
        found = self._query
        if found is None:
            found = tuple(parse_qsl(self.raw_query, keep_blank_values=True, max_num_fields=10_000))
            self._query = found
        return found

    @property
    def host(self) -> str:
        return self.headers.first.get("host", "")


@dataclass(init=False, slots=True)
class HttpResponse:
    """One response. ``body`` is None when it was not held; ``body_size_bytes`` is what was sent. ``reason`` is a short
    word such as ``upstream-unreachable`` when the gateway answered in the upstream's stead, else empty."""

    status: int
    header_list: HeaderList
    body: bytes | None
    body_size_bytes: int = 0
    reason: str = ""
    _headers: Headers | None = field(default=None, init=False, repr=False, compare=False)

    def __init__(
        self, status: int, header_list: HeaderList, body: bytes | None, body_size_bytes: int = 0, reason: str = ""
    ) -> None:
        self.status = status
        self.header_list = header_list
        self.body = body
        self.body_size_bytes = body_size_bytes
        self.reason = reason
        self._headers = None

    @staticmethod
    def received(status: int, headers: Headers, body: bytes | None, body_size_bytes: int) -> "HttpResponse":
        """Return a response whose headers were looked through already."""
        response = HttpResponse(status, headers.items, body, body_size_bytes)
        response._headers = headers
        return response

    @property
    def headers(self) -> Headers:
        found = self._headers
        if found is None:
            found = self._headers = Headers(self.header_list)
        return found
