"""Random rules of every language that often match a set of records, and what they pick by the plainest reading."""

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from opentrail.query.replay.rules import REPLAY_LANGUAGES, ReplayRule, read_replay_rule
from tests.support.pattern_reference import holds

Record = dict[str, Any]
Leaf = tuple[tuple[str, ...], str]


def random_rules(records: Sequence[Record], count: int, seed: int) -> list[ReplayRule]:
    """Return ``count`` rules, the languages in turn."""
    rng = random.Random(seed)
    makers = {
        "event-pattern": _event_pattern,
        "filter-pattern": _filter_pattern,
        "selector": _selector,
        "filter-policy": _event_pattern,
        "sigma": _sigma,
        "lookup-attributes": _lookup,
    }
    found = []
    for number in range(count):
        language = REPLAY_LANGUAGES[number % len(REPLAY_LANGUAGES)]
        make: Callable[[random.Random, Record], str] = makers[language]
        given = make(rng, rng.choice(records))
        found.append(read_replay_rule(f"rule {number}", language, given))
    return found


def picks(rule: ReplayRule, record: Record, raw: bytes) -> bool:
    """Say whether a rule picks a record, by the reference reading of its predicate."""
    try:
        subject = rule.rule.view(rule.subject_of(record, raw))
        return holds(rule.predicate, subject)
    except TypeError:
        return rule.matches(record, raw)


def texts_of(record: Any, path: tuple[str, ...] = ()) -> list[Leaf]:
    """Return the texts of a record that stand under no array, with their paths."""
    if isinstance(record, str):
        return [(path, record)] if path and all(name.isalnum() for name in path) else []
    if not isinstance(record, dict):
        return []
    return [leaf for name, value in record.items() for leaf in texts_of(value, (*path, name))]


def _some_leaf(rng: random.Random, record: Record) -> Leaf:
    plain = [leaf for leaf in texts_of(record) if 0 < len(leaf[1]) < 60 and leaf[1].isascii() and leaf[1].isprintable()]
    favoured = [leaf for leaf in plain if leaf[0][-1] in ("eventName", "eventSource", "errorCode", "userName", "type")]
    return rng.choice(favoured if favoured and rng.random() < 0.6 else plain)


def _event_pattern(rng: random.Random, record: Record) -> str:
    (path, text), cut = _some_leaf(rng, record), rng.randrange(1, 6)
    test: Any = rng.choice(
        [
            text,
            {"prefix": text[:cut]},
            {"suffix": text[-cut:]},
            {"anything-but": [text]},
            {"exists": rng.random() < 0.5},
            {"equals-ignore-case": text.swapcase()},
        ]
    )
    pattern: Any = [test] if rng.random() < 0.7 else [test, "another"]
    for name in reversed(path):
        pattern = {name: pattern}
    whole = {"detail": pattern}
    if rng.random() < 0.3:
        whole["source"] = [f"aws.{record['eventSource'].split('.')[0]}"]
    return json.dumps(whole)


def _filter_pattern(rng: random.Random, record: Record) -> str:
    (path, text), (other, second) = _some_leaf(rng, record), _some_leaf(rng, record)
    if rng.random() < 0.15:
        return f'"{text}"' if '"' not in text and "\\" not in text else "AssumeRole"
    forms = ['$.{} = "{}"', '$.{} != "{}"', '$.{} = "{}*"', "$.{} NOT EXISTS", "$.{} = *"]
    clean = [one.translate({ord(sign): None for sign in '"\\*%'}) for one in (text[:12], second)]
    first = rng.choice(forms).format(".".join(path), clean[0])
    return f'{{ ({first}) {rng.choice(("&&", "||"))} ($.{".".join(other)} = "{clean[1]}") }}'


def _selector(rng: random.Random, record: Record) -> str:
    fields = [{"Field": "eventCategory", "Equals": [rng.choice(("Management", "Management", "Data"))]}]
    if fields[0]["Equals"] == ["Data"]:
        fields.append({"Field": "resources.type", "Equals": ["AWS::S3::Object"]})
    elif rng.random() < 0.5:
        fields.append({"Field": "readOnly", "Equals": [rng.choice(("true", "false"))]})
    elif rng.random() < 0.5:
        fields.append({"Field": "eventSource", "NotEquals": ["kms.amazonaws.com"]})
    return json.dumps([{"FieldSelectors": fields}])


def _sigma(rng: random.Random, record: Record) -> str:
    (path, text), cut = _some_leaf(rng, record), rng.randrange(3, 12)
    modifier, value = rng.choice([("", text.upper()), ("|startswith", text[:cut]), ("|contains", text[1:cut].lower())])
    clean = orjson.dumps(value.translate({ord(sign): None for sign in "*?\\"}) or "x").decode()
    lines = ["title: a rule", "logsource:", "  product: aws", "  service: cloudtrail", "detection:"]
    lines += ["  some:", f"    {'.'.join(path)}{modifier}: {clean}", f"  condition: {rng.choice(('some', 'not some'))}"]
    return "\n".join(lines) + "\n"


def _lookup(rng: random.Random, record: Record) -> str:
    key = rng.choice(("EventName", "EventSource", "ReadOnly", "EventId"))
    values = {
        "EventName": record["eventName"],
        "EventSource": record["eventSource"],
        "ReadOnly": rng.choice(("true", "false")),
        "EventId": record.get("eventID") or "none",
    }
    return json.dumps([{"AttributeKey": key, "AttributeValue": values[key]}])
