"""What targets are given of an event; the examples are those of EventBridge's user guide and recorded answers."""

from typing import Any

import orjson
import pytest

from opentrail.deliver import target_input
from opentrail.deliver.target_input import InvalidInput, InvalidPlaceholder, Occasion, check_input, shape

OCCASION = Occasion("arn:aws:events:us-east-1:123456789012:rule/r", "r", "2026-01-01T00:00:00Z")
EVENT = {
    "id": "e1",
    "detail-type": "order",
    "source": "shop",
    "detail": {"name": 'say "hi"', "list": ["A", "B"], "object": {"acc_id": "0a78", "sf_id": "baz"}, "n": 1.5},
}
PATHS = {
    "name": "$.detail.name",
    "list": "$.detail.list",
    "object": "$.detail.object",
    "n": "$.detail.n",
    "second": "$.detail.list[1]",
    "none": "$.detail.absent",
}


def shaped(**target: Any) -> str:
    return shape(target, orjson.dumps(EVENT), OCCASION)


def templated(template: str) -> str:
    return shaped(InputTransformer={"InputPathsMap": PATHS, "InputTemplate": template})


def test_without_an_input_the_event_goes_out_as_it_is() -> None:
    assert shaped() == orjson.dumps(EVENT).decode()


def test_a_constant_is_sent_as_it_was_given() -> None:
    assert shaped(Input='{ "a": 1 }') == '{ "a": 1 }'


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("$.detail.object.sf_id", '"baz"'),
        ("$.detail.list[0]", '"A"'),
        ("$.detail['n']", "1.5"),
        ("$.detail.list", '["A","B"]'),
        ("$.detail.list[9]", ""),
        ("$.detail.absent.more", ""),
    ],
)
def test_a_path_gives_a_part_as_json(path: str, part: str) -> None:
    assert shaped(InputPath=path) == part


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ('{"a": <n>, "b": <list>, "c": <object>}', '{"a": 1.5, "b": ["A","B"], "c": {"acc_id":"0a78","sf_id":"baz"}}'),
        ('{"a": <second>, "b": "is <second>"}', '{"a": "B", "b": "is B"}'),
        ('{"a": "<name>", "b": <name>}', '{"a": "say \\"hi\\"", "b": "say \\"hi\\""}'),
        ('{"a": <none>, "b": "<none>"}', '{"a": "", "b": ""}'),
        ('{"a": "{ <object> }"}', '{"a": "{ {\\"acc_id\\":\\"0a78\\",\\"sf_id\\":\\"baz\\"} }"}'),
        ('"<list> of <object>"', '"[A,B] of {acc_id:0a78,sf_id:baz}"'),
        ('"first <n>"\n"second <name>"', '"first 1.5"\n"second say \\"hi\\""'),
        ('{"r": <aws.events.rule-name>, "t": <aws.events.event.ingestion-time>}',
         '{"r": "r", "t": "2026-01-01T00:00:00Z"}'),
        ("<aws.events.event>", '{"id":"e1","detailType":"order","source":"shop"}'),
        ("<aws.events.event.json>", orjson.dumps(EVENT).decode()),
    ],
)  # fmt: skip
def test_a_template_is_filled(template: str, made: str) -> None:
    assert templated(template) == made


@pytest.mark.parametrize("template", ['{"a": "<list>"}', "not JSON <n>", '{"a": <n>'])
def test_a_template_that_makes_no_json_sends_nothing(template: str) -> None:
    with pytest.raises(InvalidInput):
        templated(template)


def test_a_template_may_not_make_more_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target_input, "MAX_OUTPUT_BYTES", 10)

    with pytest.raises(InvalidInput):
        templated('"<name><name><name>"')


@pytest.mark.parametrize("path", ["detail", "", "$detail", "$.a[", "$.a[x]", "$..a"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput):
        check_input({"InputPath": path})


@pytest.mark.parametrize("name", ["aws.x", "a b", ""])
def test_a_variables_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_input({"InputTransformer": {"InputPathsMap": {name: "$.a"}, "InputTemplate": "{}"}})


def test_a_placeholder_that_nothing_fills_is_refused() -> None:
    with pytest.raises(InvalidPlaceholder) as refused:
        check_input({"InputTransformer": {"InputTemplate": '{"a": <aws.events.event.x>}'}})

    assert refused.value.name == "aws.events.event.x"
