"""Columns of segments: made from their records, kept in ``columns/`` under the segment's name, made anew when damaged.

They hold nothing that the segment does not. A file is there whole or not at all; it names the segment it was made of,
so that none is taken for another's.
"""

import os
from contextlib import suppress
from pathlib import Path

from opentrail.adapters.event_history.layout import PARTIAL_SUFFIX
from opentrail.adapters.event_history.rows import read_event, read_head
from opentrail.adapters.event_history.segment import Segment
from opentrail.query.replay.event_columns import ColumnsBuilder, ColumnsDamaged, EventColumns


def kept_columns(folder: Path, segment: Segment, name: str) -> EventColumns | None:
    """Return the columns of the segment whose file is called ``name``, None when they are not there or not whole."""
    try:
        data = (folder / name).read_bytes()
        return EventColumns(data, segment.fingerprint())
    except (OSError, ColumnsDamaged):
        return None


def made_columns(folder: Path, segment: Segment, name: str) -> EventColumns:
    """Make a segment's columns, keep them if there is room on the disk, and return them. Raises SegmentDamaged."""
    builder = ColumnsBuilder()
    for record in segment.records():
        _, account, region, seconds, *_ = read_head(record)
        builder.add(read_event(record), f"{account} {region}", int(seconds))
    fingerprint = segment.fingerprint()
    data = builder.encode(fingerprint)
    partial = folder / f"{name}.{os.getpid()}{PARTIAL_SUFFIX}"
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        try:
            partial.write_bytes(data)
            partial.rename(folder / name)
        except OSError:
            partial.unlink()
            raise
    return EventColumns(data, fingerprint)
