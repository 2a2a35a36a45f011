"""Whether new selectors leave events out: known cases, and any pair of selectors against what they pick."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.event import Event
from opentrail.pattern import narrowing as decided
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.narrowing import Narrowing, Selectors, narrowing
from opentrail.pattern.selectors import compile_advanced_event_selectors, compile_event_selectors

Selector = dict[str, Any]

ALL_MANAGEMENT: Selector = {"ReadWriteType": "All", "IncludeManagementEvents": True}
OBJECTS = "AWS::S3::Object"


def basic(*selectors: Selector) -> Selectors:
    return Selectors(basic=selectors)


def advanced(*selectors: Selector) -> Selectors:
    return Selectors(
        advanced=[
            {
                "FieldSelectors": [
                    {"Field": name, **({"Equals": [said]} if isinstance(said, str) else said)}
                    for name, said in selector.items()
                ]
            }
            for selector in selectors
        ]
    )


MANAGEMENT: Selector = {"eventCategory": "Management"}
DATA: Selector = {"eventCategory": "Data", "resources.type": OBJECTS}


def of_objects(*values: str, **more: Any) -> Selector:
    return {"IncludeManagementEvents": False, "DataResources": [{"Type": OBJECTS, "Values": list(values)}], **more}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (basic(ALL_MANAGEMENT), basic(ALL_MANAGEMENT | {"ReadWriteType": "WriteOnly"}), Narrowing.NARROWED),
        (basic(ALL_MANAGEMENT | {"ReadWriteType": "WriteOnly"}), basic(ALL_MANAGEMENT), Narrowing.NONE),
        (basic(ALL_MANAGEMENT), advanced(MANAGEMENT), Narrowing.NONE),
        (advanced(MANAGEMENT), basic(ALL_MANAGEMENT), Narrowing.NONE),
        (
            basic(ALL_MANAGEMENT),
            basic(ALL_MANAGEMENT | {"ReadWriteType": "ReadOnly"}, ALL_MANAGEMENT | {"ReadWriteType": "WriteOnly"}),
            Narrowing.NONE,
        ),
        (
            basic(ALL_MANAGEMENT),
            basic(ALL_MANAGEMENT | {"ExcludeManagementEventSources": ["kms.amazonaws.com"]}),
            Narrowing.NARROWED,
        ),
        (basic(ALL_MANAGEMENT), advanced(MANAGEMENT | {"readOnly": "false"}), Narrowing.NARROWED),
        (basic(ALL_MANAGEMENT), advanced(DATA), Narrowing.NARROWED),
        (basic(ALL_MANAGEMENT), basic(ALL_MANAGEMENT | of_objects("arn:aws:s3")), Narrowing.NARROWED),
        (basic(of_objects("arn:aws:s3")), basic(of_objects("arn:aws:s3:::ledger/")), Narrowing.NARROWED),
        (basic(of_objects("arn:aws:s3:::ledger/2026")), basic(of_objects("arn:aws:s3:::ledger/")), Narrowing.NONE),
        (
            basic(of_objects("arn:aws:s3:::ledger/")),
            advanced(DATA | {"resources.ARN": {"StartsWith": ["arn:aws:s3:::ledger/"]}}),
            Narrowing.NONE,
        ),
        (advanced(DATA), advanced(DATA | {"eventName": {"NotEquals": ["DeleteObject"]}}), Narrowing.NARROWED),
        (
            advanced(DATA),
            advanced(
                DATA | {"eventName": {"NotStartsWith": ["Delete"]}}, DATA | {"eventName": {"StartsWith": ["Delete"]}}
            ),
            Narrowing.NONE,
        ),
        (
            advanced(DATA | {"eventName": {"StartsWith": ["Get"]}}),
            advanced(DATA | {"eventName": {"NotEquals": ["PutObject"]}}),
            Narrowing.NONE,
        ),
        (
            advanced(DATA | {"userIdentity.arn": {"NotEquals": ["arn:a"]}}),
            advanced(DATA | {"userIdentity.arn": {"StartsWith": ["arn"]}}),
            Narrowing.NARROWED,
        ),
    ],
)
def test_known_cases(before: Selectors, after: Selectors, said: Narrowing) -> None:
    assert narrowing(before, after) is said


@pytest.mark.parametrize("strange", ["\x00", "\ue000", "\uffff", "\U0010ffff", "\ue000\ue001"])
def test_no_character_of_a_selector_passes_for_any_text(strange: str) -> None:
    for operator in ("StartsWith", "EndsWith"):
        after = advanced(DATA | {"eventName": {operator: [strange]}})

        assert narrowing(advanced(DATA), after) is Narrowing.NARROWED


def test_where_the_search_is_too_long_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    before = advanced(DATA)
    after = advanced(*(DATA | {"eventName": {"StartsWith": [f"A{number}"]}} for number in range(20)))
    assert narrowing(before, after) is Narrowing.NARROWED

    monkeypatch.setattr(decided, "MAX_STEPS", 5)

    assert narrowing(before, after) is Narrowing.UNDECIDED
    assert narrowing(after, Selectors(advanced=after.advanced[::-1])) is Narrowing.NONE, "another order is no search"
    many = [f"{number}" for number in range(100)]
    wide = advanced(DATA | {"eventName": {"StartsWith": many, "NotEndsWith": many}})
    assert narrowing(before, wide) is Narrowing.UNDECIDED


TEXTS = st.sampled_from(["a", "ab", "b", "ba", "aba"])
OPERATORS = st.sampled_from(["Equals", "StartsWith", "EndsWith", "NotEquals", "NotStartsWith", "NotEndsWith"])
CONDITION = st.dictionaries(OPERATORS, st.lists(TEXTS, min_size=1, max_size=2), min_size=1, max_size=2)
FREE_FIELDS = ("eventName", "userIdentity.arn", "resources.ARN")
ADVANCED = st.one_of(
    st.fixed_dictionaries({"eventCategory": st.just("Management")}, optional={"readOnly": st.sampled_from(["true"])}),
    st.fixed_dictionaries(
        {"eventCategory": st.just("Data"), "resources.type": st.just(OBJECTS)},
        optional={"readOnly": st.sampled_from(["true", "false"]), **dict.fromkeys(FREE_FIELDS, CONDITION)},
    ),
)
RESOURCES = st.lists(st.sampled_from([f"arn:aws:s3:::{text}/{text}" for text in "ab"] + ["arn:aws:s3"]), max_size=2)
BASIC = st.fixed_dictionaries(
    {
        "ReadWriteType": st.sampled_from(["All", "ReadOnly", "WriteOnly"]),
        "IncludeManagementEvents": st.booleans(),
        "ExcludeManagementEventSources": st.lists(st.just("kms.amazonaws.com"), max_size=1),
        "DataResources": st.lists(st.fixed_dictionaries({"Type": st.just(OBJECTS), "Values": RESOURCES}), max_size=2),
    }
)
SELECTORS = st.one_of(
    st.lists(ADVANCED, min_size=1, max_size=3).map(lambda given: advanced(*given)),
    st.lists(BASIC, min_size=1, max_size=3).map(lambda given: basic(*given)),
)
ALL_TEXTS = [
    start + middle + end for start in ("", "a", "b") for middle in ("a", "b", "z", "-ab") for end in ("", "ab")
]
TEXT = st.sampled_from(ALL_TEXTS)
ARNS = st.one_of(TEXT, st.sampled_from([f"arn:aws:s3:::{text}/{text}x" for text in "abc"]))
RESOURCE = st.one_of(
    ARNS.map(lambda arn: {"type": OBJECTS, "ARN": arn}),
    ARNS.map(lambda arn: {"type": OBJECTS, "ARNPrefix": arn}),
    st.just({"type": "AWS::S3::Bucket", "ARN": "a"}),
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    is_data = draw(st.booleans())
    event: Event = {
        "eventCategory": "Data" if is_data else "Management",
        "readOnly": draw(st.booleans()),
        "eventName": draw(TEXT),
        "eventSource": draw(st.sampled_from(["kms.amazonaws.com", "s3.amazonaws.com"])),
    }
    if draw(st.booleans()):
        event["userIdentity"] = {"arn": draw(TEXT)}
    if is_data:
        event["resources"] = draw(st.lists(RESOURCE, max_size=3))
    return event


def picks(selectors: Selectors, event: Event) -> bool:
    if selectors.advanced:
        return compile_predicate(compile_advanced_event_selectors(selectors.advanced))(event)
    return compile_predicate(compile_event_selectors(selectors.basic))(event)


@settings(max_examples=30, deadline=None)
@given(SELECTORS, SELECTORS, st.lists(events(), min_size=10, max_size=20))
def test_an_event_that_is_left_out_is_never_overlooked(before: Selectors, after: Selectors, seen: list[Event]) -> None:
    is_left_out = any(picks(before, event) and not picks(after, event) for event in seen)

    assert not (is_left_out and narrowing(before, after) is Narrowing.NONE)


@settings(max_examples=25, deadline=None)
@given(SELECTORS, SELECTORS)
def test_selectors_are_never_narrowed_by_having_more_of_them(first: Selectors, second: Selectors) -> None:
    both = Selectors(advanced=(*first.advanced, *second.advanced))
    if not (first.advanced and second.advanced):
        both = Selectors(basic=(*first.basic, *second.basic))

    for one in (first, second):
        if bool(one.advanced) == bool(both.advanced):
            assert narrowing(one, both) is Narrowing.NONE
