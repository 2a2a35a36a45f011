"""The timeline of a validation as inline SVG: which times digests answer for, and how many log files they list.

Time runs in COLUMNS columns, however long the range is; a column shows the worst that happened in it.

```
 digests    ▇▇▇▇▇▇▇▇▇▇▇▇▇░░░▇▇▇▇▇▇▇▒▇▇▇▇▇▇
 log files  ▂▃▂▂▅▂▂▂▃▂▂▂▂   ▂▂▃▂▂▂▂▁▂▂▂▃▂▂
            |         |         |        |
```
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from enum import IntEnum
from html import escape
from itertools import groupby

from opentrail.clock import format_time
from opentrail.digest.chain_checks import HOURLY
from opentrail.digest.verdicts import BEYOND_AWS, Finding, FindingKind
from opentrail.digest.verification import ReadDigest
from opentrail.resource.delivery_layout import digest_stamp, is_digest_stamp, log_file_stamp, parse_digest_stamp

COLUMNS = 400
WIDTH, HEIGHT = 1000, 190
_LEFT, _RIGHT = 90, 990
_DIGESTS_TOP, _DIGESTS_HEIGHT = 24, 34
_FILES_TOP, _FILES_HEIGHT = 78, 70
_AXIS = 166
_TICKS = 5


class State(IntEnum):
    """What a column shows, from nothing to the worst."""

    NOTHING = 0
    GAP = 1
    VALID = 2
    MISSING = 3
    BAD = 4


_CLASSES = {State.GAP: "gap", State.VALID: "ok", State.MISSING: "missing", State.BAD: "bad"}
_WORDS = {
    State.GAP: "no digests were made",
    State.VALID: "valid",
    State.MISSING: "no valid digest answers for this",
    State.BAD: "something is wrong here",
}


class Timeline:
    """Takes what a validation finds as it comes."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self._start = start
        self._step = max((end - start) / COLUMNS, timedelta(microseconds=1))
        self._states = [State.NOTHING] * COLUMNS
        self._files = [0] * COLUMNS
        self._bad_files = [0] * COLUMNS
        self._span = HOURLY

    def add_digest(self, digest: ReadDigest) -> None:
        """Take a valid digest."""
        self._span = digest.end_time - digest.start_time
        self._mark(digest.start_time, digest.end_time, State.VALID)

    def add(self, finding: Finding) -> None:
        """Take a finding."""
        if finding.gap_start is not None and finding.gap_end is not None:
            is_missing = finding.kind is FindingKind.MISSING
            self._mark(finding.gap_start, finding.gap_end, State.MISSING if is_missing else State.GAP)
            return
        if finding.kind in {FindingKind.LOG_FILE, FindingKind.FILE_CONCERN}:
            self._add_file(finding)
            return
        stamp = digest_stamp(finding.key)
        if not finding.is_valid and is_digest_stamp(stamp):
            moment = parse_digest_stamp(stamp)
            self._mark(moment - self._span, moment, State.BAD)

    def _add_file(self, finding: Finding) -> None:
        moment = log_file_stamp(finding.key)
        column = -1 if moment is None else self._column(moment)
        if 0 <= column < COLUMNS:
            self._files[column] += finding.kind not in BEYOND_AWS
            self._bad_files[column] += not finding.is_valid

    def _column(self, moment: datetime) -> int:
        return (moment - self._start) // self._step

    def _mark(self, start: datetime, end: datetime, state: State) -> None:
        first = max(0, self._column(start))
        last = min(COLUMNS - 1, max(first, self._column(end - timedelta(microseconds=1))))
        for column in range(first, last + 1):
            self._states[column] = max(self._states[column], state)

    def svg(self) -> str:
        """Return the picture; it has no scripts and takes its colours from the page's classes."""
        parts = [*self._digest_row(), *self._file_row(), *self._axis()]
        label = "Timeline of digests and log files"
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{"".join(parts)}</svg>'

    def _digest_row(self) -> Iterator[str]:
        yield f'<text x="0" y="{_DIGESTS_TOP + 22}">Digests</text>'
        at = 0
        for state, run in groupby(self._states):
            count = len(list(run))
            if state is not State.NOTHING:
                times = f"{format_time(self._at(at))} to {format_time(self._at(at + count))}"
                title = escape(f"{times}: {_WORDS[state]}")
                yield self._rect(at, count, _DIGESTS_TOP, _DIGESTS_HEIGHT, _CLASSES[state], title)
            at += count

    def _file_row(self) -> Iterator[str]:
        yield f'<text x="0" y="{_FILES_TOP + 22}">Log files</text>'
        bottom, most = _FILES_TOP + _FILES_HEIGHT, max((*self._files, 1))
        yield f'<line x1="{_LEFT}" x2="{_RIGHT}" y1="{bottom}" y2="{bottom}" class="rule"/>'
        for column, (count, bad) in enumerate(zip(self._files, self._bad_files, strict=True)):
            if not count and not bad:
                continue
            height = max(3.0, _FILES_HEIGHT * count / most)
            title = escape(
                f"{format_time(self._at(column))}: {count} log files" + (f", {bad} not sound" if bad else "")
            )
            yield self._rect(column, 1, bottom - height, height, "bad" if bad else "ok", title)

    def _axis(self) -> Iterator[str]:
        for tick in range(_TICKS + 1):
            x = _LEFT + (_RIGHT - _LEFT) * tick / _TICKS
            moment = self._at(COLUMNS * tick / _TICKS)
            anchor = "start" if tick == 0 else "end" if tick == _TICKS else "middle"
            yield f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_AXIS - 16}" y2="{_AXIS - 10}" class="rule"/>'
            where = f'x="{x:.1f}" y="{_AXIS + 6}" text-anchor="{anchor}"'
            yield f'<text {where} class="tick">{moment:%Y-%m-%d %H:%M}</text>'

    def _rect(self, column: int, count: int, y: float, height: float, name: str, title: str) -> str:
        width = (_RIGHT - _LEFT) / COLUMNS
        x = _LEFT + column * width
        shape = f'x="{x:.2f}" y="{y:.1f}" width="{count * width:.2f}" height="{height:.1f}"'
        return f'<rect {shape} class="{name}"><title>{title}</title></rect>'

    def _at(self, column: float) -> datetime:
        return self._start + self._step * column
