"""The key store in memory, for tests of what stands on it."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from opentrail.clock import Clock
from opentrail.envelope import material_id
from opentrail.ports.key_store import AliasExists, AliasNotFound, KeyMaterial, KeyNotFound
from opentrail.resource.key import Key, KeyAlias, KeyRotation, KeyState, parse_key_name


class InMemoryKeyStore:
    """Behaves as the port says and forgets everything with the process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._versions: dict[str, list[tuple[bytes, KeyRotation]]] = {}
        self._aliases: dict[tuple[str, str, str], KeyAlias] = {}

    async def add(self, key: Key, material: bytes) -> None:
        self._keys[key.key_id] = replace(key, version=1, aliases=())
        self._versions[key.key_id] = [(material, KeyRotation(1, material_id(material), key.created_at))]

    async def find(self, name: str, account_id: str = "", region: str = "") -> Key | None:
        wanted = parse_key_name(name, account_id, region)
        if wanted is None:
            return None
        alias = self._aliases.get((wanted.account_id, wanted.region, wanted.alias))
        key = await self.find_by_id(alias.key_id if alias else wanted.key_id)
        is_there = key is not None and (key.account_id, key.region) == (wanted.account_id, wanted.region)
        return key if is_there else None

    async def find_by_id(self, key_id: str) -> Key | None:
        return next((key for key in self._living() if key.key_id == key_id), None)

    async def keys(self, account_id: str, region: str, after: str = "", limit: int = 1000) -> Sequence[Key]:
        found = [key for key in self._living() if (key.account_id, key.region) == (account_id, region)]
        return [key for key in found if key.key_id > after][:limit]

    async def count(self, account_id: str, region: str) -> int:
        return len(await self.keys(account_id, region, limit=1_000_000))

    async def change(self, before: Key, after: Key) -> None:
        self._check(before.key_id)
        names = ("policy", "state", "description", "tags", "deletion_at", "rotation_period_days", "next_rotation_at")
        changes = {name: getattr(after, name) for name in names if getattr(before, name) != getattr(after, name)}
        self._keys[before.key_id] = replace(self._keys[before.key_id], **changes)

    async def rotate(
        self, key_id: str, material: bytes, at: datetime, *, is_on_demand: bool, next_at: datetime | None = None
    ) -> None:
        self._check(key_id)
        version = self._keys[key_id].version + 1
        self._versions[key_id].append((material, KeyRotation(version, material_id(material), at, is_on_demand)))
        next_at = next_at or self._keys[key_id].next_rotation_at
        self._keys[key_id] = replace(self._keys[key_id], version=version, next_rotation_at=next_at)

    async def rotations(self, key_id: str) -> Sequence[KeyRotation]:
        return [rotation for _, rotation in self._versions.get(key_id, ())]

    async def material(self, key_id: str, version: int) -> KeyMaterial | None:
        found = [secret for secret, rotation in self._versions.get(key_id, ()) if rotation.version == version]
        return KeyMaterial(version, found[0], material_id(found[0])) if found else None

    async def due(self, now: datetime, limit: int = 100) -> Sequence[Key]:
        def is_due(key: Key) -> bool:
            is_rotated = key.state is KeyState.ENABLED and key.rotation_period_days > 0
            is_over = key.deletion_at is not None and key.deletion_at <= now
            return is_over or (is_rotated and key.next_rotation_at is not None and key.next_rotation_at <= now)

        return [self._shown(self._keys[key_id]) for key_id in sorted(self._keys) if is_due(self._keys[key_id])][:limit]

    async def destroy(self, key_id: str, now: datetime) -> bool:
        key = self._keys.get(key_id)
        if key is None or key.deletion_at is None or key.deletion_at > now:
            return False
        del self._keys[key_id], self._versions[key_id]
        self._aliases = {place: alias for place, alias in self._aliases.items() if alias.key_id != key_id}
        return True

    async def add_alias(self, alias: KeyAlias) -> None:
        self._check_target(alias)
        if _place(alias) in self._aliases:
            raise AliasExists(alias.arn)
        self._aliases[_place(alias)] = alias

    async def alias(self, account_id: str, region: str, name: str) -> KeyAlias | None:
        return self._aliases.get((account_id, region, name))

    async def aliases(
        self, account_id: str, region: str, key_id: str = "", after: str = "", limit: int = 1000
    ) -> Sequence[KeyAlias]:
        found = [alias for place, alias in sorted(self._aliases.items()) if place[:2] == (account_id, region)]
        return [alias for alias in found if alias.name > after and key_id in ("", alias.key_id)][:limit]

    async def point_alias(self, alias: KeyAlias) -> None:
        self._check_target(alias)
        current = self._aliases.get(_place(alias))
        if current is None:
            raise AliasNotFound(alias.arn)
        self._aliases[_place(alias)] = replace(current, key_id=alias.key_id, updated_at=alias.updated_at)

    async def delete_alias(self, account_id: str, region: str, name: str) -> None:
        if self._aliases.pop((account_id, region, name), None) is None:
            raise AliasNotFound(name)

    def _living(self) -> list[Key]:
        now = self._clock.now()
        stored = (self._keys[key_id] for key_id in sorted(self._keys))
        return [self._shown(key) for key in stored if key.deletion_at is None or key.deletion_at > now]

    def _shown(self, key: Key) -> Key:
        names = sorted(alias.name for alias in self._aliases.values() if alias.key_id == key.key_id)
        return replace(key, material_id=self._versions[key.key_id][-1][1].material_id, aliases=tuple(names))

    def _check(self, key_id: str) -> None:
        if key_id not in self._keys:
            raise KeyNotFound(key_id)

    def _check_target(self, alias: KeyAlias) -> None:
        key = self._keys.get(alias.key_id)
        if key is None or (key.account_id, key.region) != (alias.account_id, alias.region):
            raise KeyNotFound(alias.key_id)


def _place(alias: KeyAlias) -> tuple[str, str, str]:
    return (alias.account_id, alias.region, alias.name)
