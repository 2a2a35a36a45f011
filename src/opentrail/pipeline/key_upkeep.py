"""What time does to keys: automatic rotation, and the destruction of keys whose deletion was scheduled."""

import asyncio
from datetime import timedelta
from typing import Any

import structlog

from opentrail.clock import Clock, Identifiers
from opentrail.envelope import material_id, new_material
from opentrail.event.encoding import encode_event
from opentrail.pipeline.regions import RegionRegister
from opentrail.ports import Unavailable
from opentrail.ports.journal import EventEntry, Journal
from opentrail.ports.key_store import KeyStore
from opentrail.record.service_events import service_event
from opentrail.resource.key import Key

UPKEEP_SECONDS = 600.0
"""How late a rotation or a destruction may come. A key past its time of deletion is not there in the meantime."""

KEY_SOURCE = "kms.amazonaws.com"
_KEY_TYPE = "AWS::KMS::Key"

_log = structlog.get_logger()


class KeyUpkeep:
    """Rotates and destroys keys when it is time, each on record before it takes effect."""

    def __init__(
        self, keys: KeyStore, journal: Journal, regions: RegionRegister, clock: Clock, identifiers: Identifiers
    ) -> None:
        self._keys = keys
        self._journal = journal
        self._regions = regions
        self._clock = clock
        self._identifiers = identifiers

    async def run(self) -> None:
        """Do what is due at once and then every UPKEEP_SECONDS, until cancelled."""
        while True:
            try:
                await self.catch_up()
            except Unavailable as error:
                _log.warning("keys could not be rotated or destroyed; trying again", error=str(error))
            await asyncio.sleep(UPKEEP_SECONDS)

    async def catch_up(self) -> None:
        """Do all that is due now. A key that missed several rotations gets one. Raises Unavailable: the rest is done
        the next time."""
        now = self._clock.now()
        while due := await self._keys.due(now):
            for key in due:
                if key.deletion_at is not None and key.deletion_at <= now:
                    await self._destroy(key)
                else:
                    await self._rotate(key)

    async def _destroy(self, key: Key) -> None:
        await self._record("DeleteKey", key, {"keyId": key.key_id})
        await self._keys.destroy(key.key_id, self._clock.now())

    async def _rotate(self, key: Key) -> None:
        now, material = self._clock.now(), new_material()
        details = {
            "keyId": key.key_id,
            "keyOrigin": "AWS_KMS",
            "rotationType": "AUTOMATIC",
            "previousKeyMaterialId": key.material_id,
            "currentKeyMaterialId": material_id(material),
        }
        await self._record("RotateKey", key, details)
        next_at = (now + timedelta(days=key.rotation_period_days)).replace(microsecond=0)
        await self._keys.rotate(key.key_id, material, now, is_on_demand=False, next_at=next_at)

    async def _record(self, event_name: str, key: Key, details: dict[str, Any]) -> None:
        event = service_event(
            KEY_SOURCE,
            event_name,
            details,
            key.account_id,
            key.region,
            self._clock.now(),
            event_id=self._identifiers.uuid(),
            resources=[(_KEY_TYPE, key.arn)],
        )
        await self._regions.enable(key.region)
        await self._journal.append([EventEntry(encode_event(event))])
