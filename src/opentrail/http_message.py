"""HTTP requests and responses as values, as codec, gateway and API hand them to each other.

Header names keep the case they came in; look-ups ignore case. ``target`` is the request target exactly as it stood on
the request line (raw path and query), because signatures are computed over it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import parse_qsl

HeaderList = tuple[tuple[str, str], ...]

BODY_LIMIT_BYTES = 1024 * 1024
"""Bodies up to this size are held, parsed and redacted; of longer ones, and of object data, only the length is kept."""


class Headers:
    """A header list with case-insensitive look-up of the first value of each name (``first``: by lower-case name)."""

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


@dataclass(frozen=True)
class HttpRequest:
    """One request as it arrived.

    ``body`` is None when it was not held (streamed, or over BODY_LIMIT_BYTES); ``body_size_bytes`` is what was received
    or announced. ``peer`` is the caller's IP address after ``trusted_proxies`` were taken into account.
    """

    method: str
    target: str
    header_list: HeaderList
    body: bytes | None
    peer: str
    body_size_bytes: int = 0
    is_tls: bool = False

    @cached_property
    def headers(self) -> Headers:
        return Headers(self.header_list)

    @cached_property
    def path(self) -> str:
        """The raw path, still percent-encoded."""
        return self.target.split("?", 1)[0]

    @cached_property
    def raw_query(self) -> str:
        """The raw query string without its question mark; empty when there is none."""
        _, _, query = self.target.partition("?")
        return query

    @cached_property
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded query parameters in order, blank values kept."""
        return tuple(parse_qsl(self.raw_query, keep_blank_values=True, max_num_fields=10_000))

    @property
    def host(self) -> str:
        return self.headers.get("host")


@dataclass(frozen=True)
class HttpResponse:
    """One response. ``body`` is None when it was not held; ``body_size_bytes`` is what was sent."""

    status: int
    header_list: HeaderList
    body: bytes | None
    body_size_bytes: int = 0

    @cached_property
    def headers(self) -> Headers:
        return Headers(self.header_list)
