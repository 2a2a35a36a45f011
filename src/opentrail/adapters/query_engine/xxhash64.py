"""XXH64 with seed 0, the hash of Parquet's Bloom filters (the xxHash specification, section "XXH64 algorithm")."""

import struct

_ONE = 0x9E3779B185EBCA87
_TWO = 0xC2B2AE3D27D4EB4F
_THREE = 0x165667B19E3779F9
_FOUR = 0x85EBCA77C2B2AE63
_FIVE = 0x27D4EB2F165667C5
_ALL = 0xFFFFFFFFFFFFFFFF
_STRIPE = struct.Struct("<4Q")


def xxhash64(content: bytes) -> int:
    """Return the hash of some bytes, a number of 64 bits."""
    state, at = _stripes(content)
    state = (state + len(content)) & _ALL
    while at + 8 <= len(content):
        state ^= _round(0, int.from_bytes(content[at : at + 8], "little"))
        state = (_turned(state, 27) * _ONE + _FOUR) & _ALL
        at += 8
    if at + 4 <= len(content):
        state ^= int.from_bytes(content[at : at + 4], "little") * _ONE & _ALL
        state = (_turned(state, 23) * _TWO + _THREE) & _ALL
        at += 4
    for byte in content[at:]:
        state = _turned(state ^ (byte * _FIVE & _ALL), 11) * _ONE & _ALL
    return _mixed(state)


def _stripes(content: bytes) -> tuple[int, int]:
    """Take in all that comes in stripes of 32 bytes; return the state, and how much that was."""
    if len(content) < _STRIPE.size:
        return _FIVE, 0
    lanes = [(_ONE + _TWO) & _ALL, _TWO, 0, -_ONE & _ALL]
    whole = len(content) // _STRIPE.size * _STRIPE.size
    for words in _STRIPE.iter_unpack(content[:whole]):
        lanes = [_round(lane, word) for lane, word in zip(lanes, words, strict=True)]
    state = sum(_turned(lane, by) for lane, by in zip(lanes, (1, 7, 12, 18), strict=True)) & _ALL
    for lane in lanes:
        state = ((state ^ _round(0, lane)) * _ONE + _FOUR) & _ALL
    return state, whole


def _mixed(state: int) -> int:
    state = (state ^ state >> 33) * _TWO & _ALL
    state = (state ^ state >> 29) * _THREE & _ALL
    return state ^ state >> 32


def _round(lane: int, word: int) -> int:
    return _turned((lane + word * _TWO) & _ALL, 31) * _ONE & _ALL


def _turned(number: int, by: int) -> int:
    return (number << by | number >> (64 - by)) & _ALL
