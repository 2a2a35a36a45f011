"""Selectors that are valid and can match nothing are told from those that can."""

from typing import Any

import pytest

from opentrail.pattern.contradiction import selects_nothing

MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}


def advanced(*fields: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return ({"FieldSelectors": [MANAGEMENT, *fields]},)


@pytest.mark.parametrize(
    "selectors",
    [
        advanced({"Field": "eventName", "Equals": ["A"], "NotEquals": ["A"]}),
        advanced({"Field": "eventName", "Equals": ["A", "B"], "NotEquals": ["B", "A"]}),
        advanced({"Field": "eventName", "Equals": ["GetA"], "StartsWith": ["Put"]}),
        advanced({"Field": "eventName", "Equals": ["GetA"], "NotStartsWith": ["Get"]}),
        advanced({"Field": "eventName", "Equals": ["GetA"], "EndsWith": ["B"]}),
        advanced({"Field": "eventName", "Equals": ["GetA"], "NotEndsWith": ["A"]}),
        advanced({"Field": "readOnly", "Equals": ["true"]}, {"Field": "readOnly", "Equals": ["false"]}),
    ],
)
def test_a_value_that_must_be_what_another_test_excludes_selects_nothing(selectors: Any) -> None:
    assert selects_nothing((), selectors)


@pytest.mark.parametrize(
    "selectors",
    [
        advanced(),
        advanced({"Field": "eventName", "Equals": ["A", "B"], "NotEquals": ["B"]}),
        advanced({"Field": "eventName", "StartsWith": ["Get"], "NotStartsWith": ["GetA"]}),
        advanced({"Field": "eventName", "Equals": ["A"], "NotEquals": ["A"]}) + advanced(),
        advanced({"Field": "eventName", "NotEquals": ["A"]}, {"Field": "readOnly", "Equals": ["true"]}),
    ],
)
def test_selectors_that_leave_a_value_may_select_something(selectors: Any) -> None:
    assert not selects_nothing((), selectors)


@pytest.mark.parametrize(
    ("selector", "is_empty"),
    [
        ({"IncludeManagementEvents": True, "DataResources": []}, False),
        ({"DataResources": []}, False),
        ({"IncludeManagementEvents": False, "DataResources": []}, True),
        ({"IncludeManagementEvents": False}, True),
        ({"IncludeManagementEvents": False, "DataResources": [{"Type": "AWS::S3::Object", "Values": []}]}, True),
        ({"IncludeManagementEvents": False, "DataResources": [{"Type": "AWS::S3::Object", "Values": ["a"]}]}, False),
    ],
)
def test_basic_selectors_without_management_events_and_data_resources_select_nothing(
    selector: dict[str, Any], is_empty: bool
) -> None:
    assert selects_nothing((selector,), ()) is is_empty
