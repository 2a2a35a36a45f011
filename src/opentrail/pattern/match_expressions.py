"""Match expressions, the objects in a value list of an event pattern or a filter policy: ``{"prefix": "a"}``.

Each operator reads its operand from the tokens as EventBridge's compiler does, in the same order of checks, so that a
fault has the same text and place.
"""

from collections.abc import Callable, Mapping
from typing import NoReturn

from opentrail.pattern.json_tokens import NUMBERS, InvalidJson, JsonTokens, Token
from opentrail.pattern.networks import parse_network
from opentrail.pattern.values import (
    ANYTHING,
    AllTests,
    Compare,
    EndsWith,
    Folded,
    NoTest,
    Operator,
    StartsWith,
    Test,
    TextIn,
    fold,
    some_test,
    text_in,
)
from opentrail.pattern.wildcards import TOO_COMPLEX, InvalidWildcard, is_too_complex, parse_wildcard

ONLY_ONE_KEY = "Only one key allowed in match expression"
_TOO_MANY_ELEMENTS = "Too many elements in numeric expression"
_NEEDS_SCALAR = "Value of anything-but must be an array or single string/number value."
_NO_SCALAR_IN_LIST = "Inside anything but list, start|null|boolean is not supported."
_MIXED_LIST = "Inside anything but list, either all values are number or string, mixed type is not supported"
_NO_TEXT_IN_CASELESS_LIST = "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."

ABSENT = None
"""What ``{"exists": false}`` reads as: no leaf may be there."""


def read_match_expression(tokens: JsonTokens, operators: Mapping[str, "Reader"]) -> Test | None:
    """Return the test of the expression whose opening brace has just been read, ABSENT for one that wants no leaf."""
    if tokens.next() != "name":
        _fail(tokens, "Match expression name not found")
    name = tokens.name()
    if name not in operators:
        _fail(tokens, f"Unrecognized match type {name}")
    return operators[name](tokens)


Reader = Callable[[JsonTokens], Test | None]


def _fail(tokens: JsonTokens, reason: str) -> NoReturn:
    raise tokens.fail(reason)


def _close(tokens: JsonTokens, reason: str = ONLY_ONE_KEY) -> None:
    if tokens.next() != "}":
        _fail(tokens, reason)


def _text(tokens: JsonTokens, reason: str) -> str:
    if tokens.next() != "string":
        _fail(tokens, reason)
    return tokens.text()


def _exactly(tokens: JsonTokens) -> Test:
    test = text_in(_text(tokens, "exact match pattern must be a string"))
    _close(tokens)
    return test


def _start_or_end(name: str, plain: Callable[[str], Test]) -> Reader:
    def read(tokens: JsonTokens) -> Test:
        kind = tokens.next()
        if kind == "{":
            return _caseless_start_or_end(tokens, name, plain)
        if kind != "string":
            _fail(tokens, f"{name} match pattern must be a string")
        test = plain(tokens.text())
        _close(tokens)
        return test

    return read


def _caseless_start_or_end(tokens: JsonTokens, name: str, plain: Callable[[str], Test]) -> Test:
    if tokens.next() != "name":
        _fail(tokens, f"{name.capitalize()} expression name not found")
    if tokens.name() != "equals-ignore-case":
        _fail(tokens, f"Unsupported {name} pattern: {tokens.name()}")
    test = Folded(plain(fold(_text(tokens, "equals-ignore-case match pattern must be a string"))))
    _close(tokens)
    _close(tokens)
    return test


def _prefix(text: str) -> Test:
    return StartsWith((text,))


def _suffix(text: str) -> Test:
    return EndsWith((text,))


def _caseless(tokens: JsonTokens) -> Test:
    test = Folded(text_in(fold(_text(tokens, "equals-ignore-case match pattern must be a string"))))
    _close(tokens)
    return test


def _glob(tokens: JsonTokens, text: str) -> Test:
    try:
        glob = parse_wildcard(text)
    except InvalidWildcard as error:
        raise tokens.fail(str(error)) from error
    if is_too_complex(glob):
        raise InvalidJson(TOO_COMPLEX)
    return glob


def _wildcard(tokens: JsonTokens) -> Test:
    test = _glob(tokens, _text(tokens, "wildcard match pattern must be a string"))
    _close(tokens)
    return test


def _exists(tokens: JsonTokens) -> Test | None:
    kind = tokens.next()
    if kind not in ("true", "false"):
        _fail(tokens, "exists match pattern must be either true or false.")
    _close(tokens)
    return ANYTHING if kind == "true" else ABSENT


def _cidr(tokens: JsonTokens) -> Test:
    # EventBridge's own text names prefix here.
    text = _text(tokens, "prefix match pattern must be a string")
    try:
        test = parse_network(text)
    except ValueError as error:
        raise InvalidJson(str(error)) from error
    _close(tokens)
    return test


