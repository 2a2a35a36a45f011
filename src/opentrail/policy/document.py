"""Policy documents: the JSON of identity, resource, trust and session policies, read into statements.

In: text, bounded by MAX_POLICY_CHARACTERS. Out: a PolicyDocument that ``evaluation`` judges by, or MalformedPolicy.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any, NoReturn

from opentrail.policy.conditions import Condition, Presence, compile_condition
from opentrail.policy.wildcards import Template

MAX_POLICY_CHARACTERS = 32_768
"""The largest policy of any kind that AWS takes: a key policy of 32 KB."""

CACHED_POLICIES = 500
"""Texts that are remembered with what they were read into."""

CURRENT_VERSION = "2012-10-17"
FORMER_VERSION = "2008-10-17"

_DOCUMENT_ELEMENTS = {"Version", "Id", "Statement"}
_STATEMENT_ELEMENTS = {
    "Sid",
    "Effect",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Principal",
    "NotPrincipal",
    "Condition",
}
_PRINCIPAL_TYPES = {"AWS", "Service", "Federated", "CanonicalUser"}


class MalformedPolicy(ValueError):
    """The text is no policy; the message names the place and what is wrong there."""


class PolicyKind(Enum):
    """What a policy is attached to, which decides the elements it must and must not have."""

    IDENTITY = "identity"
    """A user's or role's, or a session's: Resource, no Principal."""

    RESOURCE = "resource"
    """A bucket's, channel's or other resource's: Resource and Principal."""

    TRUST = "trust"
    """A role's trust policy: Principal, no Resource."""


class Effect(StrEnum):
    """What a statement does when it applies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Patterns:
    """Action or Resource, or their negation: it meets a text when any (under ``is_negated``: none) of them does."""

    templates: tuple[Template, ...]
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Principals:
    """Principal or NotPrincipal: (type, name) pairs such as ("AWS", "*") or ("Service", "sns.amazonaws.com")."""

    names: frozenset[tuple[str, str]]
    is_negated: bool


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``actions`` are in lower case; ``resources`` and ``principals`` are None where the element is
    absent."""

    sid: str
    effect: Effect
    actions: Patterns
    resources: Patterns | None
    principals: Principals | None
    conditions: tuple[Condition | Presence, ...]


@dataclass(frozen=True, slots=True)
class PolicyDocument:
    """A policy that was read without fault."""

    version: str
    statements: tuple[Statement, ...]


def parse_policy(text: str, kind: PolicyKind | None = None) -> PolicyDocument:
    """Read a policy; with ``kind``, also hold it to what that kind of policy must and must not have.

    An element, operator or principal type that IAM does not know, a key that occurs twice, and an element of the
    wrong type are errors: a policy that would be half understood is refused. Raises MalformedPolicy. The policies read
    last are remembered, since every request is judged by the same few.
    """
    return _parse(text, kind)


