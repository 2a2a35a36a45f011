"""How events spell services, operations and members where the service model says otherwise."""

from datetime import UTC, datetime

import pytest

from opentrail.event.tables import load_table
from opentrail.protocol.models import service_model
from opentrail.record import names
from opentrail.record.names import denied_event_name, event_name, event_source
from tests.unit.event.test_tables import FOLDERS
from tests.unit.record.calls import recorded

TABLE = load_table(FOLDERS[1], "names")


@pytest.mark.parametrize("section", ["events", "responses"])
def test_the_table_names_operations_that_there_are(section: str) -> None:
    unknown = [
        (service, operation)
        for service, row in TABLE[section].items()
        for operation in row
        if operation not in service_model(service).operation_names
    ]

    assert unknown == []


@pytest.mark.parametrize("section", ["sources", "api_versions", "denied_suffixes", "as_sent", "unwrapped"])
def test_the_table_names_services_that_there_are(section: str) -> None:
    assert all(service_model(service).operation_names for service in TABLE[section])


def test_suffixes_are_lambdas_own_and_cloudfronts_when_denied() -> None:
    assert event_name("lambda", "UpdateFunctionCode") == "UpdateFunctionCode20150331v2"
    assert event_name("lambda", "Invoke") == "Invoke"
    assert event_name("cloudfront", "PublishFunction") == "PublishFunction"
    assert denied_event_name("cloudfront", "PublishFunction") == "PublishFunction2020_05_31"
    assert event_source("rds-data") == "rdsdata.amazonaws.com"
    assert names.api_version("cloudfront") == "2020_05_31"


def test_a_denied_call_has_the_denied_name_and_no_version() -> None:
    denied = recorded("cloudfront", "PublishFunction", {"Name": "f", "IfMatch": "e"}, code="AccessDenied")
    failed = recorded("cloudfront", "PublishFunction", {"Name": "f", "IfMatch": "e"}, code="NoSuchFunctionExists")

    assert (denied["eventName"], denied.get("apiVersion")) == ("PublishFunction2020_05_31", None)
    assert (failed["eventName"], failed["apiVersion"]) == ("PublishFunction", "2020_05_31")


def test_some_services_keep_names_and_times_as_they_were_sent() -> None:
    moment = datetime(2023, 7, 9, 12, 0, 0, 500_000, tzinfo=UTC)
    parameters = {"StartTimeRange": {"FromTime": moment, "ToTime": moment.replace(tzinfo=None)}, "Type": "REACTIVE"}

    event = recorded("devops-guru", "SearchInsights", parameters)

    assert event["requestParameters"] == {
        "StartTimeRange": {"FromTime": 1688904000.5, "ToTime": 1688904000.5},
        "Type": "REACTIVE",
    }


def test_the_sender_of_mail_is_the_identity_that_the_event_is_about() -> None:
    event = recorded("ses", "SendEmail", {"Source": "Ledger <ledger@example.com>", "ConfigurationSetName": "c"})

    assert {resource["ARN"].rpartition(":")[2] for resource in event["resources"]} == {
        "identity/ledger@example.com",
        "configuration-set/c",
    }
    assert (event["eventCategory"], event["readOnly"]) == ("Data", True)
