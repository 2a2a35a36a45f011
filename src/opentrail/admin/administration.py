"""The operator's commands as methods: JSON-ready arguments in, JSON-ready answers out."""

import re

from opentrail.admin.identities import (
    Answer,
    Command,
    IdentityAdministration,
    Record,
    check_account,
    new_root_credential,
)
from opentrail.clock import Clock, Identifiers, format_time
from opentrail.errors import OperatorError
from opentrail.ports.archives import Archive, Archives
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.object_store import AlreadyExists
from opentrail.ports.signer import Signer

__all__ = ["Administration", "Answer", "Record", "check_account", "new_root_credential"]

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Administration(IdentityAdministration):
    """The operator's commands over one installation's stores. Each change is on record before it is answered.

    Changes of identities are on record before they take effect (``identities`` says why). A new archive and a new
    signing key give nobody anything and hide nothing, and what they are called is known only once they are there: they
    are recorded right after. Every method raises OperatorError with a sentence that says what to do.
    """

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        identities: IdentityStore,
        archives: Archives,
        signer: Signer,
        record: Record,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        super().__init__(
            account_id=account_id, identities=identities, record=record, clock=clock, identifiers=identifiers
        )
        self._region = region
        self._archives = archives
        self._signer = signer

    def commands(self) -> dict[str, Command]:
        """Return what the control socket may call, by name."""
        own = (self.create_archive, self.list_archives, self.rotate_signing_key)
        return {**super().commands(), **{command.__name__: command for command in own}}

    async def create_archive(self, name: str, region: str = "") -> Answer:
        """Make a local bucket that trails can deliver to and that is served read-only over S3."""
        _check_region(region)
        archive = Archive(name, region or self._region, self._account_id, self._clock.now())
        try:
            self._archives.create(archive)
        except AlreadyExists as error:
            raise OperatorError(f"the archive {name} exists already") from error
        except ValueError as error:
            raise OperatorError(f"{name} cannot be an archive's name: {error}") from error
        await self._record("s3.amazonaws.com", "CreateBucket", {"bucketName": name})
        return {"name": name, "region": archive.region}

    async def list_archives(self) -> Answer:
        """Return the local buckets."""
        return {
            "archives": [
                {"name": archive.name, "region": archive.region, "created_at": format_time(archive.created_at)}
                for archive in self._archives.list()
            ]
        }

    async def rotate_signing_key(self, region: str = "") -> Answer:
        """Start signing a Region's digests with a new key pair; the old public key stays listed."""
        _check_region(region)
        region = region or self._region
        key = await self._signer.rotate(region, self._clock.now())
        await self._record("cloudtrail.amazonaws.com", "RotateSigningKey", {"fingerprint": key.fingerprint})
        return {"region": region, "fingerprint": key.fingerprint, "valid_until": key.valid_until.date().isoformat()}


def _check_region(region: str) -> None:
    if region and not _REGION.fullmatch(region):
        raise OperatorError(f"{region[:64]!r} cannot be a Region's name, such as us-east-1")
