"""Sigma rules for AWS CloudTrail, read by pySigma and turned into the algebra, over the record as it stands.

In: one rule as YAML. Out: a predicate. Texts are compared without case unless ``cased``; a field's text is the string,
the number or boolean as JSON spells it, or for a pattern with wildcards also the compact JSON of an object or array;
arrays on the way and at the end are entered, any element counts. ``not`` holds for missing fields.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sigma import conditions, modifiers, types
from sigma.exceptions import SigmaError
from sigma.rule import SigmaRule

from opentrail.pattern.errors import InvalidSigmaRule
from opentrail.pattern.ir import (
    AnyLeaf,
    Field,
    LeafCondition,
    Leaves,
    Not,
    Or,
    Predicate,
    SameText,
    all_of,
    any_of,
    exists,
)
from opentrail.pattern.sigma_documents import load_documents
from opentrail.pattern.sigma_times import time_part_test
from opentrail.pattern.value_matcher import InvalidExpression, compile_expression
from opentrail.pattern.values import (
    COMPARISONS,
    AnythingAsText,
    Compare,
    Contains,
    EndsWith,
    Folded,
    Glob,
    InNetwork,
    Is,
    Operator,
    Search,
    SomeTest,
    StartsWith,
    Test,
    Wild,
    fold,
    some_test,
    text_in,
)

modifiers.modifier_mapping.setdefault("utf16le", modifiers.SigmaWideModifier)
"""The specification's name for what pySigma calls ``wide``."""

MAX_CONDITIONS = 50
"""Conditions of a rule that lists several."""

MAX_CONDITION_CHARACTERS = 2_000
MAX_PARENTHESES = 20
"""Parentheses within parentheses of a condition."""

MAX_LEAVES = 10_000
"""Comparisons of one rule, once its lists are written out."""

MAX_FIELD_CHARACTERS = 512
MAX_FIELD_DOTS = 30
"""Dots of one field's name; a record's own fields have five at most."""

_COMPARE: Mapping[Any, Operator] = {
    types.SigmaCompareExpression.CompareOperators.LT: "<",
    types.SigmaCompareExpression.CompareOperators.LTE: "<=",
    types.SigmaCompareExpression.CompareOperators.GT: ">",
    types.SigmaCompareExpression.CompareOperators.GTE: ">=",
}
_SPECIAL = (types.SigmaExpansion, types.SigmaNull, types.SigmaExists, types.SigmaFieldReference)
"""Values that are no test on a text or number."""

_FLAGS = {
    types.SigmaRegularExpressionFlag.IGNORECASE: "i",
    types.SigmaRegularExpressionFlag.MULTILINE: "m",
    types.SigmaRegularExpressionFlag.DOTALL: "s",
}


def parse_sigma_rule(text: str) -> Predicate:
    """Return the predicate of one Sigma rule. Raises InvalidSigmaRule."""
    documents = load_documents(text)
    if len(documents) > 1:
        raise InvalidSigmaRule("There are several rules: give one, or rules with a correlation to match a stream")
    return predicate_of_rule(read_rule(documents[0] if documents else None))