def _numeric(tokens: JsonTokens) -> Test:
    if tokens.next() != "[":
        _fail(tokens, "Value of numeric must be an array.")
    if tokens.next() != "string":
        _fail(tokens, f"Invalid member in numeric match: {tokens.text()}")
    symbol = tokens.text()
    kind = tokens.next()
    match symbol:
        case "=" | "<" | "<=":
            test = _one_bound(tokens, kind, symbol)
        case ">" | ">=":
            test = _lower_bound(tokens, kind, symbol)
        case _:
            _fail(tokens, f"Unrecognized numeric range operator: {symbol}")
    _close(tokens, _TOO_MANY_ELEMENTS)
    return test


def _number(tokens: JsonTokens, kind: Token, symbol: str) -> float:
    if kind not in NUMBERS:
        _fail(tokens, f"Value of {'equals' if symbol == '=' else symbol} must be numeric")
    return float(tokens.text())


def _one_bound(tokens: JsonTokens, kind: Token, symbol: Operator) -> Test:
    bound = _number(tokens, kind, symbol)
    if tokens.next() != "]":
        _fail(tokens, _TOO_MANY_ELEMENTS)
    return Compare(symbol, bound)


def _lower_bound(tokens: JsonTokens, kind: Token, symbol: Operator) -> Test:
    bottom = _number(tokens, kind, symbol)
    after = tokens.next()
    if after == "]":
        return Compare(symbol, bottom)
    if after != "string":
        _fail(tokens, f"Bad value in numeric range: {tokens.text()}")
    upper = tokens.text()
    match upper:
        case "<" | "<=":
            top = _number(tokens, tokens.next(), upper)
        case _:
            _fail(tokens, f"Bad numeric range operator: {upper}")
    if tokens.next() != "]":
        _fail(tokens, "Too many terms in numeric range expression")
    if bottom >= top:
        _fail(tokens, "Bottom must be less than top")
    return AllTests((Compare(symbol, bottom), Compare(upper, top)))


def _anything_but(tokens: JsonTokens) -> Test:
    kind = tokens.next()
    if kind != "{":
        test = _anything_but_scalars(tokens, kind)
        _close(tokens, _TOO_MANY_ELEMENTS)
        return NoTest(test)
    if tokens.next() != "name":
        _fail(tokens, "Anything-But expression name not found")
    name = tokens.name()
    if name not in _ANYTHING_BUT:
        _fail(tokens, f"Unsupported anything-but pattern: {name}")
    test = _ANYTHING_BUT[name](tokens, tokens.next())
    _close(tokens)
    _close(tokens)
    return NoTest(test)


def _anything_but_scalars(tokens: JsonTokens, kind: Token) -> Test:
    if kind == "string":
        return text_in(tokens.text())
    if kind in NUMBERS:
        return Compare("=", float(tokens.text()))
    if kind != "[":
        _fail(tokens, _NEEDS_SCALAR)
    texts: list[str] = []
    numbers: list[float] = []
    while (kind := tokens.next()) != "]":
        if kind == "string":
            texts.append(tokens.text())
        elif kind in NUMBERS:
            numbers.append(float(tokens.text()))
        else:
            _fail_in_list(tokens, _NO_SCALAR_IN_LIST)
    if bool(texts) == bool(numbers):
        _fail(tokens, _MIXED_LIST)
    return TextIn(frozenset(texts)) if texts else some_test(Compare("=", number) for number in numbers)


def _fail_in_list(tokens: JsonTokens, reason: str) -> NoReturn:
    """A fault inside a list of anything-but is reported with its place twice."""
    raise InvalidJson(reason + tokens.place() * 2)


def _anything_but_texts(reason: str, read: Callable[[JsonTokens, str], Test]) -> Callable[[JsonTokens, Token], Test]:
    def read_all(tokens: JsonTokens, kind: Token) -> Test:
        if kind == "string":
            return read(tokens, tokens.text())
        if kind in NUMBERS:
            _fail(tokens, reason)
        if kind != "[":
            _fail(tokens, _NEEDS_SCALAR)
        parts: list[Test] = []
        while (kind := tokens.next()) != "]":
            if kind != "string":
                _fail_in_list(tokens, reason)
            parts.append(read(tokens, tokens.text()))
        return some_test(parts)

    return read_all


def _no_empty(make: Callable[[str], Test]) -> Callable[[JsonTokens, str], Test]:
    def read(tokens: JsonTokens, text: str) -> Test:
        if not text:
            _fail(tokens, "Null prefix/suffix not allowed")
        return make(text)

    return read


_ANYTHING_BUT = {
    "prefix": _anything_but_texts("prefix/suffix match pattern must be a string", _no_empty(_prefix)),
    "suffix": _anything_but_texts("prefix/suffix match pattern must be a string", _no_empty(_suffix)),
    "wildcard": _anything_but_texts("wildcard match pattern must be a string", _glob),
    "equals-ignore-case": _anything_but_texts(
        _NO_TEXT_IN_CASELESS_LIST, lambda tokens, text: Folded(text_in(fold(text)))
    ),
}

OPERATORS: Mapping[str, Reader] = {
    "exactly": _exactly,
    "prefix": _start_or_end("prefix", _prefix),
    "suffix": _start_or_end("suffix", _suffix),
    "equals-ignore-case": _caseless,
    "wildcard": _wildcard,
    "exists": _exists,
    "cidr": _cidr,
    "numeric": _numeric,
    "anything-but": _anything_but,
}
