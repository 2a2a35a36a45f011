"""Which small files of a day are joined into one."""

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import groupby

from opentrail.ports.lake_table import LakeFile

SMALL_BYTES = 8 * 1024 * 1024
"""A file below this is small."""

GROUP_BYTES = 24 * 1024 * 1024
"""Files joined at once have at most this many bytes: some 200 MB as rows in memory."""

GROUP_FILES = 1_000
MIN_FILES = 8
"""Fewer small files of a day are left as they are."""


def groups(
    files: Sequence[LakeFile], is_due: Callable[[LakeFile], bool] | None = None
) -> Iterator[tuple[date, list[LakeFile]]]:
    """Yield the groups of files to join, each of one day, in the order of days; ``files`` are sorted by day.

    Files that are due to be written anew are in one, too, however large and few they are.
    """
    for day, of_day in groupby(files, key=lambda file: file.day):
        group: list[LakeFile] = []
        for file in of_day:
            if file.size_bytes >= SMALL_BYTES and not (is_due and is_due(file)):
                continue
            size = sum(one.size_bytes for one in group)
            if group and (len(group) == GROUP_FILES or size + file.size_bytes > GROUP_BYTES):
                yield day, group
                group = []
            group.append(file)
        if len(group) >= MIN_FILES or (is_due and any(map(is_due, group))):
            yield day, group
