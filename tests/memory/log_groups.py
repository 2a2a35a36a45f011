"""Log groups and their readers in memory, for tests of what stands on them."""

from collections.abc import Callable, Sequence

from opentrail.ports.log_groups import LogGroupNotFound, LogNameTaken, LogReaderState
from opentrail.resource.log_group import LogFilter, LogGroup, LogStream


class InMemoryLogGroups:
    """Behaves as the port says and forgets everything with the process."""

    def __init__(self) -> None:
        self._groups: dict[str, LogGroup] = {}
        self._streams: dict[str, dict[str, LogStream]] = {}
        self._filters: dict[str, dict[tuple[str, str], LogFilter]] = {}
        self._result_keys: dict[tuple[str, str], str] = {}

    async def create(self, group: LogGroup) -> None:
        if await self.group(group.account_id, group.region, group.name) is not None:
            raise LogNameTaken(group.name)
        self._groups[group.group_id] = group
        self._streams[group.group_id], self._filters[group.group_id] = {}, {}

    async def group(self, account_id: str, region: str, name: str) -> LogGroup | None:
        return next((group for group in self._of(account_id, region) if group.name == name), None)

    async def group_of(self, group_id: str) -> LogGroup | None:
        return next((group for group in await self.all_groups() if group.group_id == group_id), None)

    async def groups(
        self, account_id: str, region: str, *, prefix: str = "", containing: str = "", after: str = "", limit: int
    ) -> Sequence[LogGroup]:
        return [
            group
            for group in self._of(account_id, region)
            if group.name.startswith(prefix) and containing in group.name and group.name > after
        ][:limit]

    async def count(self, account_id: str, region: str) -> int:
        return len(self._of(account_id, region))

    async def all_groups(self) -> Sequence[LogGroup]:
        return [group for _, group in sorted(self._groups.items())]

    async def change(self, group: LogGroup) -> None:
        self._require(group.group_id)
        self._groups[group.group_id] = group

    async def delete(self, group_id: str) -> None:
        for held in (self._groups, self._streams, self._filters):
            held.pop(group_id, None)

    async def result_key(self, account_id: str, region: str) -> str:
        return self._result_keys.get((account_id, region), "")

    async def set_result_key(self, account_id: str, region: str, key_arn: str) -> None:
        self._result_keys[account_id, region] = key_arn

    async def create_stream(self, group_id: str, stream: LogStream) -> None:
        self._require(group_id)
        if stream.name in self._streams[group_id]:
            raise LogNameTaken(stream.name)
        self._streams[group_id][stream.name] = stream

    async def stream(self, group_id: str, name: str) -> LogStream | None:
        return self._streams.get(group_id, {}).get(name)

    async def streams(self, group_id: str) -> Sequence[LogStream]:
        return [stream for _, stream in sorted(self._streams.get(group_id, {}).items())]

    async def delete_stream(self, group_id: str, name: str) -> None:
        self._streams.get(group_id, {}).pop(name, None)

    async def put_filter(self, group_id: str, log_filter: LogFilter) -> None:
        self._require(group_id)
        self._filters[group_id][log_filter.kind, log_filter.name] = log_filter

    async def filters(self, group_id: str, kind: str) -> Sequence[LogFilter]:
        held = sorted(self._filters.get(group_id, {}).items())
        return [log_filter for _, log_filter in held if log_filter.kind == kind]

    async def account_filters(
        self, account_id: str, region: str, kind: str, after: tuple[str, str], limit: int
    ) -> Sequence[tuple[str, LogFilter]]:
        found = [
            (group.name, log_filter)
            for group in self._of(account_id, region)
            for log_filter in await self.filters(group.group_id, kind)
        ]
        found.sort(key=lambda one: (one[1].name, one[0]))
        return [one for one in found if (one[1].name, one[0]) > after][:limit]

    async def delete_filter(self, group_id: str, kind: str, name: str) -> None:
        self._filters.get(group_id, {}).pop((kind, name), None)

    def _of(self, account_id: str, region: str) -> list[LogGroup]:
        groups = [group for group in self._groups.values() if (group.account_id, group.region) == (account_id, region)]
        return sorted(groups, key=lambda group: group.name)

    def _require(self, group_id: str) -> None:
        if group_id not in self._groups:
            raise LogGroupNotFound(group_id)


class InMemoryLogReaders:
    """Behaves as the port says; an in-memory trail store makes the readers, and says whether a trail has a group."""

    def __init__(self, has_log_group: Callable[[str], bool]) -> None:
        self._has_log_group = has_log_group
        self._readers: dict[str, LogReaderState] = {}

    def start(self, state: LogReaderState) -> None:
        """Make a trail's reader, unless it has one."""
        self._readers.setdefault(state.trail_arn, state)

    async def readers(self) -> Sequence[LogReaderState]:
        return [state for _, state in sorted(self._readers.items())]

    async def move(self, state: LogReaderState) -> None:
        self._readers[state.trail_arn] = state

    async def finish(self, trail_arn: str) -> None:
        if not self._has_log_group(trail_arn):
            self._readers.pop(trail_arn, None)
