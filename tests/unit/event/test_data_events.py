"""Every resource type that selectors accept is accounted for, and every data event can be selected by its type."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from opentrail.event import categories
from opentrail.event.categories import data_event_rows, is_data_event, is_row_of
from opentrail.event.tables import load_table
from opentrail.pattern.selectable import DATA_RESOURCE_TYPES
from opentrail.protocol.models import service_model
from opentrail.record.resources import Place, resource_rules
from tests.unit.record.calls import filled

TABLE = load_table(Path(categories.__file__).parent / "data", "data_events")
ROWS: list[Mapping[str, Any]] = TABLE["rows"]
SERVICES = sorted({row["service"] for row in ROWS})
PLACE = Place("aws", "eu-west-1", "111122223333")
LEAST_TYPES_TOLD = 90


def operations(row: Mapping[str, Any]) -> Iterator[str]:
    """Yield the operations that a row is about, as the service model names them."""
    yield from (name for name in service_model(row["service"]).operation_names if is_row_of(row, name))


def test_every_type_that_selectors_accept_is_told_or_has_a_reason_once() -> None:
    told = {row["type"] for row in ROWS}
    untold = [kind for group in TABLE["untold"] for kind in group["types"]]

    assert sorted([*told, *untold]) == sorted(DATA_RESOURCE_TYPES)
    assert len(told) >= LEAST_TYPES_TOLD
    assert all(group["why"].endswith(".") for group in TABLE["untold"])


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['type']}-{row['service']}")
def test_a_row_names_operations_that_the_service_has(row: Mapping[str, Any]) -> None:
    named = row["operations"]
    known = set(operations(row))

    assert known
    assert named == ["*"] or named == "*" or set(named) == known
    assert all(is_data_event(row["service"], name) for name in known)


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "s3"])
def test_a_data_event_lists_a_resource_of_one_of_its_types(service: str) -> None:
    for name in (name for name in service_model(service).operation_names if is_data_event(service, name)):
        model = service_model(service).operation_model(name)
        parameters = filled(model.input_shape, lambda shape, member, secret: "thing-1", lambda shape, member: False)
        members = () if model.input_shape is None else model.input_shape.members

        rules = resource_rules(service, name, members, ())

        assert rules is not None, name
        kinds = {resource["type"] for resource in rules.in_request(parameters or {}, PLACE)}
        types = {row["type"] for row in data_event_rows(service) if is_row_of(row, name)}
        by_arn_alone = {row["type"] for row in data_event_rows(service) if "arn" not in row and not row.get("always")}
        assert kinds & types or types <= by_arn_alone, name


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "expected"),
    [
        (
            "sns",
            "Publish",
            {"TargetArn": "arn:aws:sns:eu-west-1:1:endpoint/GCM/app/1"},
            [("AWS::SNS::PlatformEndpoint", "arn:aws:sns:eu-west-1:1:endpoint/GCM/app/1")],
        ),
        (
            "sns",
            "Publish",
            {"TargetArn": "arn:aws:sns:eu-west-1:1:t"},
            [("AWS::SNS::Topic", "arn:aws:sns:eu-west-1:1:t")],
        ),
        ("sns", "Publish", {"PhoneNumber": "+1"}, []),
        (
            "bedrock-agent-runtime",
            "InvokeAgent",
            {"agentId": "A", "agentAliasId": "B", "sessionId": "s"},
            [("AWS::Bedrock::AgentAlias", "arn:aws:bedrock:eu-west-1:111122223333:agent-alias/A/B")],
        ),
        (
            "geo-maps",
            "GetTile",
            {},
            [("AWS::GeoMaps::Provider", "arn:aws:geo-maps:eu-west-1::provider/default")],
        ),
        ("xray", "PutTraceSegments", {}, [("AWS::XRay::Trace", None)]),
        ("kinesis", "GetRecords", {"ShardIterator": "x"}, [("AWS::Kinesis::Stream", None)]),
        (
            "payment-cryptography-data",
            "EncryptData",
            {"KeyIdentifier": "alias/pins"},
            [
                ("AWS::PaymentCryptography::Alias", "arn:aws:payment-cryptography:eu-west-1:111122223333:alias/pins"),
                ("AWS::PaymentCryptography::Key", None),
            ],
        ),
        ("dataexchange", "SendApiAsset", {"AssetId": "a"}, []),
    ],
)
def test_resources_are_named_as_their_type_has_it(
    service: str, operation: str, parameters: dict[str, str], expected: list[tuple[str, str | None]]
) -> None:
    shape = service_model(service).operation_model(operation).input_shape
    assert shape is not None
    rules = resource_rules(service, operation, shape.members, ())
    assert rules is not None

    found = rules.in_request(parameters, PLACE)

    assert [(resource["type"], resource.get("ARN")) for resource in found] == expected


def test_braces_in_a_name_are_no_placeholders() -> None:
    rules = resource_rules("lambda", "Invoke", ("FunctionName",), ())
    assert rules is not None

    found = rules.in_request({"FunctionName": "{account.__class__}"}, PLACE)

    assert found[0]["ARN"] == "arn:aws:lambda:eu-west-1:111122223333:function:{account.__class__}"
