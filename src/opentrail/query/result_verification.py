"""Whether a delivered query result is as it was delivered: the files' hashes, and the signature over them."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from opentrail.digest.result_sign import (
    MAX_SIGN_FILE_BYTES,
    ResultSign,
    ResultSignInvalid,
    parse_result_sign,
    result_signing_text,
)
from opentrail.digest.signing import is_signature_of, load_public_key
from opentrail.ports.object_store import ObjectNotFound, ObjectStore
from opentrail.query.log_validation import PublicKeySource
from opentrail.resource.result_layout import SIGN_FILE_NAME

KEYS_AROUND = timedelta(hours=1)
"""How far around the query's end public keys are looked for, as the service's documentation has it done."""

_READ_BYTES = 1 << 20


class ResultVerdict(StrEnum):
    """What was found of one file."""

    VALID = "valid"
    ALTERED = "altered"
    MISSING = "missing"
    NOT_LISTED = "not listed"
    INVALID = "invalid"
    UNKNOWN_KEY = "signed with an unknown key"


@dataclass(frozen=True, slots=True)
class ResultFinding:
    """One file of a result, the sign file among them, and the verdict on it; ``detail`` says more for people."""

    name: str
    verdict: ResultVerdict
    detail: str = ""

    @property
    def is_good(self) -> bool:
        return self.verdict is ResultVerdict.VALID


class ResultFiles(Protocol):
    """The files of one result, by name."""

    async def sha256(self, name: str) -> str | None:
        """Return the hex SHA-256 of a file, None when it is not there."""
        ...

    async def sign_file(self) -> bytes | None:
        """Return the sign file, None when it is not there; no more than MAX_SIGN_FILE_BYTES and one."""
        ...

    async def names(self) -> Sequence[str]:
        """Return the names of all files, sorted."""
        ...


@dataclass(frozen=True)
class FolderFiles:
    """A result that was downloaded into a folder."""

    folder: Path

    async def sha256(self, name: str) -> str | None:
        return await asyncio.to_thread(self._sha256, name)

    async def sign_file(self) -> bytes | None:
        return await asyncio.to_thread(self._start, SIGN_FILE_NAME)

    async def names(self) -> Sequence[str]:
        return await asyncio.to_thread(lambda: sorted(path.name for path in self.folder.iterdir() if path.is_file()))

    def _sha256(self, name: str) -> str | None:
        digest = hashlib.sha256()
        try:
            with (self.folder / name).open("rb") as file:
                while block := file.read(_READ_BYTES):
                    digest.update(block)
        except FileNotFoundError:
            return None
        return digest.hexdigest()

    def _start(self, name: str) -> bytes | None:
        try:
            with (self.folder / name).open("rb") as file:
                return file.read(MAX_SIGN_FILE_BYTES + 1)
        except FileNotFoundError:
            return None


@dataclass(frozen=True)
class BucketFiles:
    """A result in a bucket, below ``prefix`` ("" or with its final slash)."""

    store: ObjectStore
    prefix: str

    async def sha256(self, name: str) -> str | None:
        body = await self._body(name)
        return None if body is None else await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())

    async def sign_file(self) -> bytes | None:
        return await self._body(SIGN_FILE_NAME)

    async def names(self) -> Sequence[str]:
        found = [summary.key.removeprefix(self.prefix) async for summary in self.store.list(self.prefix)]
        return [name for name in found if name and "/" not in name]

    async def _body(self, name: str) -> bytes | None:
        try:
            return (await self.store.get(self.prefix + name)).body
        except ObjectNotFound:
            return None


async def verify_result(files: ResultFiles, keys: PublicKeySource, region: str = "") -> list[ResultFinding]:
    """Return a finding for the sign file, each file that it lists, and each result file that it does not.

    ``region`` is where keys are asked for; without, the sign file's. Raises PortError when it cannot look.
    """
    data = await files.sign_file()
    if data is None:
        return [ResultFinding(SIGN_FILE_NAME, ResultVerdict.MISSING)]
    try:
        sign = parse_result_sign(data[:MAX_SIGN_FILE_BYTES])
        completed_at = datetime.fromisoformat(sign.completed_at)
    except ResultSignInvalid as error:
        return [ResultFinding(SIGN_FILE_NAME, ResultVerdict.INVALID, str(error))]
    except ValueError:
        return [ResultFinding(SIGN_FILE_NAME, ResultVerdict.INVALID, "its queryCompleteTime is no time")]
    findings = [await _signature(sign, completed_at, keys, region or sign.region)]
    for file in sign.files:
        found = await files.sha256(file.name)
        if found is None:
            findings.append(ResultFinding(file.name, ResultVerdict.MISSING))
        elif found != file.sha256:
            detail = f"its SHA-256 is {found}, signed is {file.sha256}"
            findings.append(ResultFinding(file.name, ResultVerdict.ALTERED, detail))
        else:
            findings.append(ResultFinding(file.name, ResultVerdict.VALID))
    listed = {SIGN_FILE_NAME, *(file.name for file in sign.files)}
    findings += [
        ResultFinding(name, ResultVerdict.NOT_LISTED)
        for name in await files.names()
        if name.startswith("result_") and name not in listed
    ]
    return findings


async def _signature(sign: ResultSign, completed_at: datetime, keys: PublicKeySource, region: str) -> ResultFinding:
    moment = completed_at if completed_at.tzinfo else completed_at.replace(tzinfo=UTC)
    listed = await keys.public_keys(region, moment - KEYS_AROUND, moment + KEYS_AROUND)
    key = next((key for key in listed if key.fingerprint == sign.fingerprint), None)
    if key is None:
        detail = f"{sign.fingerprint} is not among the keys of {region} around {sign.completed_at}"
        return ResultFinding(SIGN_FILE_NAME, ResultVerdict.UNKNOWN_KEY, detail)
    text = result_signing_text(sign.files)
    if not await asyncio.to_thread(is_signature_of, load_public_key(key.der), text, sign.signature):
        return ResultFinding(SIGN_FILE_NAME, ResultVerdict.ALTERED, "its signature is not that of the hashes it lists")
    return ResultFinding(SIGN_FILE_NAME, ResultVerdict.VALID, f"signed with the key {key.fingerprint}")
