"""Frames are followed wherever arrivals break them, and patience runs out and comes back."""

import pytest
from h2.exceptions import FrameTooLargeError
from hyperframe.frame import DataFrame, Frame, GoAwayFrame, HeadersFrame, PingFrame, SettingsFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st

from opentrail.capture.http2.frames import FRAME_LIMIT_BYTES, PATIENCE, FrameScanner, Patience

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def ended(data: bytes = b"") -> Frame:
    frame = DataFrame(1, data)
    frame.flags.add("END_STREAM")
    return frame


@given(st.lists(st.integers(1, 40), max_size=30))
def test_wherever_arrivals_break_frames_the_same_is_counted(cuts: list[int]) -> None:
    frames: list[Frame] = [
        HeadersFrame(1, b"h"),
        DataFrame(1, b"abc"),
        DataFrame(1, b""),
        ended(),
        PingFrame(0),
        SettingsFrame(0),
    ]
    data = PREFACE + b"".join(frame.serialize() for frame in frames)
    scanner = FrameScanner(len(PREFACE))
    pieces = []
    for cut in [*cuts, len(data)]:
        arrived, data = data[:cut], data[cut:]
        pieces += scanner.split(arrived)

    assert scanner.cost == 3
    assert b"".join(pieces) == PREFACE + b"".join(frame.serialize() for frame in frames)


def test_arrivals_are_cut_behind_every_goodbye() -> None:
    goodbye, update = GoAwayFrame(0).serialize(), WindowUpdateFrame(0, 1).serialize()

    assert FrameScanner().split(update + goodbye + goodbye + update) == [update + goodbye, goodbye, update]


@pytest.mark.parametrize(("size", "fits"), [(FRAME_LIMIT_BYTES, True), (FRAME_LIMIT_BYTES + 1, False)])
def test_a_frame_that_is_too_long_is_known_by_its_header(size: int, fits: bool) -> None:
    header = size.to_bytes(3, "big") + bytes(6)

    if fits:
        assert FrameScanner().split(header) == [header]
    else:
        with pytest.raises(FrameTooLargeError):
            FrameScanner().split(header)


def test_patience_runs_out_at_once_and_comes_back_with_time_and_with_what_was_sent() -> None:
    patience = Patience(0.0)

    assert patience.spend(PATIENCE - 1, 0.0)
    assert not patience.spend(1, 0.0)
    assert patience.spend(99, 1.0)
    assert not patience.spend(1, 1.0)
    patience.earn()
    assert patience.spend(3, 1.0)
    assert not patience.spend(1, 1.0)
    assert patience.spend(PATIENCE - 1, 1000.0)
    assert not patience.spend(1, 1000.0)
