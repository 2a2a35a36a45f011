"""Random rules of every language, as the texts that people write, about what given events hold.

A rule is made around fields of one event, so that it often matches that one and sometimes others; operands are cut,
recased, replaced or of another type now and then, so that it often does not.
"""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import yaml

Event = dict[str, Any]
Fact = tuple[tuple[str, ...], Any]
"""Names on the way to a scalar, arrays entered, and the scalar."""


def facts_of(value: Any, path: tuple[str, ...] = ()) -> Iterator[Fact]:
    """Yield each scalar of an event with its path."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from facts_of(inner, (*path, name))
    elif isinstance(value, list):
        for inner in value:
            yield from facts_of(inner, path)
    else:
        yield path, value


class RuleTexts:
    """Makes rules about ``events``; the same seed makes the same rules."""

    def __init__(self, events: Sequence[Event], seed: int) -> None:
        self._rng = random.Random(seed)
        self._facts = [list(facts_of(event)) for event in events]

    def event_pattern(self) -> str:
        """An event pattern about one of the events, which are envelopes."""
        return json.dumps(self._pattern(self._pattern_values, may_branch=True))

    def filter_policy(self) -> Any:
        """A filter policy over the body."""
        policy = self._pattern(self._policy_values, may_branch=True)
        return {"FilterPolicyScope": "MessageBody", "FilterPolicy": json.dumps(policy)}

    def attribute_policy(self) -> Any:
        """A filter policy over attributes, which are named as the last names of the record's fields."""
        policy = {path[-1]: self._policy_values(value) for path, value in self._some_facts(3)}
        return {"FilterPolicyScope": "MessageAttributes", "FilterPolicy": json.dumps(policy)}

    def filter_pattern(self) -> str:
        """A filter pattern: JSON, terms, a regular expression or fields."""
        kind = self._rng.choice(("json", "json", "json", "terms", "expression", "fields"))
        texts = [str(value) for _, value in self._some_facts(3)]
        match kind:
            case "json":
                return "{ " + self._filter_condition(2) + " }"
            case "terms":
                signs = (self._rng.choice(("", "", "-", "?")) for _ in texts)
                return " ".join(f"{sign}{json.dumps(self._cut(text))}" for sign, text in zip(signs, texts, strict=True))
            case "expression":
                return f"%{self._expression(texts[0])}%"
        return f"[first = *{self._word(texts[0])}*, ..., last != {self._word(texts[-1])}]"

    def selector(self) -> Any:
        """Advanced event selectors."""
        return [self._selector() for _ in range(self._rng.choice((1, 1, 2)))]

    def sigma(self) -> str:
        """A Sigma rule."""
        names = ["s1", "s2", "other"][: self._rng.choice((1, 2, 3))]
        detection: Event = {name: self._selection() for name in names}
        detection["condition"] = self._rng.choice(
            ("s1", "not s1", "all of them", "1 of them", "1 of s*", " or ".join(names), " and not ".join(names))
        )
        source = {"product": "aws", "service": "cloudtrail"}
        return yaml.safe_dump({"title": "t", "logsource": source, "detection": detection})

    def _some_facts(self, most: int) -> list[Fact]:
        known = self._rng.choice(self._facts)
        return self._rng.sample(known, min(len(known), self._rng.randint(1, most)))

    def _pattern(self, values_of: Callable[[Any], list[Any]], *, may_branch: bool) -> Event:
        pattern: Event = {}
        for path, value in self._some_facts(4):
            self._put(pattern, path, values_of(value))
        if may_branch and self._rng.random() < 0.2:
            pattern["$or"] = [self._pattern(values_of, may_branch=False) for _ in range(2)]
        return pattern

    def _put(self, pattern: Event, path: tuple[str, ...], values: list[Any]) -> None:
        if self._rng.random() < 0.15:
            pattern[".".join(path)] = values
            return
        for name in path[:-1]:
            inner = pattern.setdefault(name, {})
            if not isinstance(inner, dict):
                return
            pattern = inner
        pattern[path[-1]] = values

    def _pattern_values(self, value: Any) -> list[Any]:
        return [self._pattern_value(value) for _ in range(self._rng.choice((1, 1, 2)))]

    def _pattern_value(self, value: Any) -> Any:
        text = str(value)
        operators: tuple[Callable[[], Any], ...] = (
            lambda: value,
            lambda: text,
            lambda: {"prefix": text[: self._rng.randint(0, 9)]},
            lambda: {"suffix": text[-self._rng.randint(1, 9) :]},
            lambda: {"prefix": {"equals-ignore-case": text[: self._rng.randint(1, 9)].swapcase()}},
            lambda: {"equals-ignore-case": text.swapcase()},
            lambda: {"wildcard": self._wildcards(text.replace("*", ""))},
            lambda: {"exists": self._rng.random() < 0.6},
            lambda: {"anything-but": self._rng.choice((text, [text, "x"], 5))},
            lambda: {"anything-but": {"prefix": text[:3] or "x"}},
            lambda: {"anything-but": {"wildcard": self._wildcards(text.replace("*", ""))}},
            lambda: {"numeric": [self._rng.choice((">=", "<", "=")), value if type(value) is int else 5]},
            lambda: {"cidr": f"{text}/{self._rng.randint(4, 31)}" if text.count(".") == 3 else "10.0.0.0/8"},
        )
        return self._rng.choice(operators)()

    def _policy_values(self, value: Any) -> list[Any]:
        text = str(value)
        operators = (
            value if value is not None else "null",
            text,
            {"prefix": text[:4] or "x"},
            {"suffix": text[-4:] or "x"},
            {"equals-ignore-case": text.swapcase()},
            {"anything-but": [text]},
            {"anything-but": {"prefix": text[:2] or "x"}},
            {"exists": self._rng.random() < 0.6},
            {"numeric": [">", 3, "<=", 500]},
            {"cidr": "10.0.0.0/8"},
        )
        return [self._rng.choice(operators) for _ in range(self._rng.choice((1, 2)))]

    def _filter_condition(self, depth: int) -> str:
        if depth and self._rng.random() < 0.5:
            joint = self._rng.choice((" && ", " || "))
            return "(" + joint.join(self._filter_condition(depth - 1) for _ in range(2)) + ")"
        (path, value), *_ = self._some_facts(1)
        field = "$." + ".".join(path)
        return f"{field} {self._filter_test(value)}"

    def _filter_test(self, value: Any) -> str:
        text = json.dumps(value) if isinstance(value, str) else str(value)
        part = self._word(str(value))
        tests = (
            f"= {text}",
            f"!= {text}",
            f"= *{part}*",
            f"!= {part}*",
            f"= *{part}",
            f"= %{self._expression(str(value))}%",
            f"> {value if type(value) is int else 3}",
            "IS NULL",
            "IS TRUE",
            "NOT EXISTS",
        )
        return self._rng.choice(tests)

    def _selector(self) -> Event:
        is_data = self._rng.random() < 0.3
        fields: list[Event] = [{"Field": "eventCategory", "Equals": ["Data" if is_data else "Management"]}]
        if is_data:
            fields.append({"Field": "resources.type", "Equals": ["AWS::S3::Object"]})
        known = {".".join(path): value for path, value in self._rng.choice(self._facts)}
        asked = (
            ("eventSource", "eventName", "userIdentity.arn", "eventType", "readOnly") if is_data else ("eventSource",)
        )
        for name in (*asked, "readOnly"):
            value = str(known.get(name, "x"))
            if self._rng.random() < 0.5 and value != "x" and name not in [field["Field"] for field in fields]:
                fields.append({"Field": name} | self._selector_test(name, value, is_data=is_data))
        return {"FieldSelectors": fields}

    def _selector_test(self, name: str, value: str, *, is_data: bool) -> Event:
        if name == "readOnly":
            return {"Equals": [value.lower()]}
        if not is_data:
            return {"NotEquals": [self._rng.choice((value, "kms.amazonaws.com"))]}
        operator = self._rng.choice(("Equals", "NotEquals", "StartsWith", "NotStartsWith", "EndsWith", "NotEndsWith"))
        return {operator: [value if operator in ("Equals", "NotEquals") else self._cut(value)]}

    def _selection(self) -> Any:
        if self._rng.random() < 0.1:
            return [self._cut(str(value)) or "x" for _, value in self._some_facts(2)]
        return dict(self._sigma_item(path, value) for path, value in self._some_facts(3))

    def _sigma_item(self, path: tuple[str, ...], value: Any) -> tuple[str, Any]:
        field, text = ".".join(path), str(value)
        plain = text.replace("\\", "").replace("*", "").replace("?", "") or "x"
        part = self._cut(plain) or "x"
        items: tuple[tuple[str, Any], ...] = (
            (field, value),
            (field, plain.swapcase()),
            (field, [plain, "x"]),
            (field, self._wildcards(plain)),
            (f"{field}|contains", part),
            (f"{field}|contains|all", [part, plain[:2]]),
            (f"{field}|startswith", plain[:4]),
            (f"{field}|endswith|cased", plain[-4:]),
            (f"{field}|re", self._expression(text)),
            (f"{field}|cidr", "10.0.0.0/8"),
            (f"{field}|gte", 5),
            (f"{field}|exists", self._rng.random() < 0.6),
            (f"{field}|neq", plain),
            (f"{field}|hour|lt", 12),
            (field, None),
        )
        return self._rng.choice(items)

    def _cut(self, text: str) -> str:
        start = self._rng.randint(0, max(0, len(text) - 1))
        return text[start : start + self._rng.randint(1, 8)]

    def _word(self, text: str) -> str:
        return "".join(letter for letter in self._cut(text) if letter.isascii() and letter.isalnum()) or "x"

    def _wildcards(self, text: str) -> str:
        start = self._rng.randint(0, len(text))
        pattern = f"{text[:start]}*{text[start + self._rng.randint(0, 4) :]}"
        return pattern if "\\" not in pattern else "*"

    def _expression(self, text: str) -> str:
        word = self._word(text)
        return self._rng.choice((word, f"^{word}", f"{word}$", f"{word[:1]}.*{word[-1:]}", "[0-9]+[a-f]", f"{word}?x*"))
