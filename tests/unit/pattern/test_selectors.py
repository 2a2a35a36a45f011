"""What selectors pick: the compiled predicates against a plain reading of the selectors themselves."""

import gzip
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opentrail.event import Event
from opentrail.pattern.matcher import compile_predicate, matches
from opentrail.pattern.selectors import (
    MIN_INDEXED,
    check_advanced_event_selectors,
    check_event_selectors,
    compile_advanced_event_selectors,
    compile_event_selectors,
    selector_matcher,
)

SHARED = Path(__file__).parents[3] / ".." / "shared"

Selector = dict[str, Any]


def management(**fields: Any) -> Event:
    return {
        "eventSource": "s3.amazonaws.com",
        "eventName": "CreateBucket",
        "readOnly": False,
        "managementEvent": True,
        "eventCategory": "Management",
        **fields,
    }


def object_event(bucket: str = "ledger", key: str = "2026/a.csv", **fields: Any) -> Event:
    return {
        "eventSource": "s3.amazonaws.com",
        "eventName": "PutObject",
        "readOnly": False,
        "resources": [
            {"type": "AWS::S3::Object", "ARN": f"arn:aws:s3:::{bucket}/{key}"},
            {"accountId": "123456789012", "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
        ],
        "managementEvent": False,
        "eventCategory": "Data",
        **fields,
    }


def listing_event(bucket: str = "ledger") -> Event:
    resources = [
        {"type": "AWS::S3::Object", "ARNPrefix": f"arn:aws:s3:::{bucket}/"},
        {"accountId": "123456789012", "type": "AWS::S3::Bucket", "ARN": f"arn:aws:s3:::{bucket}"},
    ]
    return object_event(eventName="ListObjects", readOnly=True, resources=resources)


def invoke_event(function: str = "arn:aws:lambda:us-east-1:123456789012:function:pay") -> Event:
    resources = [{"accountId": "123456789012", "type": "AWS::Lambda::Function", "ARN": function}]
    return object_event(eventSource="lambda.amazonaws.com", eventName="Invoke", resources=resources)


def basic(event: Event, *selectors: Selector) -> bool:
    check_event_selectors(selectors)
    return matches(compile_event_selectors(selectors), event)


def advanced(event: Event, *fields: Selector) -> bool:
    selectors = [{"FieldSelectors": list(fields)}]
    check_advanced_event_selectors(selectors)
    return matches(compile_advanced_event_selectors(selectors), event)


DATA = {"Field": "eventCategory", "Equals": ["Data"]}
OBJECTS = {"Field": "resources.type", "Equals": ["AWS::S3::Object"]}
MANAGEMENT = {"Field": "eventCategory", "Equals": ["Management"]}


def test_the_empty_basic_selector_picks_management_events_only() -> None:
    assert basic(management(), {})
    assert basic(management(readOnly=True), {})
    assert not basic(object_event(), {})


@pytest.mark.parametrize(
    ("access", "read_only", "expected"),
    [
        ("ReadOnly", True, True),
        ("ReadOnly", False, False),
        ("WriteOnly", True, False),
        ("WriteOnly", False, True),
        ("All", True, True),
        ("All", False, True),
    ],
)
def test_read_write_type_goes_by_read_only(access: str, read_only: bool, expected: bool) -> None:
    objects = [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3"]}]
    selector = {"ReadWriteType": access, "DataResources": objects}

    assert basic(management(readOnly=read_only), selector) is expected
    assert basic(object_event(readOnly=read_only), selector) is expected


def test_an_event_that_does_not_say_whether_it_reads_counts_as_a_write() -> None:
    event = management()
    del event["readOnly"]

    assert basic(event, {"ReadWriteType": "WriteOnly"})
    assert not basic(event, {"ReadWriteType": "ReadOnly"})


def test_excluded_sources_leave_out_management_events_of_theirs_alone() -> None:
    selector = {
        "ExcludeManagementEventSources": ["kms.amazonaws.com"],
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::"]}],
    }

    assert not basic(management(eventSource="kms.amazonaws.com"), selector)
    assert basic(management(eventSource="rdsdata.amazonaws.com"), selector)
    assert basic(object_event(eventSource="kms.amazonaws.com"), selector)


def test_management_events_can_be_switched_off() -> None:
    assert not basic(management(), {"IncludeManagementEvents": False})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("arn:aws:s3", True),
        ("arn:aws:s3:::", True),
        ("arn:aws:s3:::ledger/", True),
        ("arn:aws:s3:::ledger/2026", True),
        ("arn:aws:s3:::ledger/2026/a.csv", True),
        ("arn:aws:s3:::ledger/2025", False),
        ("arn:aws:s3:::ledge/", False),
        ("arn:aws:s3:::LEDGER/", False),
    ],
)
def test_objects_are_picked_by_prefix(value: str, expected: bool) -> None:
    selector = {"IncludeManagementEvents": False, "DataResources": [{"Type": "AWS::S3::Object", "Values": [value]}]}

    assert basic(object_event(), selector) is expected


