"""SNS filter policies: which messages a subscription wants, by their attributes or by their JSON body.

In: a policy as text and its scope. Out: a predicate over the view that ``message_view`` makes of a message. The values
are EventBridge's without a bare wildcard; the limits are SNS's own. Docs: docs/languages/filter-policies.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from opentrail.pattern.errors import InvalidFilterPolicy
from opentrail.pattern.event_pattern import Alternative, predicate_of, read_alternatives
from opentrail.pattern.ir import Predicate
from opentrail.pattern.json_tokens import InvalidJson, JsonTokens
from opentrail.pattern.match_expressions import OPERATORS

Scope = Literal["MessageAttributes", "MessageBody"]

MAX_KEYS = 5
MAX_COMBINATIONS = 150
"""Values of each key multiplied; in the body's scope each value counts once for every level it lies deep."""

MAX_POLICY_BYTES = 256 * 1024
MAX_ARRAY_ITEMS = 10_000
"""Items that a String.Array attribute is read to."""

_OPERATORS = {name: read for name, read in OPERATORS.items() if name not in ("wildcard", "exactly")}


@dataclass(frozen=True, slots=True)
class Attribute:
    """A message attribute: its data type (``String``, ``Number.int``, ``String.Array``, ...) and text."""

    data_type: str
    value: str


def parse_filter_policy(text: str, scope: Scope = "MessageAttributes") -> Predicate:
    """Return the predicate of a policy. Raises InvalidFilterPolicy with what SNS says after ``FilterPolicy: ``."""
    if len(text.encode("utf-8", "replace")) > MAX_POLICY_BYTES:
        raise InvalidFilterPolicy("Filter policy is too large")
    if text.strip() == "{}":
        return predicate_of([{}])
    try:
        alternatives = read_alternatives(JsonTokens(text), _OPERATORS)
    except InvalidJson as error:
        raise InvalidFilterPolicy(str(error)) from error
    _check(alternatives, scope)
    return predicate_of(alternatives)


def message_view(scope: Scope, body: str, attributes: Mapping[str, Attribute]) -> dict[str, Any]:
    """Return what the predicate of a policy of ``scope`` is asked about a message.

    A body that is no JSON object has no fields. A binary attribute is there and equals nothing.
    """
    if scope == "MessageAttributes":
        return {name: _attribute_value(attribute) for name, attribute in attributes.items()}
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _attribute_value(attribute: Attribute) -> Any:
    kind = attribute.data_type.partition(".")
    if attribute.data_type == "String.Array":
        return _array(attribute.value)
    if kind[0] == "Number":
        try:
            return orjson.loads(attribute.value.strip())
        except orjson.JSONDecodeError:
            return attribute.value
    return None if kind[0] == "Binary" else attribute.value


def _array(text: str) -> Any:
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    if not isinstance(items, list):
        return text
    return [item for item in items[:MAX_ARRAY_ITEMS] if not isinstance(item, (dict, list))]


def _check(alternatives: list[Alternative], scope: Scope) -> None:
    combinations = 0
    for alternative in alternatives:
        if len(alternative) > MAX_KEYS:
            raise InvalidFilterPolicy(f"Filter policy can not have more than {MAX_KEYS} keys")
        product = 1
        for values in alternative.values():
            depth = values.depth if scope == "MessageBody" else 1
            product *= max(1, len(values.tests) + values.or_absent) * depth
        combinations += product
    if combinations > MAX_COMBINATIONS:
        raise InvalidFilterPolicy("Filter policy is too complex")
    if scope == "MessageAttributes" and any(values.depth > 1 for one in alternatives for values in one.values()):
        raise InvalidFilterPolicy("Filter policy scope MessageAttributes does not support nested filter policy")
