"""Values as CBOR (RFC 8949), as far as Smithy's RPC v2 uses it: bytes -> plain values, and parameters -> bytes.

Reading gives the values that JSON would, with byte strings as bytes; ``json_values.read_json`` then picks by shape.
Tags are dropped: a tagged timestamp is its number of epoch seconds. Every length is checked against what is left.
"""

import struct
from typing import Any

from botocore.model import Shape

from opentrail.protocol.bounds import MAX_CBOR_ITEMS, MalformedValue, check_depth
from opentrail.protocol.timestamps import format_timestamp

_UINT, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = range(8)
_INDEFINITE = 31
_BREAK = object()
_SIMPLE_VALUES = {20: False, 21: True, 22: None, 23: None}
_FLOATS = {25: (">e", 2), 26: (">f", 4), 27: (">d", 8)}
_LENGTHS = {24: 1, 25: 2, 26: 4, 27: 8}
_TIMESTAMP_TAG = b"\xc1"


def parse_cbor(body: bytes) -> Any:
    """Return the one data item in ``body``. Raises MalformedValue."""
    reader = _Reader(body)
    value = reader.item(0)
    if value is _BREAK or reader.position != len(body):
        raise MalformedValue("The request body is not valid CBOR.")
    return value


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._count = 0
        self.position = 0

    def item(self, depth: int) -> Any:
        check_depth(depth)
        self._count += 1
        if self._count > MAX_CBOR_ITEMS:
            raise MalformedValue("The request body has too many items.")
        initial = self._take(1)[0]
        major, info = initial >> 5, initial & 31
        if major == _SIMPLE:
            return self._simple(info)
        if info == _INDEFINITE:
            return self._indefinite(major, depth)
        argument = self._argument(info)
        if major == _UINT:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self._take(argument)
        if major == _TEXT:
            return self._text(self._take(argument))
        if major == _TAG:
            return self._value(depth + 1)
        # Each item takes a byte at least, so that no announced length makes us reserve what was not sent.
        if argument > len(self._body) - self.position:
            raise MalformedValue("The request body is not valid CBOR.")
        if major == _ARRAY:
            return [self._value(depth + 1) for _ in range(argument)]
        return dict(self._pair(depth) for _ in range(argument))

    def _value(self, depth: int) -> Any:
        value = self.item(depth)
        if value is _BREAK:
            raise MalformedValue("The request body is not valid CBOR.")
        return value

    def _pair(self, depth: int) -> tuple[str, Any]:
        key = self._value(depth + 1)
        if not isinstance(key, str):
            raise MalformedValue("A map key is not text.")
        return key, self._value(depth + 1)

    def _indefinite(self, major: int, depth: int) -> Any:
        if major in (_BYTES, _TEXT):
            kind = bytes if major == _BYTES else str
            chunks = self._until_break(depth)
            if not all(isinstance(chunk, kind) for chunk in chunks):
                raise MalformedValue("The request body is not valid CBOR.")
            return kind().join(chunks)
        if major == _ARRAY:
            return self._until_break(depth)
        if major == _MAP:
            items = self._until_break(depth)
            keys = items[::2]
            if len(items) % 2 or not all(isinstance(key, str) for key in keys):
                raise MalformedValue("The request body is not valid CBOR.")
            return dict(zip(keys, items[1::2], strict=True))
        raise MalformedValue("The request body is not valid CBOR.")

    def _until_break(self, depth: int) -> list[Any]:
        items = []
        while (value := self.item(depth + 1)) is not _BREAK:
            items.append(value)
        return items

    def _simple(self, info: int) -> Any:
        if info == _INDEFINITE:
            return _BREAK
        if info in _SIMPLE_VALUES:
            return _SIMPLE_VALUES[info]
        if info in _FLOATS:
            layout, size = _FLOATS[info]
            return struct.unpack(layout, self._take(size))[0]
        raise MalformedValue("The request body is not valid CBOR.")

    def _argument(self, info: int) -> int:
        if info < 24:
            return info
        if info not in _LENGTHS:
            raise MalformedValue("The request body is not valid CBOR.")
        return int.from_bytes(self._take(_LENGTHS[info]), "big")

    def _take(self, size: int) -> bytes:
        end = self.position + size
        if end > len(self._body):
            raise MalformedValue("The request body is cut off.")
        chunk = self._body[self.position : end]
        self.position = end
        return chunk

    def _text(self, content: bytes) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError as error:
            raise MalformedValue("A text is not UTF-8.") from error


def write_cbor(shape: Shape | None, value: Any) -> bytes:
    """Return ``value`` as CBOR: by ``shape``, or by its own type where there is none (an error's members)."""
    parts: list[bytes] = []
    _write(parts, shape, value)
    return b"".join(parts)


def _write(parts: list[bytes], shape: Shape | None, value: Any) -> None:
    kind = shape.type_name if shape is not None else ""
    if value is None:
        parts.append(b"\xf6")
    elif kind == "structure" or (not kind and isinstance(value, dict)):
        members = shape.members if shape is not None else dict.fromkeys(value)
        known = {name: item for name, item in value.items() if name in members and item is not None}
        parts.append(_head(_MAP, len(known)))
        for name, item in known.items():
            _write(parts, None, name)
            _write(parts, members[name], item)
    elif kind == "map":
        parts.append(_head(_MAP, len(value)))
        for key, item in value.items():
            _write(parts, None, str(key))
            _write(parts, shape.value if shape is not None else None, item)
    elif isinstance(value, list | tuple):
        parts.append(_head(_ARRAY, len(value)))
        for item in value:
            _write(parts, shape.member if shape is not None else None, item)
    elif kind == "timestamp":
        parts.append(_TIMESTAMP_TAG + _scalar(format_timestamp(value, "unixTimestamp")))
    elif kind == "blob" and isinstance(value, str):
        parts.append(_scalar(value.encode()))
    elif kind in ("float", "double"):
        parts.append(_scalar(float(value)))
    else:
        parts.append(_scalar(value))


def _scalar(value: Any) -> bytes:
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        return _head(_UINT, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    content = str(value).encode("utf-8", "replace")
    return _head(_TEXT, len(content)) + content


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, size in _LENGTHS.items():
        if argument < 1 << (8 * size):
            return bytes([major << 5 | info]) + argument.to_bytes(size, "big")
    raise ValueError("an integer of more than 64 bits has no form in CBOR")
