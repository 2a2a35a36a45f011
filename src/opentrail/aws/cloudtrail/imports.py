"""StartImport, GetImport, ListImports, ListImportFailures, StopImport (reference: api section 7)."""

import re
from dataclasses import replace

from opentrail.aws.cloudtrail.errors import (
    EventDataStoreARNInvalidException,
    InvalidNextTokenException,
    InvalidParameterException,
    OperationNotPermittedException,
)
from opentrail.aws.cloudtrail.event_data_store_views import find_active_store, store_named
from opentrail.aws.cloudtrail.import_errors import (
    AccountHasOngoingImportException,
    ImportNotFoundException,
    InvalidImportSourceException,
)
from opentrail.aws.cloudtrail.lake_errors import (
    InvalidEventDataStoreCategoryException,
    InvalidEventDataStoreStatusException,
)
from opentrail.aws.cloudtrail.page_tokens import page_of
from opentrail.aws.cloudtrail.query_access import check_permission
from opentrail.aws.cloudtrail.store_keys import check_writing
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.pipeline.imports import OngoingImport
from opentrail.ports import PortError
from opentrail.ports.object_store import BucketNotFound
from opentrail.protocol import Parameters
from opentrail.resource.event_data_store import EventDataStore, EventDataStoreKind, Status
from opentrail.resource.lake_import import ImportFailure, ImportSource, LakeImport

MAX_RESULTS = 1000
"""Imports, and failures, of one page."""

_S3_URI = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?", re.ASCII | re.DOTALL)
_REGION = re.compile(r"[a-z]{2,4}(-[a-z]+)+-\d{1,2}", re.ASCII)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.{1,512}", re.ASCII)
_NEW = ("Destinations", "ImportSource", "StartEventTime", "EndEventTime")


async def prepare_start_import(ports: ApiPorts, call: Call) -> Call:
    """Make sure that the source of a new import can be listed; raises InvalidImportSource."""
    if "ImportSource" in call.parameters and "ImportId" not in call.parameters:
        source = _import_source(call)
        try:
            async for _ in ports.object_stores.bucket(source.bucket).list(source.prefix):
                break
        except BucketNotFound as error:
            raise InvalidImportSourceException.no_bucket(source.bucket) from error
        except PortError as error:
            reason = str(error) or type(error).__name__
            raise InvalidImportSourceException.not_readable(source.bucket, reason) from error
    return call


async def start_import(ports: ApiPorts, call: Call) -> Outcome:
    """Begin a new import, or start one again that failed or was stopped."""
    parameters = call.parameters
    try:
        if "ImportId" in parameters:
            return Outcome(_import_settings(await _started_again(ports, call)))
        return Outcome(_import_settings(await _started_import(ports, call)))
    except OngoingImport as error:
        raise AccountHasOngoingImportException(str(error)) from error


async def get_import(ports: ApiPorts, call: Call) -> Outcome:
    """Show an import and how far it is."""
    return Outcome(_with_import_statistics(_import_named(ports, call)))


async def stop_import(ports: ApiPorts, call: Call) -> Outcome:
    """Stop an import; what it brought stays, and it can be started again."""
    found = _import_named(ports, call)
    if found.status.is_final:
        raise InvalidParameterException(f"The import {found.id} has the status {found.status} and cannot be stopped.")
    return Outcome(_with_import_statistics(await ports.imports.stop(found)))


async def list_imports(ports: ApiPorts, call: Call) -> Outcome:
    """List the account's imports in the called Region, newest first; by destination and status if asked."""
    parameters = call.parameters
    found = [one for one in ports.imports.of_account(call.account_id) if one.region == call.region]
    if "Destination" in parameters:
        store = await store_named(ports, call, parameters["Destination"])
        if store is None:
            raise EventDataStoreARNInvalidException(parameters["Destination"])
        found = [one for one in found if one.destination == store.arn]
    if "ImportStatus" in parameters:
        found = [one for one in found if str(one.status) == parameters["ImportStatus"]]
    page, token = page_of(call, sorted(found, key=_newest_import_first), _newest_import_first)
    listed = [
        {
            "ImportId": one.id,
            "ImportStatus": str(one.status),
            "Destinations": [one.destination],
            "CreatedTimestamp": one.created_at,
            "UpdatedTimestamp": one.updated_at,
        }
        for one in page
    ]
    return Outcome({"Imports": listed, **token})


async def list_import_failures(ports: ApiPorts, call: Call) -> Outcome:
    """List what of an import failed, in the order in which it was found."""
    parameters = call.parameters
    found = ports.imports.find(parameters["ImportId"], call.account_id)
    if found is None or found.region != call.region:
        raise InvalidParameterException(f"The import {parameters['ImportId']} was not found.")
    start = _failure_place(parameters.get("NextToken", ""), found)
    failures, after = await ports.imports.failures(found, start, parameters.get("MaxResults", MAX_RESULTS))
    output: Parameters = {"Failures": [_shown_failure(one) for one in failures]}
    if after is not None:
        output["NextToken"] = f"{found.id}.{found.failures_file}.{after}"
    return Outcome(output)


