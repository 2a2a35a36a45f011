"""The engine's answers as columns: for each batch of rows which values members have, and which row has which.

Rows are alike what ``event_columns`` keeps of Event history, made on the way: nothing is stored. A row that columns
cannot stand for is odd: its record says a top-level name twice or with a dot in it, spells its time otherwise than AWS
does, or is long.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from opentrail.query.replay.event_columns import MINUTE, PRINCIPAL
from opentrail.query.replay.naming import principal_of

MAX_SHAPES = 10_000
"""Lists of names that are remembered."""

NAME_SEPARATOR = "\x01"

SECONDS, SHAPE, IS_ODD = "seconds", "shape", "is_odd"
"""What a batch has beside members: each row's time, its names (``NAME_SEPARATOR`` between), and whether it is odd."""

_PER_MINUTE = pa.scalar(60, pa.int64())
_WIDTHS = ((1 << 8, pa.uint8()), (1 << 16, pa.uint16()), (1 << 32, pa.uint32()))


class Shapes:
    """The lists of top-level names that came, and whether they make a row odd."""

    def __init__(self) -> None:
        self._judged: dict[str, bool] = {}

    def is_odd(self, shape: str) -> bool:
        """Say whether rows with these names are odd."""
        judged = self._judged.get(shape)
        if judged is None:
            names = shape.split(NAME_SEPARATOR)
            judged = "." in shape or len(set(names)) != len(names)
            if len(self._judged) < MAX_SHAPES:
                self._judged[shape] = judged
        return judged


class BatchColumns:
    """The columns of one batch; rows have its order."""

    def __init__(self, batch: pa.RecordBatch, shapes: Shapes) -> None:
        self.rows: int = batch.num_rows
        self._batch = batch
        self._seconds = batch.column(SECONDS)
        self._encoded: dict[str, tuple[Sequence[int], pa.Array]] = {}
        self._values: dict[str, list[Any]] = {}
        self.odd: list[int] = self._odd_rows(shapes)

    def has(self, name: str) -> bool:
        """Say whether the batch has a column."""
        return name in (MINUTE, PRINCIPAL) or name in self._batch.schema.names

    def ids(self, name: str) -> Sequence[int]:
        """Return for each row the number of its value, 0 for none; bytes when no number is above 255."""
        return self._encoding(name)[0]

    def values(self, name: str) -> list[Any]:
        """Return the values of a column; number n is the one at n - 1. Values of PRINCIPAL may come twice."""
        found = self._values.get(name)
        if found is None:
            found = self._values[name] = self._read_values(name)
        return found

    def times(self) -> list[int]:
        """Return each row's time, seconds since 1970."""
        times: list[int] = self._seconds.to_pylist()
        return times

    def _read_values(self, name: str) -> list[Any]:
        if name == PRINCIPAL:
            return [principal_of({"userIdentity": value}) for value in self.values("userIdentity")]
        values = self._encoding(name)[1].to_pylist()
        return values if name == MINUTE else list(orjson.loads(f"[{','.join(values)}]"))

    def _encoding(self, name: str) -> tuple[Sequence[int], pa.Array]:
        name = "userIdentity" if name == PRINCIPAL else name
        found = self._encoded.get(name)
        if found is None:
            column = pc.divide(self._seconds, _PER_MINUTE) if name == MINUTE else self._batch.column(name)
            found = self._encoded[name] = _encoded(column)
        return found

    def _odd_rows(self, shapes: Shapes) -> list[int]:
        numbers, names = _encoded(self._batch.column(SHAPE))
        judged = [True, *map(shapes.is_odd, names.to_pylist())]
        is_odd = self._batch.column(IS_ODD)
        if not (any(judged[1:]) or pc.any(is_odd).as_py()):
            return []
        flags = is_odd.to_pylist()
        return [row for row, number in enumerate(numbers) if flags[row] or judged[number]]


def _encoded(column: pa.Array) -> tuple[Sequence[int], pa.Array]:
    """Return each row's number, from 1, 0 for null; and the values, number n at n - 1."""
    encoded = column.dictionary_encode()
    count = len(encoded.dictionary)
    width = next(width for limit, width in _WIDTHS if count < limit)
    ids = pc.fill_null(pc.add(encoded.indices, pa.scalar(1, pa.int32())), 0).cast(width)
    data = ids.buffers()[1].to_pybytes()[: len(ids) * width.bit_width // 8]
    if width.bit_width == 8:
        return data, encoded.dictionary
    return memoryview(data).cast("H" if width.bit_width == 16 else "I"), encoded.dictionary
