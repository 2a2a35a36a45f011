"""Retention periods and legal holds of single objects, and what deletes one when neither forbids it."""

from opentrail.aws.common_errors import AccessDenied
from opentrail.aws.s3.buckets import find_archive
from opentrail.aws.s3.errors import InvalidArgument, MalformedXML, NoSuchObjectLockConfiguration
from opentrail.aws.s3.mfa import check_mfa
from opentrail.aws.s3.objects import described_object
from opentrail.aws.service import ApiPorts, Call, Effect, Outcome
from opentrail.ports.archives import ObjectLocked
from opentrail.ports.object_store import ObjectNotFound
from opentrail.resource.archive import LockMode, Retention, retention_refusal

_LOCKED = "Access Denied because object protected by object lock."
_READ_ONLY = "Archives are read-only: only trails write to them."
_NO_MARKERS = "Archives take no delete markers: deleting is for good, and needs the VersionId of what is to go."


async def get_object_retention(ports: ApiPorts, call: Call) -> Outcome:
    """Answer an object's retention period; raises NoSuchObjectLockConfiguration when it has none."""
    found = await described_object(ports, call)
    held = found.lock.retention
    if held is None:
        raise NoSuchObjectLockConfiguration(found.summary.key)
    return Outcome({"Retention": {"Mode": held.mode.value, "RetainUntilDate": held.until}})


async def get_object_legal_hold(ports: ApiPorts, call: Call) -> Outcome:
    """Answer whether a legal hold is on an object."""
    found = await described_object(ports, call)
    return Outcome({"LegalHold": {"Status": "ON" if found.lock.has_legal_hold else "OFF"}})


async def put_object_retention(ports: ApiPorts, call: Call) -> Outcome:
    """Extend an object's period; shorten it in governance mode for who may bypass that and says so."""
    found = await described_object(ports, call)
    retention = _asked_retention(call)
    may_bypass = bool(call.parameters.get("BypassGovernanceRetention"))
    if retention_refusal(found.lock.retention, retention, ports.archives.now(), may_bypass=may_bypass):
        raise AccessDenied(_LOCKED)
    store, key = ports.archives.store(call.parameters["Bucket"]), found.summary.key
    return Outcome(after=_told(lambda: store.set_retention(key, retention, may_bypass=may_bypass)))


def _asked_retention(call: Call) -> Retention | None:
    asked = call.parameters.get("Retention", {})
    mode, until = asked.get("Mode"), asked.get("RetainUntilDate")
    if mode is None and until is None:
        return None
    if mode not in list(LockMode) or until is None:
        raise MalformedXML
    if until <= call.received_at:
        raise InvalidArgument.past_retention()
    return Retention(LockMode(mode), until)


async def put_object_legal_hold(ports: ApiPorts, call: Call) -> Outcome:
    """Put a legal hold on an object, or lift it."""
    found = await described_object(ports, call)
    status = call.parameters.get("LegalHold", {}).get("Status")
    if status not in ("ON", "OFF"):
        raise MalformedXML
    store, key = ports.archives.store(call.parameters["Bucket"]), found.summary.key
    return Outcome(after=_told(lambda: store.set_legal_hold(key, is_on=status == "ON")))


async def delete_object(ports: ApiPorts, call: Call) -> Outcome:
    """Delete an object for good, where the archive's rules say when that may be: not while it is locked, and with the
    owner's one-time code where the archive asks for it. The call is on record before anything is gone."""
    archive = find_archive(ports, call)
    if not archive.admits_deletes:
        raise AccessDenied(_READ_ONLY)
    if "VersionId" not in call.parameters:
        raise AccessDenied(_NO_MARKERS)
    found = await described_object(ports, call)
    store, key = ports.archives.store(archive.name), found.summary.key
    may_bypass = bool(call.parameters.get("BypassGovernanceRetention"))
    try:
        await store.check_deletable(key, may_bypass=may_bypass)
    except ObjectLocked as error:
        raise AccessDenied(_LOCKED) from error
    if archive.needs_mfa_delete:
        await check_mfa(ports, call, archive.account_id)
    gone = _told(lambda: store.delete(key, may_bypass=may_bypass))
    return Outcome({"VersionId": found.version_id}, http_status=204, after=gone)


def _told(effect: Effect) -> Effect:
    """Return ``effect`` with what may have happened since it was checked told as S3 tells it."""

    async def told() -> None:
        try:
            await effect()
        except ObjectLocked as error:
            raise AccessDenied(_LOCKED) from error
        except ObjectNotFound:
            return  # another call was faster

    return told
