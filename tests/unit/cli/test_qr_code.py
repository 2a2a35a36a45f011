"""QR codes of version 5-L, read back by a reader that knows only the standard."""

import hashlib
from collections.abc import Iterator

import pytest

from opentrail.cli.qr_code import MAX_BYTES, SIZE, Matrix, qr_matrix, qr_text

URI = "otpauth://totp/Opentrail:bob@123456789012?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Opentrail"
OTHER_ENCODERS = "5cc67d32d42f0b37884a9c8e90107990eaad37eef317fa56f97553640d00edb0"
"""SHA-256 of the rows (``#`` dark, ``.`` light) that another encoder makes of URI with the same settings."""


def matrix_of(text: str) -> Matrix:
    matrix = qr_matrix(text)
    assert matrix is not None
    return matrix


def is_function_module(row: int, column: int) -> bool:
    in_corner = (row < 9 and (column < 9 or column > SIZE - 9)) or (row > SIZE - 9 and column < 9)
    return in_corner or row == 6 or column == 6 or (abs(row - 30) < 3 and abs(column - 30) < 3)


def data_bits(matrix: Matrix) -> Iterator[int]:
    """Yield the unmasked data bits, two columns at a time, upwards first."""
    column, is_upward = SIZE - 1, True
    while column > 0:
        column -= column == 6
        for step in range(SIZE):
            row = SIZE - 1 - step if is_upward else step
            for at in (column, column - 1):
                if not is_function_module(row, at):
                    yield int(matrix[row][at]) ^ ((row + at) % 2 == 0)
        column, is_upward = column - 2, not is_upward


def codewords_of(matrix: Matrix) -> list[int]:
    bits = list(data_bits(matrix))
    assert len(bits) == 134 * 8 + 7
    return [int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, 134 * 8, 8)]


def read(codewords: list[int]) -> str:
    number = "".join(f"{codeword:08b}" for codeword in codewords[:108])
    assert number[:4] == "0100"
    length = int(number[4:12], 2)
    return bytes(int(number[12 + 8 * at : 20 + 8 * at], 2) for at in range(length)).decode()


def syndromes(codewords: list[int]) -> list[int]:
    """Return the code's polynomial at the 26 roots: all zero for a word without errors."""
    exponents, value = [], 1
    for _ in range(255):
        exponents.append(value)
        value = (value << 1) ^ (0x11D if value & 0x80 else 0)
    logarithms = {power: at for at, power in enumerate(exponents)}
    found = []
    for root in range(26):
        total = 0
        for codeword in codewords:
            total = (exponents[(logarithms[total] + root) % 255] if total else 0) ^ codeword
        found.append(total)
    return found


@pytest.mark.parametrize("text", ["", "a", URI, "é" * 53, "x" * MAX_BYTES])
def test_a_code_reads_as_its_text_and_holds_no_error(text: str) -> None:
    codewords = codewords_of(matrix_of(text))

    assert read(codewords) == text
    assert syndromes(codewords) == [0] * 26


def test_a_code_is_the_one_that_other_encoders_make() -> None:
    rows = ["".join("#" if is_dark else "." for is_dark in row) for row in matrix_of(URI)]

    assert rows[0].startswith("#######.")
    assert hashlib.sha256("\n".join(rows).encode()).hexdigest() == OTHER_ENCODERS


def test_a_text_that_does_not_fit_has_no_code() -> None:
    assert qr_matrix("x" * (MAX_BYTES + 1)) is None
    assert qr_text("é" * 54) is None


def test_a_terminal_shows_two_rows_in_a_line_with_light_around() -> None:
    lines = (qr_text(URI) or "").splitlines()

    assert {len(line) for line in lines} == {SIZE + 8}
    assert len(lines) == (SIZE + 9) // 2
    assert set("".join((*lines[:2], *lines[-2:]))) == {"█"}
