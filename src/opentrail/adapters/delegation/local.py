"""Registered delegated administrators in a file of the home: a JSON object with ``accounts``, replaced whole."""

import asyncio
import os
from collections.abc import Collection
from pathlib import Path

import orjson

from opentrail.errors import OperatorError
from opentrail.ports import Unavailable
from opentrail.resource.organization import Organization


class LocalDelegation:
    """Implements Delegation over ``path``. Raises OperatorError for a file that is damaged.

    An account that is no member of the organization (any more) counts for nothing, and again once it is.
    """

    def __init__(self, path: Path, organization: Organization | None) -> None:
        self._path = path
        self._settled = organization
        self._registered = _read(path)
        self._writing = asyncio.Lock()

    @property
    def organization(self) -> Organization | None:
        return None if self._settled is None else self._settled.with_administrators(self._registered)

    def is_named_by_settings(self, account_id: str) -> bool:
        return self._settled is not None and account_id in self._settled.delegated_administrators

    async def register(self, account_id: str) -> None:
        async with self._writing:
            await self._keep(self._registered | {account_id})

    async def deregister(self, account_id: str) -> None:
        async with self._writing:
            await self._keep(self._registered - {account_id})

    async def _keep(self, accounts: frozenset[str]) -> None:
        try:
            await asyncio.to_thread(_write, self._path, accounts)
        except OSError as error:
            raise Unavailable(f"{self._path} cannot be written: {error.strerror}") from error
        self._registered = accounts


def _read(path: Path) -> frozenset[str]:
    try:
        return frozenset(map(str, orjson.loads(path.read_bytes())["accounts"]))
    except FileNotFoundError:
        return frozenset()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OperatorError(
            f"{path} is damaged: restore it, or remove it and register the delegated administrators again"
        ) from error


def _write(path: Path, accounts: Collection[str]) -> None:
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        file.write(orjson.dumps({"accounts": sorted(accounts)}))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
