"""Sigma's correlation rules: documents that refer to rules beside them in one file (specification 2.0, correlations).

In: YAML of several documents. Out: ``correlation.Correlations``, for a stream of events.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from opentrail.pattern.correlation import Correlation, Correlations, Kind
from opentrail.pattern.errors import InvalidSigmaRule
from opentrail.pattern.ir import DottedPath, Predicate
from opentrail.pattern.sigma import predicate_of_rule, read_rule
from opentrail.pattern.sigma_documents import load_documents

MAX_COUNT = 10_000
"""The largest number that a condition may ask for; it bounds what one group keeps."""

MAX_SPAN_SECONDS = 366 * 86_400
MAX_RULES = 50
"""Rules that one correlation may refer to."""

MAX_FIELDS = 20
"""Fields that one correlation may group by."""

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"([0-9]{1,9})([smhd])")
_MEMBERS = frozenset({"type", "rules", "group-by", "timespan", "condition", "aliases", "generate"})
_OPERATORS = ("gt", "gte", "lt", "lte", "eq")


def holds_correlation(text: str) -> bool:
    """Say whether some document of the text is a correlation. Raises InvalidSigmaRule."""
    return any(isinstance(document, dict) and "correlation" in document for document in load_documents(text))


def parse_sigma_correlations(text: str) -> Correlations:
    """Return the rules and correlations of a file with at least one correlation. Raises InvalidSigmaRule."""
    documents = load_documents(text)
    if not all(isinstance(document, dict) for document in documents):
        raise InvalidSigmaRule("The rule is no mapping")
    return _File(documents).correlations()


class _File:
    """The documents of one file, by the names and ids that others may use for them."""

    def __init__(self, documents: Sequence[Mapping[str, Any]]) -> None:
        self._documents = documents
        self._places: dict[str, int] = {}
        for place, document in enumerate(documents):
            for label in {str(document[member]) for member in ("name", "id") if document.get(member)}:
                if self._places.setdefault(label, place) != place:
                    raise InvalidSigmaRule(f"Two rules are called {label}")

    def correlations(self) -> Correlations:
        ordered = list(self._in_order())
        rules: dict[str, Predicate] = {
            _name(place): predicate_of_rule(read_rule(document))
            for place, document in enumerate(self._documents)
            if "correlation" not in document
        }
        if not ordered:
            raise InvalidSigmaRule("There is no correlation")
        return Correlations(rules, [self._correlation(place) for place in ordered])

    def _in_order(self) -> Iterator[int]:
        """Yield the correlations, each after those that it refers to."""
        left = [place for place, document in enumerate(self._documents) if "correlation" in document]
        while left:
            ready = [place for place in left if not any(one in left for one in self._references(place))]
            if not ready:
                raise InvalidSigmaRule("Correlations refer to each other in a circle")
            yield from ready
            left = [place for place in left if place not in ready]

    def _references(self, place: int) -> list[int]:
        given = _section(self._documents[place]).get("rules")
        names = [given] if isinstance(given, str) else given
        if not isinstance(names, list) or not names or len(names) > MAX_RULES:
            raise InvalidSigmaRule(f"A correlation refers to between 1 and {MAX_RULES} rules")
        return [self._place_of(name) for name in names]

    def _place_of(self, name: object) -> int:
        if str(name) not in self._places:
            raise InvalidSigmaRule(f"There is no rule {name}")
        return self._places[str(name)]

    def _correlation(self, place: int) -> Correlation:
        document = self._documents[place]
        section = _section(document)
        references = self._references(place)
        if len(set(references)) != len(references):
            raise InvalidSigmaRule("A correlation refers to a rule twice")
        kind = _kind(section)
        aliases = _Aliases(section, self)
        labels = _texts(section.get("group-by", []), "group-by", MAX_FIELDS)
        condition = _condition(section, kind, len(references))
        counted = section["condition"]["field"] if kind == "value_count" else None
        return Correlation(
            name=_name(place),
            title=str(document.get("title") or document.get("name") or document.get("id") or "correlation"),
            kind=kind,
            rules=tuple(_name(one) for one in references),
            labels=labels,
            group_by=tuple(tuple(aliases.path(label, one) for label in labels) for one in references),
            counted=tuple(aliases.path(counted, one) for one in references) if counted else (),
            span_seconds=_span(section),
            least=condition.least,
            most=condition.most,
        )

    def alias_rules(self, mapping: Mapping[Any, Any]) -> dict[int, DottedPath]:
        return {self._place_of(name): tuple(_text(field, "an alias").split(".")) for name, field in mapping.items()}


class _Aliases:
    """The field that each alias stands for, by rule."""

    def __init__(self, section: Mapping[str, Any], file: _File) -> None:
        given = section.get("aliases") or {}
        if not isinstance(given, dict) or not all(isinstance(mapping, dict) for mapping in given.values()):
            raise InvalidSigmaRule("aliases is a mapping of mappings")
        self._fields = {str(alias): file.alias_rules(mapping) for alias, mapping in given.items()}

    def path(self, field: str, place: int) -> DottedPath:
        if field not in self._fields:
            return tuple(field.split("."))
        if place not in self._fields[field]:
            raise InvalidSigmaRule(f"The alias {field} names no field of one of the rules")
        return self._fields[field][place]


@dataclass(frozen=True, slots=True)
class _Condition:
    least: int
    most: int | None


def _section(document: Mapping[str, Any]) -> Mapping[str, Any]:
    section = document["correlation"]
    if not isinstance(section, dict):
        raise InvalidSigmaRule("correlation is a mapping")
    unknown = sorted(map(str, section.keys() - _MEMBERS))
    if unknown:
        raise InvalidSigmaRule(f"correlation has no {', '.join(unknown)}")
    return section


def _kind(section: Mapping[str, Any]) -> Kind:
    kind: Kind
    for kind in get_args(Kind):
        if section.get("type") == kind:
            return kind
    raise InvalidSigmaRule(f"Correlations of the type {section.get('type')} are not supported")


def _span(section: Mapping[str, Any]) -> int:
    found = _SPAN.fullmatch(str(section.get("timespan")))
    seconds = int(found[1]) * _SECONDS[found[2]] if found else 0
    if not 0 < seconds <= MAX_SPAN_SECONDS:
        raise InvalidSigmaRule("timespan is a number with s, m, h or d, up to 366d")
    return seconds


def _condition(section: Mapping[str, Any], kind: Kind, rules: int) -> _Condition:
    given = section.get("condition")
    is_temporal = kind in ("temporal", "temporal_ordered")
    if given is None and is_temporal:
        return _Condition(rules, None)
    if not isinstance(given, dict):
        raise InvalidSigmaRule("condition is a mapping of gt, gte, lt, lte or eq to a number")
    condition = _interval({name: value for name, value in given.items() if name != "field"})
    if kind == "value_count":
        _text(given.get("field"), "condition's field")
    elif "field" in given:
        raise InvalidSigmaRule("Only value_count counts the values of a field")
    if kind == "temporal_ordered" and (condition.least, condition.most or rules) != (rules, rules):
        raise InvalidSigmaRule("temporal_ordered wants all of its rules")
    return _Condition(condition.least, None) if is_temporal and condition.most == rules else condition


def _interval(given: Mapping[str, Any]) -> _Condition:
    """Read bounds, joined by AND. A group that is seen at all has been counted once."""
    least, most = 1, MAX_COUNT + 1
    if not given:
        raise InvalidSigmaRule("condition wants one of gt, gte, lt, lte, eq")
    for name, number in given.items():
        if name not in _OPERATORS:
            raise InvalidSigmaRule(f"condition has no {name}")
        if type(number) is not int or not 0 <= number <= MAX_COUNT:
            raise InvalidSigmaRule(f"condition wants numbers from 0 to {MAX_COUNT}")
        if name in ("gt", "gte", "eq"):
            least = max(least, number + (name == "gt"))
        if name in ("lt", "lte", "eq"):
            most = min(most, number - (name == "lt"))
    if least > most:
        raise InvalidSigmaRule("condition can never hold")
    return _Condition(least, most if any(name in given for name in ("lt", "lte", "eq")) else None)


def _texts(given: Any, what: str, maximum: int) -> tuple[str, ...]:
    listed = [given] if isinstance(given, str) else given
    if listed is None:
        return ()
    if not isinstance(listed, list) or len(listed) > maximum:
        raise InvalidSigmaRule(f"{what} is a list of up to {maximum} fields")
    return tuple(_text(one, what) for one in listed)


def _text(given: Any, what: str) -> str:
    if not isinstance(given, str) or not given:
        raise InvalidSigmaRule(f"{what} is the name of a field")
    return given


def _name(place: int) -> str:
    return f"rule {place + 1}"
