"""Counts from columns what rules pick: tallies as ``counting`` has them, and no event read but the examples."""

from collections import Counter as Counted
from collections.abc import Callable, Iterable, Sequence
from itertools import compress
from typing import Any

from opentrail.query.replay.column_masks import ColumnMasks, Rows, is_decidable, members_of_rule
from opentrail.query.replay.counting import GROUPS, Tally
from opentrail.query.replay.event_columns import MEMBERS, MINUTE, PRINCIPAL, SCOPE, Columns
from opentrail.query.replay.metrics import Metric
from opentrail.query.replay.rules import ReplayRule

_GROUP_COLUMNS = (PRINCIPAL, "sourceIPAddress", "eventSource", "eventName")
_MINUTE_SECONDS = 60

ReadRow = Callable[[int], bytes]
"""Returns the JSON of the event in a row."""

assert len(_GROUP_COLUMNS) == len(GROUPS)


def is_countable(rule: ReplayRule, metric: Metric | None) -> bool:
    """Say whether columns, if all are kept, have all that a rule and its metric ask for."""
    return is_decidable(rule) and (metric is None or not metric.path or metric.path[0] in MEMBERS)


def members_to_count(asked: Iterable[tuple[ReplayRule, Metric | None]]) -> list[str]:
    """Return the members whose columns have all that countable rules and their metrics ask for, each once."""
    wanted: dict[str, None] = dict.fromkeys(("userIdentity", "sourceIPAddress", "eventSource", "eventName"))
    for rule, metric in asked:
        wanted.update(dict.fromkeys(sorted(members_of_rule(rule))))
        if metric is not None and metric.path:
            wanted[str(metric.path[0])] = None
    return list(wanted)


class ColumnCounter:
    """Counts the rows of one file, in ``start`` up to not at ``end``; of ``scopes`` when they are given."""

    def __init__(
        self, columns: Columns, read_row: ReadRow, grain: int, span: tuple[int, int], scopes: Sequence[str] | None
    ) -> None:
        self._columns = columns
        self._read_row = read_row
        self._grain = grain
        self._masks = ColumnMasks(columns)
        self._times = columns.times()
        self._has_all = all(map(columns.has, (*_GROUP_COLUMNS, MINUTE)))
        self.asked = self._masks.all_rows if scopes is None else self._masks.with_values(SCOPE, scopes)
        start, end = span
        if self._times and not (start <= min(self._times) and max(self._times) < end):
            self.asked &= int.from_bytes(bytes(start <= time < end for time in self._times), "little")
        odd = bytearray(columns.rows)
        for row in columns.odd:
            odd[row] = 1
        self.asked &= ~int.from_bytes(odd, "little")

    def rows_of(self, rule: ReplayRule) -> Rows:
        """Return the rows that a rule picks or may pick, of those asked for; odd rows are not among them."""
        found = self._masks.rows_of(rule)
        return Rows(found.mask & self.asked, found.is_exact)

    def take(self, rows: Rows, metric: Metric | None, tally: Tally) -> bool:
        """Add what a rule picked to its tally; False when columns do not have all of it, and nothing was added."""
        has_metric = metric is None or not metric.path or self._columns.has(str(metric.path[0]))
        if not (rows.is_exact and self._has_all and has_metric):
            return False
        if metric is not None:
            self._sample(rows.mask, metric, tally)
        if rows.mask:
            self._tally(self._flags(rows.mask), tally)
        return True

    def _flags(self, mask: int) -> bytes:
        return mask.to_bytes(self._columns.rows, "little")

    def _tally(self, flags: bytes, tally: Tally) -> None:
        minutes = self._columns.values(MINUTE)
        slots: dict[int, int] = {}
        for number, count in Counted(compress(self._columns.ids(MINUTE), flags)).items():
            slot = minutes[number - 1] * _MINUTE_SECONDS // self._grain * self._grain
            slots[slot] = slots.get(slot, 0) + count
        times = list(compress(self._times, flags))
        tally.add_times(len(times), min(times), max(times), slots)
        for group, name in enumerate(_GROUP_COLUMNS):
            counts = Counted(compress(self._columns.ids(name), flags))
            tally.add_names(group, ["", *self._columns.values(name)], counts)
        self._add_examples(flags, times, tally)

    def _add_examples(self, flags: bytes, times: list[int], tally: Tally) -> None:
        if not tally.wants_example(max(times)):
            return
        oldest = sorted(times, reverse=True)[: tally.max_examples][-1]
        rows = compress(range(self._columns.rows), flags)
        for row in [row for row in rows if self._times[row] >= oldest]:
            if tally.wants_example(self._times[row]):
                tally.add_example(self._times[row], self._read_row(row))

    def _sample(self, mask: int, metric: Metric, tally: Tally) -> None:
        minutes = self._columns.values(MINUTE)
        numbers = self._columns.ids(MINUTE)
        name = str(metric.path[0]) if metric.path else MINUTE
        values: Sequence[Any] = self._columns.values(name) if metric.path else ()
        picked = Counted(compress(zip(numbers, self._columns.ids(name), strict=True), self._flags(mask)))
        for (minute, number), count in picked.items():
            record = {name: values[number - 1]} if metric.path and number else {}
            value = metric.value_of(record)
            if value is not None:
                tally.add_sample(minutes[minute - 1] * _MINUTE_SECONDS, value, count)
        if metric.default is not None:
            for minute, count in Counted(compress(numbers, self._flags(self.asked & ~mask))).items():
                tally.add_sample(minutes[minute - 1] * _MINUTE_SECONDS, metric.default, count)