def test_a_bucket_selector_picks_the_listings_of_the_bucket() -> None:
    whole = {"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::ledger/"]}]}
    part = {"DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::ledger/2026"]}]}

    assert basic(listing_event(), whole)
    assert not basic(listing_event("other"), whole)
    assert not basic(listing_event(), part)
    assert advanced(listing_event(), DATA, OBJECTS, {"Field": "resources.ARN", "StartsWith": ["arn:aws:s3:::ledger/"]})
    assert not advanced(
        listing_event(), DATA, OBJECTS, {"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::ledger/"]}
    )


def test_functions_and_tables_are_picked_by_their_exact_arn() -> None:
    function = "arn:aws:lambda:us-east-1:123456789012:function:pay"
    one = {"DataResources": [{"Type": "AWS::Lambda::Function", "Values": [function]}]}
    every = {"DataResources": [{"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}]}

    assert basic(invoke_event(function), one)
    assert not basic(invoke_event(function + "ments"), one)
    assert basic(invoke_event(function + "ments"), every)
    assert not basic(object_event(), every)


def test_a_resource_type_without_values_picks_nothing() -> None:
    assert not basic(object_event(), {"DataResources": [{"Type": "AWS::S3::Object", "Values": []}]})


def test_several_basic_selectors_are_joined_by_or() -> None:
    reads = {"ReadWriteType": "ReadOnly"}
    writes_to_ledger = {
        "ReadWriteType": "WriteOnly",
        "IncludeManagementEvents": False,
        "DataResources": [{"Type": "AWS::S3::Object", "Values": ["arn:aws:s3:::ledger/"]}],
    }

    assert basic(management(readOnly=True), reads, writes_to_ledger)
    assert not basic(management(readOnly=False), reads, writes_to_ledger)
    assert basic(object_event(), reads, writes_to_ledger)


def test_positive_and_negative_operators_of_one_field_go_together() -> None:
    field = {
        "Field": "eventName",
        "StartsWith": ["Put", "Delete"],
        "NotEquals": ["PutObjectAcl"],
        "NotEndsWith": ["Tagging"],
    }

    assert advanced(object_event(eventName="PutObject"), DATA, OBJECTS, field)
    assert advanced(object_event(eventName="DeleteObject"), DATA, OBJECTS, field)
    assert not advanced(object_event(eventName="GetObject"), DATA, OBJECTS, field)
    assert not advanced(object_event(eventName="PutObjectAcl"), DATA, OBJECTS, field)
    assert not advanced(object_event(eventName="PutObjectTagging"), DATA, OBJECTS, field)


def test_a_missing_field_passes_negative_operators_only() -> None:
    event = object_event()

    assert advanced(event, DATA, OBJECTS, {"Field": "userIdentity.arn", "NotEquals": ["arn:aws:iam::1:user/a"]})
    assert not advanced(event, DATA, OBJECTS, {"Field": "userIdentity.arn", "StartsWith": ["arn:"]})
    assert advanced(event, DATA, OBJECTS, {"Field": "sessionCredentialFromConsole", "NotEquals": ["true"]})
    assert not advanced(event, DATA, OBJECTS, {"Field": "sessionCredentialFromConsole", "Equals": ["true"]})


def test_type_and_arn_are_asked_of_the_same_resource() -> None:
    elsewhere = {"Field": "resources.ARN", "NotStartsWith": ["arn:aws:s3:::ledger/"]}
    suffix = {"Field": "resources.ARN", "EndsWith": ["ledger"]}

    assert not advanced(object_event("ledger"), DATA, OBJECTS, elsewhere)
    assert advanced(object_event("photos"), DATA, OBJECTS, elsewhere)
    assert not advanced(object_event("ledger"), DATA, OBJECTS, suffix)


def test_a_management_selector_without_the_key_service() -> None:
    without_keys = {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}

    assert advanced(management(), MANAGEMENT, without_keys)
    assert not advanced(management(eventSource="kms.amazonaws.com"), MANAGEMENT, without_keys)


def test_network_activity_events_are_picked_by_source_and_denial() -> None:
    denied = {"eventCategory": "NetworkActivity", "eventSource": "kms.amazonaws.com", "errorCode": "VpceAccessDenied"}
    allowed = {"eventCategory": "NetworkActivity", "eventSource": "kms.amazonaws.com"}
    fields = [
        {"Field": "eventCategory", "Equals": ["NetworkActivity"]},
        {"Field": "eventSource", "Equals": ["kms.amazonaws.com"]},
        {"Field": "errorCode", "Equals": ["VpceAccessDenied"]},
    ]

    assert advanced(denied, *fields)
    assert not advanced(allowed, *fields)
    assert advanced(allowed, *fields[:2])
    assert not advanced(management(eventSource="kms.amazonaws.com"), *fields[:2])


# ---- against a plain reading -------------------------------------------------------------------------------------

ARNS = (
    "arn:aws:s3:::a/k",
    "arn:aws:s3:::a/kk",
    "arn:aws:s3:::a/",
    "arn:aws:s3:::b/k",
    "arn:aws:lambda:us-east-1:123456789012:function:f",
)
TYPES = ("AWS::S3::Object", "AWS::S3::Bucket", "AWS::Lambda::Function")
NAMES = ("GetObject", "PutObject", "PutObjectAcl", "Invoke")
SOURCES = ("s3.amazonaws.com", "kms.amazonaws.com", "rdsdata.amazonaws.com", "lambda.amazonaws.com")

resources = st.lists(
    st.fixed_dictionaries(
        {}, optional={"type": st.sampled_from(TYPES), "ARN": st.sampled_from(ARNS), "ARNPrefix": st.sampled_from(ARNS)}
    ),
    max_size=3,
)
random_events = st.fixed_dictionaries(
    {},
    optional={
        "eventCategory": st.sampled_from(("Management", "Data", "NetworkActivity")),
        "readOnly": st.booleans(),
        "eventName": st.sampled_from(NAMES),
        "eventSource": st.sampled_from(SOURCES),
        "userIdentity": st.fixed_dictionaries({}, optional={"arn": st.sampled_from(ARNS)}),
        "resources": st.none() | resources,
    },
)
OPERATORS = ("Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith")


def text_field(name: str, values: tuple[str, ...]) -> st.SearchStrategy[Selector]:
    pieces = st.sampled_from(values) | st.sampled_from(values).map(lambda text: text[:6] or text)
    some = st.lists(pieces, min_size=1, max_size=3)
    return st.builds(
        lambda operators: {"Field": name, **operators},
        st.dictionaries(st.sampled_from(OPERATORS), some, min_size=1, max_size=3),
    )


random_advanced = st.lists(
    st.builds(
        lambda category, kind, others: {"FieldSelectors": [category, *kind, *others]},
        st.sampled_from(("Management", "Data")).map(lambda name: {"Field": "eventCategory", "Equals": [name]}),
        st.lists(
            st.sampled_from(TYPES).map(lambda name: {"Field": "resources.type", "Equals": [name]}),
            min_size=1,
            max_size=1,
        )
        | st.just([]),
        st.lists(
            st.one_of(
                text_field("eventName", NAMES),
                text_field("eventSource", SOURCES),
                text_field("userIdentity.arn", ARNS),
                text_field("resources.ARN", ARNS),
                st.sampled_from(("true", "false")).map(lambda value: {"Field": "readOnly", "Equals": [value]}),
            ),
            max_size=3,
            unique_by=lambda field: str(field["Field"]),
        ),
    ),
    min_size=1,
    max_size=3,
)


def compare(operator: str, text: str, value: str) -> bool:
    if operator == "Equals":
        return text == value
    return text.startswith(value) if operator == "StartsWith" else text.endswith(value)


def field_passes(field: Selector, texts: dict[str, str | None]) -> bool:
    """``texts`` gives the text that each positive operator sees, None when the field is missing."""
    positive = [(operator, field[operator]) for operator in OPERATORS[:3] if operator in field]
    negative = [(operator[3:], field[operator]) for operator in OPERATORS[3:] if operator in field]

    def hit(operator: str, values: list[str]) -> bool:
        text = texts[operator]
        return text is not None and any(compare(operator, text, value) for value in values)

    return (not positive or any(hit(*part) for part in positive)) and not any(hit(*part) for part in negative)


def picks(selector: Selector, event: Event) -> bool:
    on_resource = []
    for field in selector["FieldSelectors"]:
        if field["Field"].startswith("resources."):
            on_resource.append(field)
            continue
        value: Any = event
        for name in field["Field"].split("."):
            value = value.get(name) if isinstance(value, dict) else None
        if isinstance(value, bool):
            value = "true" if value else "false"
        if not field_passes(field, dict.fromkeys(OPERATORS[:3], value)):
            return False
    return not on_resource or any(resource_passes(on_resource, item) for item in event.get("resources") or ())


def resource_passes(fields: list[Selector], resource: dict[str, str]) -> bool:
    for field in fields:
        if field["Field"] == "resources.type":
            texts: dict[str, str | None] = dict.fromkeys(OPERATORS[:3], resource.get("type"))
        else:
            arn = resource.get("ARN")
            texts = {"Equals": arn, "EndsWith": arn, "StartsWith": arn or resource.get("ARNPrefix")}
        if not field_passes(field, texts):
            return False
    return True


@given(random_advanced, random_events)
def test_advanced_selectors_pick_what_a_plain_reading_picks(selectors: list[Selector], event: Event) -> None:
    expected = any(picks(selector, event) for selector in selectors)

    assert compile_predicate(compile_advanced_event_selectors(selectors))(event) is expected


S3_VALUES = ("arn:aws:s3", "arn:aws:s3:::a/", "arn:aws:s3:::a/k", "arn:aws:s3:::c/")
LAMBDA_VALUES = ("arn:aws:lambda", ARNS[-1])
random_basic = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "ReadWriteType": st.sampled_from(("All", "ReadOnly", "WriteOnly")),
            "IncludeManagementEvents": st.booleans(),
            "ExcludeManagementEventSources": st.lists(st.sampled_from(SOURCES[1:3]), max_size=2),
            "DataResources": st.lists(
                st.one_of(
                    st.fixed_dictionaries(
                        {"Type": st.just("AWS::S3::Object"), "Values": st.lists(st.sampled_from(S3_VALUES), max_size=2)}
                    ),
                    st.fixed_dictionaries(
                        {
                            "Type": st.just("AWS::Lambda::Function"),
                            "Values": st.lists(st.sampled_from(LAMBDA_VALUES), max_size=2),
                        }
                    ),
                ),
                max_size=2,
            ),
        },
    ),
    min_size=1,
    max_size=3,
)


