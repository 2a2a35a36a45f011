"""What bodies hold, before and after they are inflated."""

import gzip

from opentrail.imports.inflation import expected_size, stated_size


def test_gzip_says_what_it_holds_and_anything_else_is_what_it_holds() -> None:
    assert stated_size(gzip.compress(b"x" * 1000)) == 1000
    assert stated_size(b"x" * 1000) == 1000


def test_gzip_is_expected_to_hold_what_gzip_holds_whatever_it_says() -> None:
    lying = gzip.compress(b"x" * 100_000)[:-4] + bytes(4)

    assert expected_size([lying]) == 15 * len(lying)
    assert expected_size([gzip.compress(b"x" * 100_000), b"y" * 7]) == 100_007
