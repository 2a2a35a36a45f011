"""Which kinds of events selectors can pick at all."""

from typing import Any

import pytest

from opentrail.pattern.logged_kinds import LoggedKinds, logged_kinds

MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}
DATA = {"Field": "eventCategory", "Equals": ["Data"]}
NETWORK = {"Field": "eventCategory", "Equals": ["NetworkActivity"]}
READS = {"Field": "readOnly", "Equals": ["true"]}
WRITES = {"Field": "readOnly", "Equals": ["false"]}
ALL_MANAGEMENT = LoggedKinds(management_reads=True, management_writes=True)


def advanced(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"FieldSelectors": list(fields)}


@pytest.mark.parametrize(
    ("selectors", "kinds"),
    [
        ([], LoggedKinds()),
        ([{}], ALL_MANAGEMENT),
        ([{"ReadWriteType": "ReadOnly"}], LoggedKinds(management_reads=True)),
        ([{"ReadWriteType": "WriteOnly"}], LoggedKinds(management_writes=True)),
        ([{"ReadWriteType": "ReadOnly"}, {"ReadWriteType": "WriteOnly"}], ALL_MANAGEMENT),
        ([{"IncludeManagementEvents": False}], LoggedKinds()),
        (
            [
                {
                    "IncludeManagementEvents": False,
                    "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}],
                }
            ],
            LoggedKinds(data=True),
        ),
        ([{"IncludeManagementEvents": False, "DataResources": [{"Type": "x", "Values": []}]}], LoggedKinds()),
    ],
)
def test_basic_selectors_log_these_kinds(selectors: list[dict[str, Any]], kinds: LoggedKinds) -> None:
    assert logged_kinds(selectors, ()) == kinds


@pytest.mark.parametrize(
    ("selectors", "kinds"),
    [
        ([advanced(MANAGEMENT)], ALL_MANAGEMENT),
        ([advanced(MANAGEMENT, READS)], LoggedKinds(management_reads=True)),
        ([advanced(MANAGEMENT, WRITES)], LoggedKinds(management_writes=True)),
        ([advanced(DATA, READS)], LoggedKinds(data=True)),
        ([advanced(MANAGEMENT, WRITES), advanced(DATA)], LoggedKinds(management_writes=True, data=True)),
        ([advanced(NETWORK)], LoggedKinds()),
    ],
)
def test_advanced_selectors_log_these_kinds(selectors: list[dict[str, Any]], kinds: LoggedKinds) -> None:
    assert logged_kinds((), selectors) == kinds


def test_reads_or_writes_alone_are_management_events() -> None:
    assert LoggedKinds(management_reads=True).management
    assert LoggedKinds(management_writes=True).management
    assert not LoggedKinds(data=True).management
