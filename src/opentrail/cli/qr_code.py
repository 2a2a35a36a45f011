"""Short texts as QR codes for a terminal (ISO/IEC 18004), enough for an authenticator's key URI.

One size only: version 5 (37 modules a side) with error correction L and mask 0, which any reader takes. It holds 106
bytes in a single block, so that neither version information nor interleaving is needed.
"""

from collections.abc import Iterator
from itertools import product

SIZE = 37
MAX_BYTES = 106
"""Longest text, in UTF-8."""

DATA_CODEWORDS = 108
CORRECTION_CODEWORDS = 26
QUIET_ZONE = 4
"""Light modules that a code needs around it."""

_FORMAT_BITS = 0x77C4
"""Error correction L and mask 0 with their own check bits."""

_FINDERS = ((3, 3), (3, SIZE - 4), (SIZE - 4, 3))
_ALIGNMENT = (SIZE - 7, SIZE - 7)

Matrix = list[list[bool]]


def qr_matrix(text: str) -> Matrix | None:
    """Return the modules of ``text`` by row, dark ones true; None when it is too long."""
    data = text.encode()
    if len(data) > MAX_BYTES:
        return None
    codewords = _data_codewords(data)
    codewords += _correction(codewords)
    bits = iter([bool(codeword >> shift & 1) for codeword in codewords for shift in range(7, -1, -1)])
    fixed = _fixed_modules()
    matrix = [[fixed.get((row, column), False) for column in range(SIZE)] for row in range(SIZE)]
    for row, column in _path():
        if (row, column) not in fixed:
            matrix[row][column] = next(bits, False) ^ ((row + column) % 2 == 0)
    return matrix


def qr_text(text: str) -> str | None:
    """Return ``text`` as lines of half blocks, light modules bright, for a dark terminal; None when it is too long."""
    matrix = qr_matrix(text)
    if matrix is None:
        return None
    side = range(-QUIET_ZONE, SIZE + QUIET_ZONE)
    is_dark = {(row, column): matrix[row][column] for row, column in product(range(SIZE), range(SIZE))}
    signs = {(False, False): "█", (False, True): "▀", (True, False): "▄", (True, True): " "}
    return "\n".join(
        "".join(signs[is_dark.get((row, column), False), is_dark.get((row + 1, column), False)] for column in side)
        for row in side[::2]
    )


def _data_codewords(data: bytes) -> list[int]:
    """Mode (bytes), length, data, terminator, then the two padding bytes in turn."""
    number = (0b0100 << 8 | len(data)) << 8 * len(data) | int.from_bytes(data, "big")
    packed = (number << 4).to_bytes(len(data) + 2, "big")
    padding = b"\xec\x11" * DATA_CODEWORDS
    return list((packed + padding)[:DATA_CODEWORDS])


def _correction(codewords: list[int]) -> list[int]:
    """Return the remainder of the Reed-Solomon division by the generator whose roots are the first powers of 2."""
    generator = [1]
    for power in range(CORRECTION_CODEWORDS):
        root = _power_of_two(power)
        generator = [left ^ _product(right, root) for left, right in zip([*generator, 0], [0, *generator], strict=True)]
    remainder = [0] * CORRECTION_CODEWORDS
    for codeword in codewords:
        factor = codeword ^ remainder[0]
        shifted = [*remainder[1:], 0]
        remainder = [left ^ _product(right, factor) for left, right in zip(shifted, generator[1:], strict=True)]
    return remainder


def _power_of_two(exponent: int) -> int:
    value = 1
    for _ in range(exponent):
        value = _product(value, 2)
    return value


def _product(left: int, right: int) -> int:
    """Multiply in the field of 256 elements (x^8 + x^4 + x^3 + x^2 + 1)."""
    result = 0
    for shift in range(7, -1, -1):
        result = result << 1 ^ (result >> 7) * 0x11D
        result ^= (right >> shift & 1) * left
    return result


def _fixed_modules() -> dict[tuple[int, int], bool]:
    """Return the modules that no data goes into: timing, alignment, finders with their margins, format."""
    modules: dict[tuple[int, int], bool] = {}
    for at in range(SIZE):
        modules[6, at] = modules[at, 6] = at % 2 == 0
    for row, column in product(range(-2, 3), repeat=2):
        modules[_ALIGNMENT[0] + row, _ALIGNMENT[1] + column] = max(abs(row), abs(column)) != 1
    for (top, left), row, column in product(_FINDERS, range(-4, 5), range(-4, 5)):
        if 0 <= top + row < SIZE and 0 <= left + column < SIZE:
            modules[top + row, left + column] = max(abs(row), abs(column)) not in (2, 4)
    for bit, places in enumerate(zip(_format_beside_corner(), _format_at_edges(), strict=True)):
        for place in places:
            modules[place] = bool(_FORMAT_BITS >> bit & 1)
    modules[SIZE - 8, 8] = True
    return modules


def _format_beside_corner() -> Iterator[tuple[int, int]]:
    yield from ((row, 8) for row in (0, 1, 2, 3, 4, 5, 7, 8))
    yield from ((8, column) for column in (7, 5, 4, 3, 2, 1, 0))


def _format_at_edges() -> Iterator[tuple[int, int]]:
    yield from ((8, SIZE - 1 - bit) for bit in range(8))
    yield from ((SIZE - 15 + bit, 8) for bit in range(8, 15))


def _path() -> Iterator[tuple[int, int]]:
    """Yield modules in the order of data: two columns at a time from the right, up and down in turn."""
    for number, right in enumerate((*range(SIZE - 1, 6, -2), 5, 3, 1)):
        rows = range(SIZE - 1, -1, -1) if number % 2 == 0 else range(SIZE)
        for row in rows:
            yield row, right
            yield row, right - 1
