"""The Condition element: operators, their quantifiers, and what holds when a key is absent.

``[ForAnyValue:|ForAllValues:]<Operator>[IfExists]``. One test per value of the policy; a key's value is accepted when
any test passes, and under a negated operator when none does.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from operator import eq, ge, gt, le, lt
from typing import Any

from opentrail.policy.wildcards import Context, Template

Test = Callable[[str, Context], bool]
"""Says whether one value of the request passes one value of the policy."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_EPOCH = re.compile(r"[+-]?([0-9]{1,3}|[0-9]{5,12})(\.[0-9]{1,9})?")


class Quantifier(Enum):
    """How many of a key's values must be accepted; without one, the key is taken to have a single value."""

    NONE = ""
    ANY = "ForAnyValue"
    ALL = "ForAllValues"


@dataclass(frozen=True, slots=True)
class Condition:
    """One key of one operator block. ``key`` is in lower case."""

    key: str
    tests: tuple[Test, ...]
    is_negated: bool
    quantifier: Quantifier
    holds_if_absent: bool

    def holds(self, context: Context) -> bool:
        """Say whether the request meets the condition."""
        values = context.get(self.key, ())
        if not values:
            return self.holds_if_absent
        if self.quantifier is Quantifier.ALL:
            return all(self._accepts(value, context) for value in values)
        if self.quantifier is Quantifier.ANY:
            return any(self._accepts(value, context) for value in values)
        return any(test(value, context) for value in values for test in self.tests) != self.is_negated

    def _accepts(self, value: str, context: Context) -> bool:
        return any(test(value, context) for test in self.tests) != self.is_negated


@dataclass(frozen=True, slots=True)
class Presence:
    """The Null operator: the key must be absent, or must be there."""

    key: str
    must_be_absent: bool

    def holds(self, context: Context) -> bool:
        """Say whether the request meets the condition."""
        return (not context.get(self.key)) == self.must_be_absent


def compile_condition(operator: str, key: str, values: Sequence[str], *, has_variables: bool) -> Condition | Presence:
    """Build the condition ``{operator: {key: values}}``; raises ValueError with a reason when it makes no sense."""
    key = key.lower()
    name = operator
    quantifier = Quantifier.NONE
    prefix, colon, rest = operator.partition(":")
    if colon:
        quantifier, name = _quantifier(prefix, operator), rest
    if_exists = name.endswith("IfExists")
    name = name.removesuffix("IfExists")
    if name == "Null" and not if_exists and quantifier is Quantifier.NONE:
        return _presence(key, values)
    found = _OPERATORS.get(name)
    if found is None:
        raise ValueError(f"unknown operator {operator[:100]}")
    test, is_negated = found
    tests = tuple(test(value, has_variables) for value in values)
    absent = {Quantifier.NONE: is_negated, Quantifier.ANY: False, Quantifier.ALL: True}[quantifier]
    return Condition(key, tests, is_negated, quantifier, if_exists or absent)


def _quantifier(prefix: str, operator: str) -> Quantifier:
    if prefix not in ("ForAnyValue", "ForAllValues"):
        raise ValueError(f"unknown operator {operator[:100]}")
    return Quantifier(prefix)


def _presence(key: str, values: Sequence[str]) -> Presence:
    if len(values) != 1 or values[0].lower() not in ("true", "false"):
        raise ValueError("Null takes true or false")
    return Presence(key, values[0].lower() == "true")


def _string_equals(value: str, has_variables: bool) -> Test:
    return Template(value, has_wildcards=False, has_variables=has_variables).matches


def _string_equals_ignore_case(value: str, has_variables: bool) -> Test:
    template = Template(value, has_wildcards=False, has_variables=has_variables)

    def test(actual: str, context: Context) -> bool:
        expected = template.text(context)
        return expected is not None and expected.casefold() == actual.casefold()

    return test


def _string_like(value: str, has_variables: bool) -> Test:
    return Template(value, has_wildcards=True, has_variables=has_variables).matches