async def _started_import(ports: ApiPorts, call: Call) -> LakeImport:
    parameters = call.parameters
    if "ImportSource" not in parameters or not parameters.get("Destinations"):
        raise InvalidParameterException("You must specify Destinations and ImportSource, or the ImportId alone.")
    source = _import_source(call)
    start, end = parameters.get("StartEventTime"), parameters.get("EndEventTime")
    if start is not None and end is not None and start > end:
        raise InvalidParameterException("StartEventTime must not be later than EndEventTime.")
    store = await find_active_store(ports, call, parameters["Destinations"][0])
    _check_import_destination(call, store)
    await check_writing(ports, store)
    return await ports.imports.start(store, source, start, end)


async def _started_again(ports: ApiPorts, call: Call) -> LakeImport:
    known = ports.imports.find(call.parameters["ImportId"], call.account_id)
    await check_permission(ports, call, "*" if known is None else known.destination)
    if any(member in call.parameters for member in _NEW):
        raise InvalidParameterException("An ImportId cannot be combined with the parameters of a new import.")
    found = _import_named(ports, call)
    if not found.status.is_final:
        raise AccountHasOngoingImportException(found.id)
    store = await find_active_store(ports, call, found.destination)
    _check_import_destination(call, store)
    await check_writing(ports, store)
    return await ports.imports.resume(found)


def _check_import_destination(call: Call, store: EventDataStore) -> None:
    if store.account_id != call.account_id:
        raise OperationNotPermittedException.import_by_management_account_only(store.arn)
    if store.kind is not EventDataStoreKind.CLOUDTRAIL:
        raise InvalidEventDataStoreCategoryException(store.arn, store.kind)
    if store.status not in (Status.CREATED, Status.ENABLED, Status.STOPPED_INGESTION):
        raise InvalidEventDataStoreStatusException(store.arn, store.status, "ENABLED or STOPPED_INGESTION")


def _import_source(call: Call) -> ImportSource:
    given = call.parameters["ImportSource"]["S3"]
    if _S3_URI.fullmatch(given["S3LocationUri"]) is None:
        raise InvalidImportSourceException.no_s3_uri(given["S3LocationUri"])
    if _ROLE.fullmatch(given["S3BucketAccessRoleArn"]) is None:
        raise InvalidParameterException("S3BucketAccessRoleArn must be the ARN of a role.")
    if _REGION.fullmatch(given["S3BucketRegion"]) is None:
        raise InvalidImportSourceException.no_region(given["S3BucketRegion"])
    source = ImportSource(given["S3LocationUri"], given["S3BucketRegion"], given["S3BucketAccessRoleArn"])
    # CloudTrail reads CloudTrail folders only, unless the URI itself names another prefix.
    return replace(source, is_strict=not source.prefix or "AWSLogs" in source.prefix.split("/"))


def _import_named(ports: ApiPorts, call: Call) -> LakeImport:
    import_id: str = call.parameters["ImportId"]
    found = ports.imports.find(import_id, call.account_id)
    if found is None or found.region != call.region:
        raise ImportNotFoundException(import_id)
    return found


def _import_settings(one: LakeImport) -> Parameters:
    output: Parameters = {
        "ImportId": one.id,
        "Destinations": [one.destination],
        "ImportSource": {
            "S3": {
                "S3LocationUri": one.source.uri,
                "S3BucketRegion": one.source.bucket_region,
                "S3BucketAccessRoleArn": one.source.role_arn,
            }
        },
        "ImportStatus": str(one.status),
        "CreatedTimestamp": one.created_at,
        "UpdatedTimestamp": one.updated_at,
    }
    if one.start_time is not None:
        output["StartEventTime"] = one.start_time
    if one.end_time is not None:
        output["EndEventTime"] = one.end_time
    return output


def _with_import_statistics(one: LakeImport) -> Parameters:
    statistics = {
        "PrefixesFound": one.statistics.prefixes_found,
        "PrefixesCompleted": one.statistics.prefixes_completed,
        "FilesCompleted": one.statistics.files_completed,
        "EventsCompleted": one.statistics.events_completed,
        "FailedEntries": one.statistics.failed_entries,
    }
    return _import_settings(one) | {"ImportStatistics": statistics}


def _shown_failure(failure: ImportFailure) -> Parameters:
    message = f"{failure.place}: {failure.message}" if failure.place else failure.message
    return {
        "Location": failure.location,
        "Status": failure.status,
        "ErrorType": failure.error_type,
        "ErrorMessage": message,
        "LastUpdatedTime": failure.updated_at,
    }


def _newest_import_first(one: LakeImport) -> str:
    return f"{_LAST_MILLISECOND - int(one.created_at.timestamp() * 1000):020d} {one.id}"


_LAST_MILLISECOND = 10**15


def _failure_place(token: str, one: LakeImport) -> int:
    if not token:
        return 0
    import_id, _, rest = token.partition(".")
    file, _, place = rest.partition(".")
    if import_id != one.id or file != str(one.failures_file) or not place.isascii() or not place.isdigit():
        raise InvalidNextTokenException
    return int(place)
