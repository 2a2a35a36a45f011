"""Tracebacks say where and what kind, and quote nothing of the call."""

import pytest

from opentrail.wiring.logs import ExcInfo, format_exception

SECRET = "s3cr3t-V4lue"


def _caught(error: BaseException, cause: BaseException | None = None) -> ExcInfo:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.type, caught.value, caught.tb


def test_what_an_exception_quotes_is_left_out_and_its_place_and_kind_are_there() -> None:
    text = format_exception(_caught(KeyError(SECRET), ValueError(f"invalid literal: {SECRET!r}")))

    assert SECRET not in text
    assert "test_logs.py" in text
    assert text.index("ValueError") < text.index("KeyError")


def test_an_exception_group_and_its_notes_quote_nothing_either() -> None:
    error = ExceptionGroup(SECRET, [KeyError(SECRET)])
    error.add_note(SECRET)

    assert SECRET not in format_exception(_caught(error))


def test_what_the_machine_says_is_kept() -> None:
    assert "No space left on device" in format_exception(_caught(OSError(28, "No space left on device")))


def test_a_chain_that_never_ends_is_cut() -> None:
    error: BaseException = ValueError()
    for _ in range(50):
        error = _caught(ValueError(), error)[1]

    assert format_exception(_caught(error)).count("ValueError") < 30
