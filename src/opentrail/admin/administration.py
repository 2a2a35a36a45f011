"""The operator's commands as methods: JSON-ready arguments in, JSON-ready answers out."""

import re

from opentrail.admin.archives import ArchiveAdministration
from opentrail.admin.identities import (
    Answer,
    Command,
    IdentityAdministration,
    Record,
    check_account,
    new_root_credential,
)
from opentrail.clock import Clock, Identifiers
from opentrail.errors import OperatorError
from opentrail.ports.archives import Archives
from opentrail.ports.identity_store import IdentityStore
from opentrail.ports.key_ring import KeyRing
from opentrail.ports.signer import Signer
from opentrail.ports.trail_store import TrailStore

__all__ = ["Administration", "Answer", "Record", "check_account", "new_root_credential"]

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Administration(IdentityAdministration):
    """The operator's commands over one installation's stores. Each change is on record before it is answered.

    Changes of identities are on record before they take effect (``identities`` says why), those of archives as
    ``archives`` says. A new signing key gives nobody anything and hides nothing, and what it is called is known only
    once it is there: it is recorded right after. Every method raises OperatorError, a sentence that says what to do.
    """

    def __init__(
        self,
        *,
        account_id: str,
        region: str,
        identities: IdentityStore,
        archives: Archives,
        trails: TrailStore,
        key_ring: KeyRing,
        signer: Signer,
        record: Record,
        clock: Clock,
        identifiers: Identifiers,
    ) -> None:
        super().__init__(
            account_id=account_id, identities=identities, record=record, clock=clock, identifiers=identifiers
        )
        self._region = region
        self._signer = signer
        self.archives = ArchiveAdministration(
            account_id=account_id,
            region=region,
            archives=archives,
            identities=identities,
            trails=trails,
            key_ring=key_ring,
            record=record,
            clock=clock,
        )

    def commands(self) -> dict[str, Command]:
        """Return what the control socket may call, by name."""
        return {**super().commands(), **self.archives.commands(), "rotate_signing_key": self.rotate_signing_key}

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