@lru_cache(maxsize=CACHED_POLICIES)
def _parse(text: str, kind: PolicyKind | None) -> PolicyDocument:
    document = _object(_json(text), "the policy")
    _only(document, _DOCUMENT_ELEMENTS, "the policy")
    version = document.get("Version", FORMER_VERSION)
    if version not in (CURRENT_VERSION, FORMER_VERSION):
        raise MalformedPolicy(f"Version must be {CURRENT_VERSION} or {FORMER_VERSION}")
    if "Id" in document:
        _string(document["Id"], "Id")
    statements = _statements(document, version)
    if kind is not None:
        for index, statement in enumerate(statements):
            _check_kind(statement, kind, f"Statement[{index}]")
    return PolicyDocument(version, statements)


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _json(text: str) -> Any:
    if len(text) > MAX_POLICY_CHARACTERS:
        raise MalformedPolicy(f"a policy has at most {MAX_POLICY_CHARACTERS} characters")
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
    except MalformedPolicy:
        raise
    except (ValueError, RecursionError) as error:
        raise MalformedPolicy(f"a policy is JSON: {error}") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedPolicy("an element occurs twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise MalformedPolicy(f"{name} is not JSON")


def _statements(document: dict[str, Any], version: str) -> tuple[Statement, ...]:
    written = document.get("Statement")
    if isinstance(written, dict):
        written = [written]
    if not isinstance(written, list) or not written:
        raise MalformedPolicy("Statement must hold at least one statement")
    has_variables = version == CURRENT_VERSION
    statements = tuple(
        _statement(_object(each, f"Statement[{index}]"), has_variables, f"Statement[{index}]")
        for index, each in enumerate(written)
    )
    sids = [statement.sid for statement in statements if statement.sid]
    if len(set(sids)) != len(sids):
        raise MalformedPolicy("Statement IDs (SID) in a single policy must be unique")
    return statements


def _statement(members: dict[str, Any], has_variables: bool, place: str) -> Statement:
    _only(members, _STATEMENT_ELEMENTS, place)
    sid = _string(members["Sid"], f"{place}.Sid") if "Sid" in members else ""
    effect = members.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise MalformedPolicy(f"{place}.Effect must be Allow or Deny")
    actions = _one_of(members, "Action", place, lambda value, where: _action(value, where))
    if actions is None:
        raise MalformedPolicy(f"{place} must have Action or NotAction")
    resources = _one_of(members, "Resource", place, lambda value, where: _resource(value, has_variables, where))
    principals = _principals(members, place)
    if resources is None and principals is None:
        raise MalformedPolicy(f"{place} must have Resource or NotResource")
    conditions = _conditions(members.get("Condition", {}), has_variables, f"{place}.Condition")
    return Statement(sid, Effect(effect), actions, resources, principals, conditions)


def _one_of(
    members: dict[str, Any], name: str, place: str, template: Callable[[str, str], Template]
) -> Patterns | None:
    """Read ``name`` or ``Not<name>``; None when neither is there."""
    element = _present(members, name, place)
    if element is None:
        return None
    where = f"{place}.{element}"
    values = _strings(members[element], where)
    return Patterns(tuple(template(value, where) for value in values), element.startswith("Not"))


def _present(members: dict[str, Any], name: str, place: str) -> str | None:
    found = [element for element in (name, f"Not{name}") if element in members]
    if len(found) == 2:
        raise MalformedPolicy(f"{place} must not have both {name} and Not{name}")
    return found[0] if found else None


def _action(value: str, place: str) -> Template:
    vendor, colon, name = value.partition(":")
    if value != "*" and not (vendor and colon and name):
        raise MalformedPolicy(f"{place}: {value[:100]!r} must be prefaced by a vendor, e.g. s3:GetObject")
    return Template(value.lower(), has_wildcards=True, has_variables=False)


def _resource(value: str, has_variables: bool, place: str) -> Template:
    if value != "*" and not value.startswith(("arn:", "arn*")):
        raise MalformedPolicy(f'{place}: {value[:100]!r} must be in ARN format or "*"')
    return Template(value, has_wildcards=True, has_variables=has_variables)


def _principals(members: dict[str, Any], place: str) -> Principals | None:
    element = _present(members, "Principal", place)
    if element is None:
        return None
    where = f"{place}.{element}"
    written = members[element]
    if written == "*":
        return Principals(frozenset({("AWS", "*")}), element.startswith("Not"))
    by_type = _object(written, where)
    if not by_type:
        raise MalformedPolicy(f"{where} must not be empty")
    _only(by_type, _PRINCIPAL_TYPES, where)
    names = frozenset((kind, name) for kind, values in by_type.items() for name in _strings(values, f"{where}.{kind}"))
    return Principals(names, element.startswith("Not"))


def _conditions(written: Any, has_variables: bool, place: str) -> tuple[Condition | Presence, ...]:
    conditions = []
    for operator, by_key in _object(written, place).items():
        for key, values in _object(by_key, f"{place}.{operator[:100]}").items():
            where = f"{place}.{operator[:100]}.{key[:100]}"
            try:
                condition = compile_condition(operator, key, _scalars(values, where), has_variables=has_variables)
            except MalformedPolicy:
                raise
            except ValueError as error:
                raise MalformedPolicy(f"{where}: {error}") from error
            conditions.append(condition)
    return tuple(conditions)


def _check_kind(statement: Statement, kind: PolicyKind, place: str) -> None:
    if kind is PolicyKind.IDENTITY and statement.principals is not None:
        raise MalformedPolicy(f"{place}: a policy of an identity must not have Principal")
    if kind is not PolicyKind.IDENTITY and statement.principals is None:
        raise MalformedPolicy(f"{place} must have Principal or NotPrincipal")
    if kind is PolicyKind.TRUST and statement.resources is not None:
        raise MalformedPolicy(f"{place}: a trust policy must not have Resource")
    if kind is not PolicyKind.TRUST and statement.resources is None:
        raise MalformedPolicy(f"{place} must have Resource or NotResource")


def _object(value: Any, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedPolicy(f"{place} must be a JSON object")
    return value


def _only(members: dict[str, Any], known: set[str], place: str) -> None:
    unknown = sorted(members.keys() - known)
    if unknown:
        raise MalformedPolicy(f"{place} has an unknown element {unknown[0][:100]!r}")


def _string(value: Any, place: str) -> str:
    if type(value) is not str:
        raise MalformedPolicy(f"{place} must be a string")
    return value


def _strings(value: Any, place: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise MalformedPolicy(f"{place} must not be empty")
    for each in values:
        if not _string(each, place):
            raise MalformedPolicy(f"{place} must not hold an empty string")
    return values


def _scalars(value: Any, place: str) -> list[str]:
    values = value if isinstance(value, list) else [value]
    if not values:
        raise MalformedPolicy(f"{place} must not be empty")
    return [_scalar(each, place) for each in values]


def _scalar(value: Any, place: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str(value)
    raise MalformedPolicy(f"{place} must be a string, a number, true or false")
