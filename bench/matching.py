"""Rules matched a second, from JSON text to rule names: ours against moto's matcher and, with a JVM, event-ruler.

``python -m bench.matching [--events N] [--rounds N] [--ruler CLASSPATH]``. Three sets of rules (exact; with a fifth of
other operators; all on one event name with wildcards on the principal) at 10 to 10,000 rules over generated CloudTrail
events in EventBridge's envelope. All sides get the same rules and events in one run, turn about, best of the rounds;
the matches are asserted equal (moto's over fewer events: at 10,000 rules it does a few a second; event-ruler's not for
10,000 wildcards on one name, which it takes minutes to add). Also printed: rules read and added a second and memory a
rule (both in processor time and traced bytes), one rule added and removed, what 9,900 rules that never fire cost, and
the 15 CIS metric filters at once against one by one. ``--ruler`` is the class path of event-ruler and Jackson;
``bench/java/RulerDriver.java`` is compiled against it.
"""

import argparse
import json
import random
import subprocess
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from moto.events.models import EventPattern

from bench.cis_filters import CIS_FILTERS
from bench.lookup_events import Generator
from opentrail.pattern.envelope import envelope_of
from opentrail.pattern.event_pattern import parse_event_pattern
from opentrail.pattern.filter_pattern import parse_filter_pattern
from opentrail.pattern.matcher import compile_predicate
from opentrail.pattern.rule_set import RuleSet

SIZES = (10, 100, 1_000, 10_000)
MOTO_CALLS = 200_000
"""Rules times events that moto's matcher is given in a round."""

MAX_RULER_WILDCARDS = 1_000

Rules = list[dict[str, Any]]


