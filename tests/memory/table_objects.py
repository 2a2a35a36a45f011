"""A bucket of lake tables in memory, whose calls can fail before or after they did their work."""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from functools import partial

from opentrail.adapters.lake_table.bucket import Listed, ObjectGone
from opentrail.ports import Unavailable


class InMemoryObjects:
    """Implements Objects. ``fault(call, key)`` may raise before a call's work, and again, with ``done``, after it."""

    def __init__(self, fault: Callable[[str, str, bool], None] | None = None) -> None:
        self.kept: dict[str, tuple[bytes, datetime]] = {}
        self.honours_condition = True
        self.ignores_condition = False
        self.is_away = False
        self.now: Callable[[], datetime] = partial(datetime.now, UTC)
        self._fault = fault

    def get(self, key: str) -> bytes:
        self._check("get", key)
        if key not in self.kept:
            raise ObjectGone(key)
        return self.kept[key][0]

    def put(self, key: str, body: bytes) -> None:
        self._check("put", key)
        self.kept[key] = body, self.now()
        self._check("put", key, is_done=True)

    def put_if_absent(self, key: str, body: bytes) -> bool:
        self._check("put", key)
        if key in self.kept and not (self.honours_condition and self.ignores_condition):
            return False
        self.kept[key] = body, self.now()
        self._check("put", key, is_done=True)
        return True

    def list(self, prefix: str) -> Iterator[Listed]:
        self._check("list", prefix)
        for key, (body, moment) in sorted(self.kept.items()):
            if key.startswith(prefix):
                yield Listed(key, len(body), moment)

    def delete(self, keys: Iterable[str]) -> None:
        for key in list(keys):
            self._check("delete", key)
            self.kept.pop(key, None)

    def _check(self, call: str, key: str, *, is_done: bool = False) -> None:
        if self.is_away:
            raise Unavailable("the bucket is away")
        if self._fault is not None:
            self._fault(call, key, is_done)
