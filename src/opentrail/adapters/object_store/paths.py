"""S3 keys as file paths and back, one to one, for the local archive.

A key's parts between slashes become folders and, last, a file, so that real CloudTrail keys keep their own names on
disk. The rest of the key space is made safe and unambiguous by five rules:

- letters, digits and ``-_.=+@,~!() '`` stand for themselves, every other byte is ``%XX`` (upper-case hex);
- a folder's name never holds a dot (``%2E``), and a file's name holds one or ends in ``%``, so the key ``a`` (file
  ``a%``) and the key ``a/b`` (folder ``a``) live side by side, and ``..`` leads nowhere;
- a dot that would begin a name is ``%2E`` too;
- an empty part is ``%``: the key ``logs/`` is the file ``%`` in the folder ``logs``, ``a//b`` has a folder ``%``;
- a part that is longer than PIECE_LIMIT once encoded is cut: every piece but the last is a folder ending in ``%+``.

No escape has another shape, so ``%meta`` at the end of a name is free for the object's sidecar.
"""

import re
from collections.abc import Iterator

KEY_LIMIT_BYTES = 1024
"""S3's bound on a key."""

PIECE_LIMIT = 240
"""Longest piece of a file name, so that it and its ending stay below the 255 bytes of common file systems."""

SIDECAR_ENDING = "%meta"
_CONTINUED = "%+"
_LEAF = "%"
_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+@,~!()' ")
_LEADING_DOT = "%2E"
_HEX_DIGITS = 2
_HEX_PAIR = re.compile("[0-9A-F]{2}")


class NotAKeyPath(ValueError):
    """No key is stored under such a name."""


def check_key(key: str) -> None:
    """Raise ValueError unless ``key`` is 1 to 1,024 bytes of UTF-8."""
    size = len(key.encode())  # raises UnicodeEncodeError, a ValueError, for lone surrogates
    if not 0 < size <= KEY_LIMIT_BYTES:
        raise ValueError(f"a key has 1 to {KEY_LIMIT_BYTES} bytes, not {size}")


def key_to_path(key: str) -> str:
    """Return the relative path of ``key``, slashes between folders."""
    check_key(key)
    *folders, leaf = key.split("/")
    names = [name for folder in folders for name in _folder_names(folder)]
    pieces = list(_pieces(_encode(leaf, escape_dots=False)))
    names += [piece + _CONTINUED for piece in pieces[:-1]]
    last = pieces[-1]
    names.append(last if "." in last else last + _LEAF)
    return "/".join(names)


def folder_to_key_part(name: str) -> bytes:
    """Return what a folder's name adds to the keys below it; raises NotAKeyPath."""
    if name.endswith(_CONTINUED):
        return _decode(name.removesuffix(_CONTINUED))
    if "." in name:
        raise NotAKeyPath(name)
    return (b"" if name == _LEAF else _decode(name)) + b"/"


def file_to_key_part(name: str) -> bytes:
    """Return what a file's name adds to the key; raises NotAKeyPath for sidecars and strangers."""
    if name.endswith(_LEAF):
        stem = name.removesuffix(_LEAF)
        if "." in stem:
            raise NotAKeyPath(name)
        return _decode(stem)
    if "." not in name:
        raise NotAKeyPath(name)
    return _decode(name)


def _folder_names(part: str) -> Iterator[str]:
    pieces = list(_pieces(_encode(part, escape_dots=True)))
    yield from (piece + _CONTINUED for piece in pieces[:-1])
    yield pieces[-1] or _LEAF


def _encode(part: str, *, escape_dots: bool) -> list[str]:
    plain = _PLAIN - {ord(".")} if escape_dots else _PLAIN
    return [chr(byte) if byte in plain else f"%{byte:02X}" for byte in part.encode()]


def _pieces(units: list[str]) -> Iterator[str]:
    piece = ""
    for unit in units:
        if len(piece) + len(unit) > PIECE_LIMIT:
            yield piece
            piece = ""
        piece += _LEADING_DOT if not piece and unit == "." else unit
    yield piece


def _decode(text: str) -> bytes:
    first, *escaped = text.split("%")
    raw = bytearray(first.encode())
    for part in escaped:
        digits = part[:_HEX_DIGITS]
        if _HEX_PAIR.fullmatch(digits) is None:
            raise NotAKeyPath(text)
        raw.append(int(digits, 16))
        raw += part[_HEX_DIGITS:].encode()
    return bytes(raw)