def picks_basic(selector: Selector, event: Event) -> bool:
    access = selector.get("ReadWriteType", "All")
    if access != "All" and (event.get("readOnly") is True) != (access == "ReadOnly"):
        return False
    if event.get("eventCategory") == "Management":
        excluded = selector.get("ExcludeManagementEventSources", [])
        return selector.get("IncludeManagementEvents", True) and event.get("eventSource") not in excluded
    if event.get("eventCategory") != "Data":
        return False
    for wanted in selector.get("DataResources", []):
        for item in event.get("resources") or ():
            if item.get("type") != wanted["Type"]:
                continue
            for value in wanted["Values"]:
                if value in {"arn:aws:s3", "arn:aws:lambda"}:
                    return True
                if wanted["Type"] == "AWS::S3::Object":
                    if (item.get("ARN") or item.get("ARNPrefix") or "").startswith(value):
                        return True
                elif item.get("ARN") == value:
                    return True
    return False


@given(random_basic, random_events)
def test_basic_selectors_pick_what_a_plain_reading_picks(selectors: list[Selector], event: Event) -> None:
    expected = any(picks_basic(selector, event) for selector in selectors)

    check_event_selectors(selectors)
    assert compile_predicate(compile_event_selectors(selectors))(event) is expected


# ---- real events and the acceptance selectors ----------------------------------------------------------------------


