"""HTTP requests and responses as values, as codec, gateway and API hand them to each other.

Header names keep the case they came in; look-ups ignore case. ``target`` is the request target exactly as it stood on
the request line (raw path and query), because signatures are computed over it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar, overload
from urllib.parse import parse_qsl

_Value = TypeVar("_Value")

HeaderList = tuple[tuple[str, str], ...]

BODY_LIMIT_BYTES = 1024 * 1024
"""Bodies up to this size are held, parsed and redacted; of longer ones, and of object data, only the length is kept."""


class _Once(Generic[_Value]):
    """A property that is worked out when it is first asked for. Unlike functools.cached_property it takes no lock,
    which cost more than most of what is worked out here; two threads at a time may both do the work."""

    def __init__(self, work: Callable[[Any], _Value]) -> None:
        self._work = work
        self._name = work.__name__
        self.__doc__ = work.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> _Value: ...

    def __get__(self, instance: object | None, owner: type) -> "Self | _Value":
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._work(instance)
        return value


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


@dataclass(frozen=True)
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

    @classmethod
    def received(
        cls,
        method: str,
        target: str,
        headers: Headers,
        body: bytes | None,
        peer: str,
        body_size_bytes: int,
        is_tls: bool,
    ) -> Self:
        """Return a request whose headers were looked through already."""
        request = object.__new__(cls)
        request.__dict__.update(
            method=method,
            target=target,
            header_list=headers.items,
            body=body,
            peer=peer,
            body_size_bytes=body_size_bytes,
            is_tls=is_tls,
            headers=headers,
        )
        return request

    def with_body(self, body: bytes | None, body_size_bytes: int) -> Self:
        """Return this request with another body, and all that was worked out of its head."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__, body=body, body_size_bytes=body_size_bytes)
        return other

    @_Once
    def headers(self) -> Headers:
        return Headers(self.header_list)

    @_Once
    def path(self) -> str:
        """The raw path, still percent-encoded."""
        return self.target.split("?", 1)[0]

    @_Once
    def raw_query(self) -> str:
        """The raw query string without its question mark; empty when there is none."""
        _, _, query = self.target.partition("?")
        return query

    @_Once
    def query(self) -> tuple[tuple[str, str], ...]:
        """The decoded query parameters in order, blank values kept."""
        return tuple(parse_qsl(self.raw_query, keep_blank_values=True, max_num_fields=10_000))

    @property
    def host(self) -> str:
        return self.headers.first.get("host", "")


@dataclass(frozen=True)
class HttpResponse:
    """One response. ``body`` is None when it was not held; ``body_size_bytes`` is what was sent. ``reason`` is a short
    word such as ``upstream-unreachable`` when the gateway answered in the upstream's stead, else empty."""

    status: int
    header_list: HeaderList
    body: bytes | None
    body_size_bytes: int = 0
    reason: str = ""

    @classmethod
    def received(cls, status: int, headers: Headers, body: bytes | None, body_size_bytes: int) -> Self:
        """Return a response whose headers were looked through already."""
        response = object.__new__(cls)
        response.__dict__.update(
            status=status, header_list=headers.items, body=body, body_size_bytes=body_size_bytes, headers=headers
        )
        return response

    @_Once
    def headers(self) -> Headers:
        return Headers(self.header_list)
