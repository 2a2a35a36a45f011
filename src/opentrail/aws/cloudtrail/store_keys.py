"""KMS keys of event data stores: given once, used by CloudTrail and by who queries (docs/formats/lake.md)."""

from base64 import b64decode
from collections.abc import Iterable
from dataclasses import replace

from opentrail.aws.authorization import key_caller
from opentrail.aws.cloudtrail.errors import (
    InsufficientEncryptionPolicyException,
    KmsException,
    KmsKeyNotFoundException,
)
from opentrail.aws.service import ApiPorts, Call
from opentrail.ports.key_ring import (
    TRAIL_CONTEXT,
    BlobInvalid,
    KeyAccessRefused,
    KeyCaller,
    KeyDisabled,
    KeyNotFound,
)
from opentrail.ports.lake_keys import STORE_CALLER, new_data_key
from opentrail.resource.event_data_store import EventDataStore


async def store_with_key(ports: ApiPorts, call: Call, store: EventDataStore) -> EventDataStore:
    """Return ``store`` with the key that the call names, if it names one, and a data key of its own.

    Ids and alias names mean keys of the store's account in its home Region, where the key has to be. A store's key is
    never changed. Raises KmsKeyNotFound, Kms, InsufficientEncryptionPolicy.
    """
    if "KmsKeyId" not in call.parameters:
        return store
    given: str = call.parameters["KmsKeyId"]
    try:
        key = await ports.key_ring.describe(given, store.account_id, store.home_region)
        if key.region != store.home_region:
            raise KmsKeyNotFoundException(given, "event data store")
        if store.kms_key_id:
            if store.kms_key_id != key.arn:
                raise KmsException.fixed(store.arn, store.kms_key_id)
            return store
        sealed = await new_data_key(ports.key_ring, key.arn, store.arn)
    except KeyNotFound as error:
        raise KmsKeyNotFoundException(given, "event data store") from error
    except KeyDisabled as error:
        raise KmsException.unusable(given) from error
    except KeyAccessRefused as error:
        raise InsufficientEncryptionPolicyException("", given) from error
    return replace(store, kms_key_id=key.arn, sealed_data_key=sealed)


async def check_reading(ports: ApiPorts, call: Call, stores: Iterable[EventDataStore]) -> None:
    """Raise InsufficientEncryptionPolicy unless CloudTrail, and the caller, may decrypt with the key of each store that
    has one."""
    for store in stores:
        if store.kms_key_id:
            await check_writing(ports, store)
            await _check_use(ports, store, await key_caller(ports.identities, call, "cloudtrail"))


async def check_writing(ports: ApiPorts, store: EventDataStore) -> None:
    """Raise InsufficientEncryptionPolicy unless CloudTrail may use the store's key, if it has one."""
    if store.kms_key_id:
        await _check_use(ports, store, STORE_CALLER)


async def _check_use(ports: ApiPorts, store: EventDataStore, caller: KeyCaller) -> None:
    try:
        await ports.key_ring.decrypt(b64decode(store.sealed_data_key), {TRAIL_CONTEXT: store.arn}, caller)
    except (KeyNotFound, KeyDisabled, KeyAccessRefused, BlobInvalid) as error:
        raise InsufficientEncryptionPolicyException("", store.kms_key_id) from error