def main() -> None:
    options = _options()
    events = [orjson.dumps(event) for event in _events(options.events)]
    values = Values([orjson.loads(event) for event in events])
    print(f"{len(events)} events of {sum(map(len, events)) // len(events)} bytes")
    for kind, make in (("exact", values.exact), ("mixed", values.mixed), ("one name", values.one_name)):
        for size in SIZES:
            _compare(kind, make(size), events, options)
    _measure_idle_rules(values, events, options.rounds)
    _measure_changes(values)
    _measure_memory(values, events)
    _measure_cis_filters(events, options.rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ruler", default="", help="class path of event-ruler and Jackson")
    return parser.parse_args()


def _events(count: int) -> Iterator[dict[str, Any]]:
    for made in Generator(count, datetime(2026, 11, 20, tzinfo=UTC), seed=7).events():
        yield envelope_of(made.event)


class Values:
    """Rules drawn from what the events hold, so that some of them fire."""

    def __init__(self, envelopes: list[dict[str, Any]]) -> None:
        self._rng = random.Random(11)
        details = [envelope["detail"] for envelope in envelopes]
        self._pairs = sorted({(detail["eventSource"], detail["eventName"]) for detail in details})
        self._addresses = sorted({detail["sourceIPAddress"] for detail in details})
        self._arns: list[str] = sorted({arn for detail in details if (arn := detail["userIdentity"].get("arn"))})
        names = [detail["eventName"] for detail in details]
        self._common = max(set(names), key=names.count)

    def exact(self, count: int) -> Rules:
        return [self._exact(number) for number in range(count)]

    def mixed(self, count: int) -> Rules:
        return [self._operators(number) if number % 5 == 0 else self._exact(number) for number in range(count)]

    def one_name(self, count: int) -> Rules:
        return [
            {"detail": {"eventName": [self._common], "userIdentity": {"arn": [{"wildcard": f"*{self._part()}*"}]}}}
            for _ in range(count)
        ]

    def idle(self, count: int) -> Rules:
        return [
            {"detail": {"eventName": [f"Never{number}"], "userIdentity": {"arn": [{"prefix": "arn:"}]}}}
            for number in range(count)
        ]

    def _exact(self, number: int) -> dict[str, Any]:
        source, name = self._rng.choice(self._pairs)
        detail: dict[str, Any] = {"eventSource": [source], "eventName": [name]}
        if number % 3 == 0:
            detail["sourceIPAddress"] = [self._rng.choice(self._addresses)]
        elif number % 3 == 1:
            detail["userIdentity"] = {"arn": [self._rng.choice(self._arns)]}
        return {"detail": detail}

    def _operators(self, number: int) -> dict[str, Any]:
        rule = self._exact(number)
        arn = self._rng.choice(self._arns)
        rule["detail"]["userIdentity"] = {
            "arn": [
                self._rng.choice(
                    (
                        {"prefix": arn[: self._rng.randrange(10, len(arn))]},
                        {"suffix": arn[-self._rng.randrange(2, 12) :]},
                        {"anything-but": [arn]},
                        {"wildcard": f"arn:*{arn[-self._rng.randrange(3, 9) :]}"},
                        {"equals-ignore-case": arn.upper()},
                    )
                )
            ]
        }
        rule["detail"]["errorCode"] = [{"exists": number % 10 == 0}]
        return rule

    def _part(self) -> str:
        arn: str = self._rng.choice(self._arns)
        start = self._rng.randrange(len(arn) - 8)
        return arn[start : start + self._rng.randrange(4, 8)]


def _index(rules: Rules) -> RuleSet[int]:
    index: RuleSet[int] = RuleSet()
    for number, rule in enumerate(rules):
        index.add(number, parse_event_pattern(json.dumps(rule)))
    return index


def _compare(kind: str, rules: Rules, events: list[bytes], options: argparse.Namespace) -> None:
    start = time.process_time()
    index = _index(rules)
    added = len(rules) / (time.process_time() - start)
    few = events[: max(5, MOTO_CALLS // len(rules))]
    patterns = [EventPattern(None, rule) for rule in rules]
    best_ours = best_moto = best_ruler = 0.0
    for _ in range(options.rounds):
        ours, matches = _rate(partial(_ours, index), events)
        moto, moto_matches = _rate(partial(_moto, patterns), few)
        assert moto_matches == sum(_ours(index, text) for text in few)
        best_ours, best_moto = max(best_ours, ours), max(best_moto, moto)
        if options.ruler and not (kind == "one name" and len(rules) > MAX_RULER_WILDCARDS):
            ruler, ruler_matches = _ruler(options.ruler, rules, events)
            assert ruler_matches == matches, (ruler_matches, matches)
            best_ruler = max(best_ruler, ruler)
    against_ruler = f", event-ruler {best_ruler:,.0f} ({best_ours / best_ruler:.2f}x)" if best_ruler else ""
    print(
        f"{kind:9} {len(rules):6} rules: {best_ours:9,.0f} events/s, moto {best_moto:,.1f} "
        f"({best_ours / best_moto:,.0f}x){against_ruler}; {matches / len(events):.2f} matches an event; "
        f"{added:,.0f} rules read and added/s"
    )


def _rate(match: Callable[[bytes], int], events: list[bytes]) -> tuple[float, int]:
    start = time.perf_counter()
    matches = sum(map(match, events))
    return len(events) / (time.perf_counter() - start), matches


def _ours(index: RuleSet[int], text: bytes) -> int:
    return len(index.match(orjson.loads(text)))


def _moto(patterns: list[Any], text: bytes) -> int:
    event = orjson.loads(text)
    return sum(pattern.matches_event(event) for pattern in patterns)


def _ruler(class_path: str, rules: Rules, events: list[bytes]) -> tuple[float, int]:
    """Return the best rate of three passes within one JVM, the first of which warms it up."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(__file__).parent / "java" / "RulerDriver.java"
        subprocess.run(
            ["javac", "-nowarn", "-Xlint:none", "-XDsuppressNotes", "-cp", class_path, "-d", folder, str(source)],
            check=True,
        )
        given, asked = Path(folder, "rules"), Path(folder, "events")
        given.write_text("".join(json.dumps(rule) + "\n" for rule in rules))
        asked.write_bytes(b"\n".join(events) + b"\n")
        command = ["java", "-cp", f"{class_path}:{folder}", "RulerDriver", str(given), str(asked), "3"]
        told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\n")
    passes = [(float(rate), int(matches)) for matches, rate in (line.split() for line in told if line)]
    return max(passes)


def _measure_idle_rules(values: Values, events: list[bytes], rounds: int) -> None:
    few = values.mixed(100)
    alone, crowded = _index(few), _index([*few, *values.idle(9_900)])
    rates = [0.0, 0.0]
    before = 0
    for _ in range(rounds):
        for side, index in enumerate((alone, crowded)):
            rate, matches = _rate(partial(_ours, index), events)
            rates[side] = max(rates[side], rate)
            assert side == 0 or matches == before
            before = matches
    print(f"100 rules {rates[0]:,.0f} events/s; with 9,900 more that never fire {rates[1] / rates[0]:.2f}x")


def _measure_changes(values: Values) -> None:
    index = _index(values.mixed(10_000))
    predicates = [parse_event_pattern(json.dumps(rule)) for rule in values.mixed(1_000)]
    start = time.process_time()
    for number, predicate in enumerate(predicates):
        index.add(-1 - number, predicate)
    middle = time.process_time()
    for number in range(len(predicates)):
        index.remove(-1 - number)
    end = time.process_time()
    print(f"among 10,000 rules: add {(middle - start) * 1e3:.0f} us, remove {(end - middle) * 1e3:.0f} us a rule")


def _measure_memory(values: Values, events: list[bytes]) -> None:
    for kind, make in (("exact", values.exact), ("mixed", values.mixed), ("one name", values.one_name)):
        rules = make(10_000)
        tracemalloc.start()
        index = _index(rules)
        empty, _ = tracemalloc.get_traced_memory()
        for text in events:
            index.match(orjson.loads(text))
        used, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        kept = (used - empty) / 2**20
        print(
            f"{kind:9} {len(rules):6} rules: {empty / len(rules):,.0f} bytes a rule, {kept:.1f} MiB of answers kept "
            f"after {len(events)} events"
        )


def _measure_cis_filters(events: list[bytes], rounds: int) -> None:
    predicates = [parse_filter_pattern(text).predicate for text in CIS_FILTERS.values()]
    alone = [compile_predicate(predicate) for predicate in predicates]
    index: RuleSet[int] = RuleSet()
    for number, predicate in enumerate(predicates):
        index.add(number, predicate)
    records = [orjson.dumps(orjson.loads(event)["detail"]) for event in events]

    def one_by_one(text: bytes) -> int:
        record = orjson.loads(text)
        return sum(matcher(record) for matcher in alone)

    together = each = 0.0
    for _ in range(rounds):
        rate, found = _rate(partial(_ours, index), records)
        each_rate, each_found = _rate(one_by_one, records)
        assert found == each_found
        together, each = max(together, rate), max(each, each_rate)
    print(
        f"{len(predicates)} CIS filters: {together:,.0f} records/s at once, {each:,.0f} one by one "
        f"({together / each:.1f}x); {found} matches"
    )


if __name__ == "__main__":
    main()
