"""Every operation that the corpus has a record of is classified as the record says, whatever its service."""

import os
from collections import defaultdict
from functools import cache
from typing import Any

import botocore.session
import pytest

from opentrail.event.categories import is_data_event, is_read_only
from opentrail.event.fields import minor_version
from opentrail.protocol.models import service_model
from opentrail.record.names import api_version, denied_event_name, event_name, event_source
from tests.conformance.records.test_received_records import RECORDS
from tests.conformance.records.witnesses import CORPUS

if not CORPUS.is_dir() and not os.environ.get("CI"):
    pytest.skip(f"no corpus at {CORPUS}", allow_module_level=True)

NO_OPERATION = {
    ("agreement-marketplace.amazonaws.com", "AcceptAgreementRequest"),
    ("rds.amazonaws.com", "DescribeRecommendationGroups"),
    ("rds.amazonaws.com", "DescribeRecommendations"),
    ("s3.amazonaws.com", "GetStorageLensDashboardDataInternal"),
    ("servicecatalog-appregistry.amazonaws.com", "ListApplications"),
    ("ssm.amazonaws.com", "ListInstanceAssociations"),
    ("ssm.amazonaws.com", "UpdateInstanceAssociationStatus"),
    ("ssm.amazonaws.com", "UpdateInstanceInformation"),
    ("sso-directory.amazonaws.com", "CreateUser"),
}
"""Calls of consoles and agents that no service model has, or has under another endpoint."""

API_CALLS = [record for record in RECORDS if record.get("eventType") == "AwsApiCall"]
LEAST_OPERATIONS = 360


def test_every_recorded_call_is_an_operation_we_know() -> None:
    unknown = {_key(record) for record in API_CALLS if not _operations(*_key(record))}

    assert unknown == NO_OPERATION


def test_every_operation_is_classified_as_its_records_are() -> None:
    different = []
    for record, operations in KNOWN:
        ours = {(is_read_only(*operation), not is_data_event(*operation)) for operation in operations}
        said = record.get("readOnly"), record.get("managementEvent")
        if None not in said and said not in ours:
            different.append((record["eventName"], said))

    assert different == []
    assert len({operations[0] for _, operations in KNOWN}) >= LEAST_OPERATIONS


def test_api_version_is_there_where_records_have_it_and_not_of_denied_calls() -> None:
    different = []
    for record, operations in KNOWN:
        is_denied = record.get("errorCode") == "AccessDenied"
        ours = {None if is_denied else api_version(service) for service, _ in operations}
        if minor_version(record.get("eventVersion", "1.0")) >= 8 and record.get("apiVersion") not in ours:
            different.append((record["eventName"], record.get("apiVersion")))

    assert different == []


def _key(record: dict[str, Any]) -> tuple[str, str]:
    return record["eventSource"], record["eventName"]


@cache
def _operations(source: str, name: str) -> list[tuple[str, str]]:
    return [
        (service, operation)
        for service in _services()[source]
        for operation in service_model(service).operation_names
        if name in (event_name(service, operation), denied_event_name(service, operation))
    ]


@cache
def _services() -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for service in botocore.session.Session().get_available_services():
        found[event_source(service)].append(service)
    return found


KNOWN = [(record, operations) for record in API_CALLS if (operations := _operations(*_key(record)))]
"""Records with the operations that they may be of: sibling services share source and names."""