def corpus(*path: str) -> Path:
    folder = SHARED.joinpath(*path)
    if not folder.exists() and not os.environ.get("CI"):
        pytest.skip("the shared corpus is not here")
    return folder


@cache
def real_events() -> list[Event]:
    return [event for path in sorted(corpus("corpus", "real").rglob("*.json*")) for event in _events_of(path)]


def _events_of(path: Path) -> Iterator[Event]:
    data = path.read_bytes()
    content = orjson.loads(gzip.decompress(data) if path.suffix == ".gz" else data)
    records = content.get("Records", [content.get("detail", content)]) if isinstance(content, dict) else content
    yield from (record for record in records if isinstance(record, dict))


def test_real_events_are_picked_as_a_plain_reading_picks_them() -> None:
    events = real_events()
    selectors: list[list[Selector]] = [
        [{"FieldSelectors": [MANAGEMENT]}],
        [{"FieldSelectors": [MANAGEMENT, {"Field": "readOnly", "Equals": ["false"]}]}],
        [{"FieldSelectors": [MANAGEMENT, {"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]}]}],
        [{"FieldSelectors": [DATA, OBJECTS]}],
    ]

    for group in selectors:
        check_advanced_event_selectors(group)
        matcher = compile_predicate(compile_advanced_event_selectors(group))
        assert [matcher(event) for event in events] == [picks(group[0], event) for event in events]
    matcher = compile_predicate(compile_advanced_event_selectors(selectors[2]))
    dropped = [event for event in events if event.get("eventCategory") == "Management" and not matcher(event)]
    assert len(events) > 2900
    assert dropped
    assert {event["eventSource"] for event in dropped} == {"kms.amazonaws.com"}


def test_the_default_selector_picks_every_real_management_event() -> None:
    matcher = compile_predicate(compile_event_selectors([{}]))

    for event in real_events():
        assert matcher(event) is (event.get("eventCategory") == "Management")


PII_WRITE = object_event("customer-pii", "a")
PII_READ = object_event("customer-pii", "a", eventName="GetObject", readOnly=True)
PII_TAGGING = object_event("customer-pii", "a", eventName="PutObjectTagging")
LEDGER_WRITE = object_event("ledger", "a")
OTHER_WRITE = object_event("customer-pii-copy", "a")
CREATE = management()
DESCRIBE = management(eventName="DescribeInstances", eventSource="ec2.amazonaws.com", readOnly=True)
DECRYPT = management(eventName="Decrypt", eventSource="kms.amazonaws.com", readOnly=True)
STATEMENT = management(eventName="ExecuteStatement", eventSource="rdsdata.amazonaws.com", readOnly=False)
INVOKE = invoke_event()

SAMPLES = {
    "pii write": PII_WRITE,
    "pii read": PII_READ,
    "pii tagging": PII_TAGGING,
    "ledger write": LEDGER_WRITE,
    "other write": OTHER_WRITE,
    "create": CREATE,
    "describe": DESCRIBE,
    "decrypt": DECRYPT,
    "statement": STATEMENT,
    "invoke": INVOKE,
}
SELECTED = {
    "writes to one sensitive bucket": {"pii write", "pii tagging"},
    "puts and deletes only": {"pii write", "ledger write"},
    "management events without the noisy key service": {"create", "describe"},
    "write management events and all function invocations": {"create", "statement", "invoke"},
}


def test_the_acceptance_selectors_are_accepted_and_select_what_they_say() -> None:
    cases = orjson.loads((corpus("acceptance") / "selectors.json").read_bytes())
    assert {case["name"] for case in cases} == set(SELECTED)

    for case in cases:
        check_advanced_event_selectors(case["selectors"])
        matcher = compile_predicate(compile_advanced_event_selectors(case["selectors"]))
        assert {name for name, event in SAMPLES.items() if matcher(event)} == SELECTED[case["name"]]


def test_many_selectors_pick_what_each_of_them_does() -> None:
    selectors: list[Selector] = [
        {
            "FieldSelectors": [
                {"Field": "eventCategory", "Equals": ["Data"]},
                {"Field": "resources.type", "Equals": ["AWS::S3::Object"]},
                {"Field": "resources.ARN", "StartsWith": [f"arn:aws:s3:::b{number}/"]},
                {"Field": "eventName", "NotEquals": ["HeadObject"]},
            ]
        }
        for number in range(2 * MIN_INDEXED)
    ]
    check_advanced_event_selectors(selectors)
    arns = [f"arn:aws:s3:::b{number}/k" for number in range(3 * MIN_INDEXED)]
    events = [
        object_event(eventName=name, resources=[{"type": kind, "ARN": arn} for arn in given])
        for name in ("GetObject", "HeadObject")
        for kind in ("AWS::S3::Object", "AWS::S3::Bucket")
        for given in ([], *([arn] for arn in arns), arns[-2:], [arns[0], arns[-1]])
    ]

    one_by_one = selector_matcher((), selectors[: MIN_INDEXED - 1])
    together = selector_matcher((), selectors)

    plain = compile_advanced_event_selectors(selectors)
    assert [together(event) for event in events] == [matches(plain, event) for event in events]
    assert [event for event in events if one_by_one(event)] == [
        event for event in events if matches(compile_advanced_event_selectors(selectors[: MIN_INDEXED - 1]), event)
    ]
    assert sum(map(together, events)) == 2 * MIN_INDEXED + 1