def _arn_like(value: str, has_variables: bool) -> Test:
    """Each of the six parts of an ARN is compared by itself, so a ``*`` ends at the next colon (but in the last)."""
    if value == "*":
        return lambda _actual, _context: True
    parts = [
        Template(part, has_wildcards=True, has_variables=has_variables) for part in _arn_parts(value, has_variables)
    ]

    def test(actual: str, context: Context) -> bool:
        actual_parts = actual.split(":", 5)
        return len(parts) == len(actual_parts) == 6 and all(
            part.matches(text, context) for part, text in zip(parts, actual_parts, strict=True)
        )

    return test


def _arn_parts(value: str, has_variables: bool) -> list[str]:
    """Split at the first five colons that are not inside a variable."""
    if not has_variables:
        return value.split(":", 5)
    pieces = re.findall(r"\$\{[^{}]*\}|:|[^:$]+|\$", value)
    parts = [""]
    for piece in pieces:
        if piece == ":" and len(parts) < 6:
            parts.append("")
        else:
            parts[-1] += piece
    return parts


def _compare(parse: Callable[[str], Any], comparison: Callable[[Any, Any], bool]) -> Callable[[str, bool], Test]:
    def build(value: str, _has_variables: bool) -> Test:
        expected = parse(value)

        def test(actual: str, _context: Context) -> bool:
            try:
                return comparison(parse(actual), expected)
            except ValueError:
                return False

        return test

    return build


def _number(text: str) -> Decimal:
    if not _NUMBER.fullmatch(text):
        raise ValueError(f"not a number: {text[:100]}")
    return Decimal(text)


def _moment(text: str) -> datetime:
    """Read ISO 8601 (UTC unless it says otherwise; a lone year is its first day) or seconds since 1970."""
    try:
        if _EPOCH.fullmatch(text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(f"{text}-01-01" if re.fullmatch(r"[0-9]{4}", text) else text)
    except (ValueError, OverflowError, OSError) as error:
        raise ValueError(f"not a date: {text[:100]}") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(f"not true or false: {text[:100]}")
    return text.lower() == "true"


def _binary(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"not base64: {text[:100]}") from error


def _ip_address(value: str, _has_variables: bool) -> Test:
    network = ip_network(value, strict=False)

    def test(actual: str, _context: Context) -> bool:
        try:
            address: IPv4Address | IPv6Address = ip_address(actual)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address in network

    return test


_OPERATORS: dict[str, tuple[Callable[[str, bool], Test], bool]] = {
    "StringEquals": (_string_equals, False),
    "StringNotEquals": (_string_equals, True),
    "StringEqualsIgnoreCase": (_string_equals_ignore_case, False),
    "StringNotEqualsIgnoreCase": (_string_equals_ignore_case, True),
    "StringLike": (_string_like, False),
    "StringNotLike": (_string_like, True),
    "NumericEquals": (_compare(_number, eq), False),
    "NumericNotEquals": (_compare(_number, eq), True),
    "NumericLessThan": (_compare(_number, lt), False),
    "NumericLessThanEquals": (_compare(_number, le), False),
    "NumericGreaterThan": (_compare(_number, gt), False),
    "NumericGreaterThanEquals": (_compare(_number, ge), False),
    "DateEquals": (_compare(_moment, eq), False),
    "DateNotEquals": (_compare(_moment, eq), True),
    "DateLessThan": (_compare(_moment, lt), False),
    "DateLessThanEquals": (_compare(_moment, le), False),
    "DateGreaterThan": (_compare(_moment, gt), False),
    "DateGreaterThanEquals": (_compare(_moment, ge), False),
    "Bool": (_compare(_truth, eq), False),
    "BinaryEquals": (_compare(_binary, eq), False),
    "IpAddress": (_ip_address, False),
    "NotIpAddress": (_ip_address, True),
    "ArnEquals": (_arn_like, False),
    "ArnNotEquals": (_arn_like, True),
    "ArnLike": (_arn_like, False),
    "ArnNotLike": (_arn_like, True),
}
"""Operator -> (how one value is tested, whether it is the negation of that test)."""
