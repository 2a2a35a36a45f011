"""A local archive's bucket: objects as files below a folder, served as an ObjectStore and an ArchiveStore.

``ObjectFiles`` knows the files, ``encrypted_body`` the bytes of those that are encrypted; here they meet the archive's
rules, its time and the key ring. Trails of one process put; any number of processes may read.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

from opentrail.adapters.object_store import encrypted_body
from opentrail.adapters.object_store.archive_time import ArchiveTime
from opentrail.adapters.object_store.object_files import Found, ObjectFiles, etag_of
from opentrail.adapters.object_store.sidecar import Place, Sidecar
from opentrail.arn import root_arn
from opentrail.clock import SystemClock
from opentrail.policy.evaluation import RequestPrincipal
from opentrail.ports import Unavailable
from opentrail.ports.archives import ArchivedObject, NotEmpty, ObjectLocked
from opentrail.ports.key_ring import (
    TRAIL_CONTEXT,
    BlobInvalid,
    KeyAccessRefused,
    KeyCaller,
    KeyDisabled,
    KeyNotFound,
    KeyRing,
    delivery_caller,
)
from opentrail.ports.object_store import AccessRefused, AlreadyExists, ObjectSummary
from opentrail.resource.archive import (
    COLD_STORAGE_CLASS,
    Archive,
    ObjectLock,
    Retention,
    retention_refusal,
)

_PAGE = 500
"""Objects listed per step of the worker thread."""

_VERSION_BYTES = 24
"""Written in hex: base64 can begin with a dash, which command lines take for an option."""

_OBJECT_CONTEXT = "aws:s3:arn"
"""The member of the encryption context that names the object, as S3 puts it there."""

_Result = TypeVar("_Result")


class LocalBucket:
    """The objects of one archive, under its rules. ``keys`` is None where nothing can be encrypted or read so."""

    def __init__(
        self,
        folder: Path,
        archive: Archive | None = None,
        *,
        keys: KeyRing | None = None,
        time: ArchiveTime | None = None,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._time = time or ArchiveTime(folder / "time.json", SystemClock())
        self._files = ObjectFiles(folder)
        self.set_rules(archive or Archive(folder.name, "us-east-1", "", datetime.fromtimestamp(0, UTC)))

    def set_rules(self, archive: Archive) -> None:
        """Go by these rules from now on."""
        self._archive = archive
        self._files.cold = Path(archive.cold.folder) / archive.name if archive.cold else None

    async def put_if_absent(
        self,
        key: str,
        body: bytes,
        *,
        content_type: str,
        content_encoding: str = "",
        metadata: Mapping[str, str] | None = None,
        encryption_context: Mapping[str, str] | None = None,
        kms_key_id: str = "",
    ) -> None:
        kms_key = kms_key_id or self._archive.kms_key_arn
        file, key_arn = body, ""
        if kms_key:
            file, key_arn = await self._encrypted(key, body, kms_key, encryption_context or {})
        try:
            await self._run(
                lambda: self._files.put(
                    key,
                    file,
                    Sidecar(
                        etag=etag_of(file),
                        content_type=content_type,
                        content_encoding=content_encoding,
                        metadata={name.lower(): value for name, value in (metadata or {}).items()},
                        version_id=secrets.token_hex(_VERSION_BYTES),
                        size_bytes=len(body),
                        kms_key_arn=key_arn,
                        **self._stamped(),
                    ),
                ),
                f"cannot store {key}",
            )
        except AlreadyExists:
            if not key_arn or not await self._run(lambda: self._holds(key, body), f"cannot read {key}"):
                raise

    def _stamped(self) -> dict[str, Any]:
        """Return when an object is written that is written now, and what locks it."""
        now, rule = self._time.latest(), self._archive.lock
        retention = Retention(rule.mode, now + timedelta(days=rule.days)) if rule is not None else None
        return {"written_at": now, "lock": ObjectLock(retention)}

    def _holds(self, key: str, body: bytes) -> bool:
        """Say whether an encrypted object was made of ``body``: who puts after a crash may not be let decrypt."""
        _, file = self._files.read(key)
        if not encrypted_body.is_encrypted(file):
            return False
        return encrypted_body.read_header(file).sha256 == encrypted_body.sha256_hex(body)

    async def _encrypted(self, key: str, body: bytes, kms_key: str, context: Mapping[str, str]) -> tuple[bytes, str]:
        context = {**context, _OBJECT_CONTEXT: self._object_arn(key)}
        caller = delivery_caller(context[TRAIL_CONTEXT]) if TRAIL_CONTEXT in context else self._owner()
        ring = self._key_ring()
        try:
            data_key = await ring.generate_data_key(kms_key, context, caller)
        except (KeyNotFound, KeyDisabled, KeyAccessRefused) as error:
            raise _refused(error) from error

        def work() -> bytes:
            header = encrypted_body.Header(data_key.key_arn, context, data_key.blob, encrypted_body.sha256_hex(body))
            return encrypted_body.encrypt(body, data_key.plaintext, header)

        return await asyncio.to_thread(work), data_key.key_arn

    async def get(self, key: str) -> ArchivedObject:
        """Read as the owner; altered bodies as ``read`` does."""
        return await self.read(key)

    async def read(self, key: str, caller: KeyCaller | None = None) -> ArchivedObject:
        """Read as the port says. An encrypted body that does not open comes as it lies on the disk: whoever verifies it
        finds that it was altered, AWS's verifier too, which ends at an error instead of naming the file."""
        found, file = await self._load(key)
        return await self._opened(found, file, caller or self._owner())

    async def _load(self, key: str) -> tuple[Found, bytes]:
        return await self._run(lambda: self._files.read(key), f"cannot read {key}")

    async def _opened(self, found: Found, file: bytes, caller: KeyCaller) -> ArchivedObject:
        if not encrypted_body.is_encrypted(file):
            return self._object(found, file)
        try:
            header = self._header_of(found.key, file)
            plaintext = await self._key_ring().decrypt(header.data_key, header.context, caller)
            body = await asyncio.to_thread(encrypted_body.decrypt, file, plaintext)
        except (encrypted_body.BodyBroken, BlobInvalid):
            return self._object(found, file)
        except (KeyNotFound, KeyDisabled, KeyAccessRefused) as error:
            # A flipped bit may name a key that nobody has, or a context that the key's policy refuses.
            if await self._key_ring().is_altered(header.data_key, header.context, header.key_arn):
                return self._object(found, file)
            raise _refused(error) from error
        return self._object(found, body, header.key_arn)

    def _header_of(self, key: str, file: bytes) -> encrypted_body.Header:
        header = encrypted_body.read_header(file)
        if header.context.get(_OBJECT_CONTEXT) != self._object_arn(key):
            raise encrypted_body.BodyBroken("it is another object's")
        return header

    async def describe(self, key: str) -> ArchivedObject:
        found = await self._run(lambda: self._files.find(key), f"cannot read {key}")
        return await self._run(lambda: self._object(found), f"cannot read {key}")

    async def list(self, prefix: str, start_after: str = "") -> AsyncIterator[ObjectSummary]:
        async for item in self.describe_all(prefix, start_after):
            yield item.summary

    async def describe_all(
        self, prefix: str = "", start_after: str = "", delimiter: str = ""
    ) -> AsyncIterator[ArchivedObject]:
        walk = self._files.walk(prefix.encode(), start_after.encode(), delimiter.encode())
        while page := await self._run(lambda: [self._object(found) for found in islice(walk, _PAGE)], "cannot list"):
            for item in page:
                yield item

    async def check_delivery(self, marker_key: str, trail_arn: str, *, kms_key_id: str = "") -> None:
        try:
            context = {TRAIL_CONTEXT: trail_arn}
            await self.put_if_absent(
                marker_key, b"", content_type="application/x-directory", encryption_context=context
            )
        except AlreadyExists:
            return

    async def set_retention(self, key: str, retention: Retention | None, *, may_bypass: bool = False) -> None:
        def changed(found: Found) -> ObjectLock:
            lock = self._lock_of(found)
            reason = retention_refusal(lock.retention, retention, self._time.earliest(), may_bypass=may_bypass)
            if reason:
                raise ObjectLocked(f"{key}: {reason}")
            return ObjectLock(retention, lock.has_legal_hold)

        await self._run(lambda: self._files.change(key, changed), f"cannot lock {key}")

    async def set_legal_hold(self, key: str, *, is_on: bool) -> None:
        def changed(found: Found) -> ObjectLock:
            return ObjectLock(self._lock_of(found).retention, is_on)

        await self._run(lambda: self._files.change(key, changed), f"cannot lock {key}")

    async def delete(self, key: str, *, may_bypass: bool = False) -> None:
        await self._run(
            lambda: self._files.delete(key, lambda found: self._check(found, may_bypass=may_bypass)),
            f"cannot delete {key}",
        )

    async def check_deletable(self, key: str, *, may_bypass: bool = False) -> None:
        await self._run(lambda: self._check(self._files.find(key), may_bypass=may_bypass), f"cannot read {key}")

    def _check(self, found: Found, *, may_bypass: bool) -> None:
        reason = self._lock_of(found).refusal(self._time.earliest(), may_bypass=may_bypass)
        if reason:
            raise ObjectLocked(f"{found.key} cannot be deleted: {reason}")

    def check_removable(self, *, purge: bool) -> None:
        """Raise NotEmpty or ObjectLocked for the first object that the archive may not be deleted with; blocks."""
        for found in self._files.walk(b"", b""):
            if not purge:
                raise NotEmpty(f"{self._archive.name} holds objects, the first is {found.key}")
            self._check(found, may_bypass=False)

    async def move_to_cold(self, key: str) -> None:
        await self._run(lambda: self._files.move_to_cold(key), f"cannot move {key}")

    def _lock_of(self, found: Found) -> ObjectLock:
        """Return an object's lock; where no sidecar tells, the one that the archive's rule would have given it."""
        rule = self._archive.lock
        if found.sidecar.is_sound or rule is None:
            return found.sidecar.lock
        return ObjectLock(Retention(rule.mode, found.written_at + timedelta(days=rule.days)))

    def _object(self, found: Found, body: bytes = b"", kms_key_arn: str = "") -> ArchivedObject:
        sidecar, is_cold = found.sidecar, found.sidecar.place is Place.COLD
        storage_class = COLD_STORAGE_CLASS if is_cold else "STANDARD"
        return ArchivedObject(
            ObjectSummary(found.key, found.size_bytes, found.written_at, found.etag, storage_class),
            body,
            sidecar.content_type,
            sidecar.content_encoding,
            sidecar.metadata,
            version_id=sidecar.version_id,
            lock=self._lock_of(found),
            kms_key_arn=kms_key_arn or sidecar.kms_key_arn,
            is_cold=is_cold,
        )

    def _object_arn(self, key: str) -> str:
        return f"arn:aws:s3:::{self._archive.name}/{key}"

    def _owner(self) -> KeyCaller:
        account_id = self._archive.account_id
        return KeyCaller(RequestPrincipal(account_id, root_arn(account_id), is_root=True))

    def _key_ring(self) -> KeyRing:
        if self._keys is None:
            raise Unavailable(f"the archive {self._archive.name} is encrypted, and there is no key ring here")
        return self._keys

    async def _run(self, work: Callable[[], _Result], failure: str) -> _Result:
        try:
            return await asyncio.to_thread(work)
        except OSError as error:
            raise Unavailable(f"{failure}: {error.strerror or error}") from error


def _refused(error: KeyNotFound | KeyDisabled | KeyAccessRefused) -> AccessRefused:
    """Return a key's refusal as S3 tells it."""
    if isinstance(error, KeyNotFound):
        return AccessRefused("KMS.NotFoundException", str(error))
    if isinstance(error, KeyDisabled):
        return AccessRefused("KMS.DisabledException", str(error))
    return AccessRefused("AccessDenied", str(error))
