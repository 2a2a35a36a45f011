"""Valid rules with a few characters changed: read, or refused in the language's own way, and read alike by all."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from opentrail.pattern.errors import InvalidPattern
from opentrail.pattern.languages import LANGUAGES, Language, read_rule
from opentrail.pattern.rule_set import RuleSet
from tests.support.pattern_reference import holds

VALUES = (
    *(
        '["x"]',
        "[1, null, true]",
        '[{"prefix": "x"}]',
        '[{"suffix": {"equals-ignore-case": "X"}}]',
        '[{"exists": false}]',
    ),
    *('[{"numeric": [">", 1, "<=", 5]}]', '[{"cidr": "10.0.0.0/8"}]', '[{"anything-but": ["x", "y"]}]'),
    *('[{"anything-but": {"prefix": ["x", "y"]}}]', '[{"equals-ignore-case": "X"}, 5]'),
)
SEEDS: dict[Language, tuple[str, ...]] = {
    "event-pattern": (
        *(f'{{"a": {{"b": {value}}}, "c": {value}}}' for value in VALUES),
        '{"a.b": [{"wildcard": "x*y\\\\*"}]}',
    ),
    "filter-policy": (
        *(f'{{"a": {value}, "b": {value}}}' for value in VALUES),
        *(f'{{"$or": [{{"a": {value}}}, {{"b": {{"c": {value}}}}}]}}' for value in VALUES),
    ),
    "filter-pattern": (
        '{ ($.a.b = "x*") && ($.c[*] != 5 || $.d NOT EXISTS) }',
        "{ $.a >= 1.5e2 && $.b IS NULL && $.c = %x+y% }",
        '[ip, user = "x", ..., size >= 400 && size != 404]',
        '?one -two "three four" five',
        "%x[0-9]{2,3}$%",
    ),
    "selector": (
        '[{"Name": "n", "FieldSelectors": [{"Field": "eventCategory", "Equals": ["Data"]}, {"Field": "resources.type",'
        ' "Equals": ["AWS::S3::Object"]}, {"Field": "resources.ARN", "StartsWith": ["x"], "NotEquals":'
        ' ["arn:aws:s3:::b/x"]}]}]',
        '{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": true, "DataResources": [{"Type":'
        ' "AWS::S3::Object", "Values": ["arn:aws:s3:::b/"]}]}',
    ),
    "sigma": (
        "title: t\nlogsource: {product: aws}\ndetection:\n  s: {a|contains|all: [x, y], b.c: 5}\n"
        "  t: [{a|re: 'x+'}, {a|cidr: 10.0.0.0/8}]\n  condition: s and not 1 of t*\n",
    ),
}
EVENTS: tuple[dict[str, Any], ...] = (
    {},
    {"a": "x", "b": 5, "c": None},
    {"a": [{"b": "xy", "c": 1}, {"b": ["x", 2]}], "c": "10.1.2.3"},
    {"a.b": "x", "a": {"b": {"c": True}}, "b": {"c": "5"}},
    {"eventCategory": "Data", "resources": [{"type": "AWS::S3::Object", "ARN": "x"}], "readOnly": False},
)
PIECES = st.sampled_from([*'{}[]():,"\\*?%|&=!<>-.5x \n\x00é\ud800', "null", "$or", "1e999", "[[", '{"a":'])


@st.composite
def mutated(draw: st.DrawFn, seeds: tuple[str, ...]) -> str:
    """A seed after up to four cuts, insertions or repetitions."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = start + draw(st.integers(0, 6))
        text = text[:start] + draw(st.one_of(PIECES, st.just(""), st.just(text[start:end] * 2))) + text[end:]
    return text


@pytest.mark.slow
@pytest.mark.parametrize(
    ("language", "scope"),
    [
        *((language, "") for language in LANGUAGES),
        ("filter-policy", "MessageAttributes"),
        ("filter-policy", "MessageBody"),
    ],
)
@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_mutations_of_valid_rules_are_refused_or_read_alike(
    language: Language, scope: str, data: st.DataObject
) -> None:
    text = data.draw(mutated(SEEDS[language]))
    try:
        rule = read_rule(language, {"FilterPolicy": text, "FilterPolicyScope": scope} if scope else text)
    except InvalidPattern:
        return
    index: RuleSet[int] = RuleSet()
    index.add(1, rule.predicate)
    for event in EVENTS:
        attributes = {name: {"Type": "String", "Value": json.dumps(value)} for name, value in event.items()}
        subject = (
            {"Message": json.dumps(event), "MessageAttributes": attributes} if language == "filter-policy" else event
        )
        found = rule.matches(subject)
        view = rule.view(subject)
        if isinstance(view, dict):
            assert found == holds(rule.predicate, view) == bool(index.match(view))
        rule.explain(subject)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_seeds_are_valid(language: Language) -> None:
    for text in SEEDS[language]:
        read_rule(
            language, {"FilterPolicy": text, "FilterPolicyScope": "MessageBody"} if "policy" in language else text
        )