def read_rule(content: Any) -> SigmaRule:
    """Return pySigma's form of a rule for CloudTrail. Raises InvalidSigmaRule."""
    if not isinstance(content, dict):
        raise InvalidSigmaRule("The rule is no mapping")
    if "correlation" in content:
        raise InvalidSigmaRule("A correlation judges a stream of events, together with the rules that it refers to")
    _check_conditions(content)
    try:
        rule = SigmaRule.from_dict(content)
    except (SigmaError, RecursionError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise InvalidSigmaRule(str(error) or type(error).__name__) from error
    source = rule.logsource
    if source.product not in (None, "aws") or source.service not in (None, "cloudtrail"):
        raise InvalidSigmaRule(f"The rule is for {source.product}/{source.service}, not for aws/cloudtrail")
    return rule


def predicate_of_rule(rule: SigmaRule) -> Predicate:
    """Return the predicate that one of the rule's conditions holds. Raises InvalidSigmaRule."""
    try:
        parsed = [condition.parse() for condition in rule.detection.parsed_condition]
    except RecursionError as error:
        raise InvalidSigmaRule("The rule's condition is too complex") from error
    except (SigmaError, TypeError, ValueError, AttributeError, KeyError) as error:
        raise InvalidSigmaRule(str(error) or type(error).__name__) from error
    return any_of(_Converter().predicate(condition) for condition in parsed)


def _check_conditions(content: Mapping[str, Any]) -> None:
    detection = content.get("detection")
    given = detection.get("condition") if isinstance(detection, dict) else None
    if isinstance(detection, dict) and not all(isinstance(name, str) for name in detection):
        raise InvalidSigmaRule("The names of a rule's detections are texts")
    listed = given if isinstance(given, list) else [given]
    if not all(condition is None or isinstance(condition, str) for condition in listed):
        raise InvalidSigmaRule("A rule's condition is a text")
    if len(listed) > MAX_CONDITIONS:
        raise InvalidSigmaRule(f"The rule has more than {MAX_CONDITIONS} conditions")
    for condition in listed:
        text = str(condition)
        if len(text) > MAX_CONDITION_CHARACTERS or _depth(text) > MAX_PARENTHESES:
            raise InvalidSigmaRule("The rule's condition is too complex")


def _path(field: str) -> tuple[str, ...]:
    """Return the names of a field; all ways to join neighbours are held in memory, so their number is bounded."""
    if len(field) > MAX_FIELD_CHARACTERS or field.count(".") > MAX_FIELD_DOTS:
        raise InvalidSigmaRule("A field's name is too long")
    return tuple(field.split("."))


def _depth(text: str) -> int:
    deepest = depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    return deepest


class _Converter:
    """Turns one parsed condition into a predicate, counting what it makes."""

    def __init__(self) -> None:
        self._left = MAX_LEAVES

    def predicate(self, item: Any) -> Predicate:
        match item:
            case conditions.ConditionAND():
                return all_of(self.predicate(part) for part in item.args)
            case conditions.ConditionOR():
                return any_of(self._alternatives(item.args))
            case conditions.ConditionNOT():
                return Not(self.predicate(item.args[0]))
            case conditions.ConditionFieldEqualsValueExpression():
                return self._field(item.field, item.value)
            case conditions.ConditionValueExpression():
                return AnyLeaf(_test(item.value))
        raise InvalidSigmaRule("The rule's condition is empty")

    def _alternatives(self, parts: Sequence[Any]) -> Iterator[Predicate]:
        """Yield what any of the parts asks, the values of one field together."""
        tests: dict[str, list[Test]] = {}
        for part in parts:
            match part:
                case conditions.ConditionFieldEqualsValueExpression() if not isinstance(part.value, _SPECIAL):
                    self._count()
                    tests.setdefault(part.field, []).append(_test(part.value))
                case _:
                    yield self.predicate(part)
        for field, of_field in tests.items():
            path = _path(field)
            yield Leaves((LeafCondition(path, some_test(of_field)),))
            readers = [test for test in of_field if _may_read_json(test)]
            if readers:
                yield Field(path, some_test(readers))

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise InvalidSigmaRule(f"The rule makes more than {MAX_LEAVES} comparisons")

    def _field(self, field: str, value: Any) -> Predicate:
        self._count()
        path = _path(field)
        match value:
            case types.SigmaExpansion():
                return any_of(self._field(field, one) for one in value.values)
            case types.SigmaNull():
                return Or((Not(exists(path)), Field(path, Is(value=None))))
            case types.SigmaExists():
                return exists(path) if value.exists else Not(exists(path))
            case types.SigmaFieldReference():
                return _reference(path, value)
        test = _test(value)
        leaf = Leaves((LeafCondition(path, test),))
        return any_of((leaf, Field(path, test))) if _may_read_json(test) else leaf


def _reference(path: tuple[str, ...], value: types.SigmaFieldReference) -> Predicate:
    if value.starts_with or value.ends_with:
        raise InvalidSigmaRule("fieldref with startswith or endswith is not supported")
    return SameText(path, _path(value.field))


def _may_read_json(test: Test) -> bool:
    """Say whether a test looks for something inside a text, so that the JSON of objects and arrays is worth asking."""
    match test:
        case AnythingAsText(part) | Folded(part):
            return _may_read_json(part)
        case Glob() | Search() | Contains() | StartsWith() | EndsWith():
            return True
    return False


def _test(value: Any) -> Test:
    match value:
        case types.SigmaCasedString():
            return AnythingAsText(_glob(value, str))
        case types.SigmaString():
            return AnythingAsText(Folded(_glob(value, fold)))
        case types.SigmaTimestampPart():
            return time_part_test(value.timestamp_part.name, lambda number: number == value.number)
        case types.SigmaNumber():
            return SomeTest((Compare("=", float(value.number)), AnythingAsText(text_in(str(value.number)))))
        case types.SigmaBool():
            return AnythingAsText(Folded(text_in("true" if value.boolean else "false")))
        case types.SigmaRegularExpression():
            return AnythingAsText(Search(_expression(value)))
        case types.SigmaCIDRExpression():
            network = value.network
            first = int(network.network_address)
            return InNetwork(network.version, first, first + network.num_addresses - 1)
        case types.SigmaCompareExpression(number=types.SigmaTimestampPart() as part):
            compare = COMPARISONS[_COMPARE[value.op]]
            return time_part_test(part.timestamp_part.name, lambda number: compare(number, part.number))
        case types.SigmaCompareExpression():
            return Compare(_COMPARE[value.op], float(value.number.number))
        case types.SigmaExpansion():
            return SomeTest(tuple(_test(one) for one in value.values))
    raise InvalidSigmaRule(f"Values of the kind {type(value).__name__.removeprefix('Sigma')} are not supported")


def _glob(value: types.SigmaString, case: Callable[[str], str]) -> Test:
    pieces: list[str | Wild] = []
    for part in value.s:
        match part:
            case str():
                pieces.append(case(part))
            case types.SpecialChars.WILDCARD_MULTI:
                pieces += [] if pieces and pieces[-1] is Wild.RUN else [Wild.RUN]
            case types.SpecialChars.WILDCARD_SINGLE:
                pieces.append(Wild.ONE)
            case _:
                raise InvalidSigmaRule(f"The rule has the placeholder {part}, for which there is no value")
    if not any(isinstance(piece, Wild) for piece in pieces):
        return text_in("".join(piece for piece in pieces if isinstance(piece, str)))
    match pieces:
        case [Wild.RUN, str() as part, Wild.RUN]:
            return Contains((part,))
        case [str() as prefix, Wild.RUN]:
            return StartsWith((prefix,))
        case [Wild.RUN, str() as suffix]:
            return EndsWith((suffix,))
    return Glob(tuple(pieces))


def _expression(value: types.SigmaRegularExpression) -> str:
    flags = "".join(sorted(_FLAGS[flag] for flag in value.flags))
    text = str(getattr(value.regexp, "original", value.regexp))  # a number in YAML is none of pySigma's texts
    expression = f"(?{flags}){text}" if flags else text
    try:
        compile_expression(expression)
    except InvalidExpression as error:
        raise InvalidSigmaRule(f"The regular expression {text} cannot be matched in linear time: {error}") from error
    return expression
