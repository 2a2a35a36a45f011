"""What rules cost the calls: how fast calls are recorded with rules in force and without.

Compared are a server with nothing to react to, with many rules that do not fire, with a rule whose queue takes every
call, and with queues that are away: one refuses connections, one never answers. Once as many calls as are answered, so
that all that follows of a call takes from the next ones' share of the processor; once at a steady rate, where what
counts is how long a call waits for its answer. Two servers that differ in nothing are apart by up to a tenth, so the
other side is always the same server with its rules disabled: without, with, with, without, and each time is compared
with its neighbour. One server has no rule at all: its ratios are what the measure makes of no difference.

A rule is switched under calls that never pause, as runs of calls differ by what they find and leave to do; many rules
take too long for that, and are compared in runs. Pairs of which the host took much of either do not count. Every call
must be on record, and what a rule matched must have arrived or wait.
"""

import math
import random
import socket
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import uvloop

from bench.gateway import free_port
from bench.host import Host
from bench.put_audit_events import processor_seconds
from bench.react_load import Calls, call_all
from bench.react_setup import (
    HITS,
    SETUP_THREADS,
    an_upstream,
    client,
    figure,
    percentile,
    put_quiet_rules,
    put_rule,
    taken,
    wait_until,
)
from opentrail.pipeline.rules import MAX_WAITING_PER_DESTINATION
from tests.support.server import RunningServer

MUST = 0.9
"""Of the rate without rules: what matching keeps at least beside 9,900 rules that do not fire (bench.matching)."""

WITHOUT, WITH = False, True
IN_TURN = (WITHOUT, WITH, WITH, WITHOUT)
QUIET_SHARE = 0.05
"""Of the processor time; times of which the host took more do not count."""
SETTLE_S = 0.3
"""In which the calls that set rules get on record, and what was under way when a rule was switched ends."""
WARM_S = 3.0
WINDOW_S = 0.5
"""This short, as the machine's speed drifts: more pairs of neighbours in the same time."""
TURNS = 9
"""Times without, with, with and without rules in a round. In three rounds a target that is away misses close to the
100,000 invocations that may wait for it."""


@dataclass
class Run:
    """Calls of one home: ``waits_ms`` from call to answer; the host's share of the machine while they were made, and
    how many were refused because the disk or the machine stood still for a second."""

    host_share: float
    refused: int
    rate: float
    processor_us: float
    waits_ms: Sequence[float]


@dataclass
class Home:
    """A home whose recording is measured, with ``rules`` and with all of them disabled. One call in ``one_in`` fires
    them, none with 0; ``saturated`` and ``steady`` hold the times without and with them, in pairs of neighbours."""

    side: str
    server: RunningServer
    rules: Sequence[str]
    one_in: int
    arrives: bool
    has_rules: bool = WITH
    called: int = 0
    matched: int = 0
    saturated: dict[bool, list[Run]] = field(default_factory=lambda: {WITHOUT: [], WITH: []})
    steady: dict[bool, list[Run]] = field(default_factory=lambda: {WITHOUT: [], WITH: []})

    def fires(self, number: int) -> bool:
        """Say whether a call fires the rules, when they are in force."""
        return bool(self.one_in) and number % self.one_in == 0


@dataclass
class Window:
    """A time in which calls were made and nothing was switched: when it began and ended (the monotonic clock), and what
    the host and the server used of the processor."""

    has_rules: bool
    began: float
    ended: float
    host_share: float
    processor_s: float

    def has(self, calls: Calls, number: int) -> bool:
        """Say whether a call was made and answered within it."""
        return self.began <= calls.began[number] and calls.answered[number] < self.ended


def measure_recording(calls: int, rounds: int, rules: int, rate: float, steady_calls: int) -> None:
    """Print how fast calls are recorded beside different rules."""
    print(f"recording, over 32 connections, {rounds} rounds of {2 * TURNS} pairs of {WINDOW_S} s, or two of runs")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(an_upstream())
        hanging = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        hangs, refuses = f"http://127.0.0.1:{hanging.getsockname()[1]}", f"http://127.0.0.1:{free_port()}"
        homes: list[Home] = []

        def add(side: str, queues: str = "", one_in: int = 0, *, quiet_rules: int = 0, arrives: bool = False) -> Home:
            settings = {"OPENTRAIL_UPSTREAM_SQS": queues} if queues else {}
            server = RunningServer(folder / f"{len(homes)}", upstream=upstream, settings=settings).start()
            stack.callback(server.close)
            names = [f"quiet-{number}" for number in range(quiet_rules)]
            if one_in:
                put_rule(client(server, "events"), "hits", HITS)
                names.append("hits")
            put_quiet_rules(client(server, "events"), quiet_rules)
            homes.append(Home(side, server, names, one_in, arrives))
            return homes[-1]

        add("no rules either time")
        add("one call in 10 to a queue that refuses", refuses, 10)
        add("every call to a queue that refuses", refuses, 1)
        add("every call to a queue that hangs", hangs, 1)
        add("every call to a queue", upstream, 1, arrives=True)
        in_runs = [add("no rules either time, in runs")]
        began = time.monotonic()
        in_runs.append(add(f"{rules:,} rules that do not fire, in runs", quiet_rules=rules))
        print(f"  {rules:,} rules set in {time.monotonic() - began:.0f} s", flush=True)
        for each in homes:
            settle(each)
            record(each, upstream, calls)
        host = Host()
        for number in range(rounds):
            for each in random.Random(number).sample(homes, len(homes)):  # none always comes after the same one
                if each not in in_runs:
                    switch_under_calls(each, upstream)
                for has_rules in IN_TURN:
                    have_rules(each, has_rules)
                    if each in in_runs:
                        each.saturated[has_rules].append(record(each, upstream, calls))
                    each.steady[has_rules].append(record(each, upstream, steady_calls, rate))
            print(f"  round {number + 1} of {rounds}", flush=True)
    report_rates(homes)
    report_waits(homes, rate)
    print(f"  {host.report()}")


def switch(home: Home, has_rules: bool) -> int:
    """Enable or disable a home's rules; return how many calls that took."""
    if home.has_rules == has_rules:
        return 0
    events = client(home.server, "events")
    change = events.enable_rule if has_rules else events.disable_rule
    with ThreadPoolExecutor(SETUP_THREADS) as threads:
        list(threads.map(lambda name: change(Name=name), home.rules))
    home.has_rules = has_rules
    return len(home.rules)


def have_rules(home: Home, has_rules: bool) -> None:
    """Enable or disable a home's rules, and wait until that is in force."""
    if switch(home, has_rules):
        settle(home)


def settle(home: Home) -> None:
    """Wait until the calls that set rules are on record, and what they set is in force."""
    wait_until(lambda: figure(home.server, "opentrail_rules_lag_seconds") == 0, "the rules to be in force")
    wait_until(lambda: figure(home.server, "opentrail_history_lag_seconds") == 0, "the history")
    time.sleep(SETTLE_S)


def record(home: Home, upstream: str, number: int, rate: float = 0.0) -> Run:
    """Make calls at a rate (0: as fast as they are answered), then wait until all that follows of them is done."""
    before, used = figure(home.server, "opentrail_events_recorded_total"), processor_seconds(home.server.pid)
    numbers, host = range(home.called, home.called + number), Host()
    calls = uvloop.run(call_all(home.server.ready["gateway_url"], numbers, rate, home.one_in or 1))
    host_share, home.called = host.share(), numbers.stop
    if calls.refused:
        after_refusals(home, upstream)
        return Run(math.nan, len(calls.refused), calls.rate, math.nan, ())
    fired = {each for each in numbers if home.has_rules and home.fires(each)}
    wait_for_all(home, upstream, before + number, fired, fired)
    waits = [(calls.answered[each] - calls.began[each]) * 1000 for each in numbers]
    return Run(host_share, 0, calls.rate, (processor_seconds(home.server.pid) - used) / number * 1e6, waits)


def switch_under_calls(home: Home, upstream: str) -> None:
    """Make calls without a pause, and switch the rules meanwhile."""
    have_rules(home, WITHOUT)
    before, switched, stopped = figure(home.server, "opentrail_events_recorded_total"), 0, threading.Event()
    windows: list[Window] = []
    url, numbers = home.server.ready["gateway_url"], numbers_until(stopped, home.called)
    with ThreadPoolExecutor(1) as thread:
        calling = thread.submit(lambda: uvloop.run(call_all(url, numbers, one_in=home.one_in or 1)))
        try:
            time.sleep(WARM_S)
            for has_rules in IN_TURN * TURNS:
                switched += switch(home, has_rules)
                if home.arrives and not has_rules:
                    wait_for_arrivals(home)
                time.sleep(SETTLE_S)
                windows.append(watch(home))
        finally:
            stopped.set()
        calls = calling.result()
    home.called += len(calls.began)
    for each in windows:
        home.saturated[each.has_rules].append(run_of(each, calls))
    if calls.refused:
        after_refusals(home, upstream)
        return
    firing = {number for number in calls.began if home.fires(number)}
    surely, never = (
        {number for number in firing for each in windows if each.has_rules == side and each.has(calls, number)}
        for side in (WITH, WITHOUT)
    )
    wait_for_all(home, upstream, before + len(calls.answered) + switched, surely, firing - never)


def wait_for_arrivals(home: Home) -> None:
    """Wait until the queue has all that fired."""
    wait_until(lambda: figure(home.server, "opentrail_invocations_waiting") == 0, "every call to arrive")


def numbers_until(stopped: threading.Event, first: int) -> Iterator[int]:
    """Yield numbers until the event is set."""
    for number in count(first):
        if stopped.is_set():
            return
        yield number


def watch(home: Home) -> Window:
    """Look on for a while."""
    host, began, used = Host(), time.monotonic(), processor_seconds(home.server.pid)
    time.sleep(WINDOW_S)
    used, ended = processor_seconds(home.server.pid) - used, time.monotonic()
    return Window(home.has_rules, began, ended, host.share(), used)


def run_of(window: Window, calls: Calls) -> Run:
    """Return what calls showed in a window."""
    found = [number for number, at in calls.answered.items() if window.began <= at < window.ended]
    waits = [(calls.answered[number] - calls.began[number]) * 1000 for number in found]
    refused = sum(number in calls.refused for number in found)
    rate = len(found) / (window.ended - window.began)
    return Run(window.host_share, refused, rate, window.processor_s / max(1, len(found)) * 1e6, waits)


def wait_for_all(home: Home, upstream: str, events: float, fired: set[int], may_have_fired: set[int]) -> None:
    """Wait until all that follows of calls is done, and insist that it was: so many ``events`` on record, and what is
    to arrive or to wait for ``fired``, at most for ``may_have_fired``."""

    def recorded() -> float:
        return figure(home.server, "opentrail_events_recorded_total")

    wait_until(lambda: recorded() >= events, "every event")
    wait_until(lambda: figure(home.server, "opentrail_rules_lag_seconds") == 0, "the rules' reader")
    if home.arrives:
        wait_for_arrivals(home)
        arrived = {number for number, _ in taken(upstream)}
        assert fired <= arrived <= may_have_fired, "the queue lacks calls, or got what no rule matches"
    else:
        waiting = int(figure(home.server, "opentrail_invocations_waiting"))
        assert waiting < MAX_WAITING_PER_DESTINATION, "as many invocations wait as may: ask for fewer rounds"
        assert len(fired) <= waiting - home.matched <= len(may_have_fired), "a match is lost"
        home.matched = waiting
    assert recorded() == events, f"{home.side}: {recorded()} events instead of {events}"
    wait_until(lambda: figure(home.server, "opentrail_history_lag_seconds") == 0, "the history")


def after_refusals(home: Home, upstream: str) -> None:
    """Wait until what became of calls is on record, late as it is, some of which were refused."""
    settle(home)
    if home.arrives:
        wait_for_arrivals(home)
        taken(upstream)
    home.matched = int(figure(home.server, "opentrail_invocations_waiting"))


def quiet_pairs(runs: Mapping[bool, Sequence[Run]]) -> list[tuple[Run, Run]]:
    """Return the times without and with rules, each with its neighbour, of which the host took little and in which no
    call was refused."""
    pairs = zip(runs[WITHOUT], runs[WITH], strict=True)
    return [pair for pair in pairs if all(not run.refused and run.host_share < QUIET_SHARE for run in pair)]


def compared(pairs: Sequence[tuple[Run, Run]], of: Callable[[Run], float], digits: int) -> str:
    """Return a figure's medians without and with rules, and of the pairs' ratios median, quartiles, mean and its
    standard error."""
    if len(pairs) < 2:
        return "the host left too few pairs alone"
    without, with_rules = (statistics.median(map(of, side)) for side in zip(*pairs, strict=True))
    ratios = sorted(of(each) / of(base) for base, each in pairs)
    quarter, (mean, error) = len(ratios) // 4, mean_and_error(ratios)
    return (
        f"{without:>7,.{digits}f} {with_rules:>7,.{digits}f} {statistics.median(ratios):>5.2f}x"
        f" {ratios[quarter]:>5.2f} to {ratios[-1 - quarter]:.2f}x  {mean:.2f}x ± {error:.2f}"
    )


def mean_and_error(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the mean of at least two ratios, and its standard error."""
    return statistics.mean(ratios), statistics.stdev(ratios) / math.sqrt(len(ratios))


def verdict(pairs: Sequence[tuple[Run, Run]]) -> str:
    """Say whether recording is as fast as it must be: also two standard errors below the mean."""
    if len(pairs) < 2:
        return ""
    mean, error = mean_and_error([with_rules.rate / without.rate for without, with_rules in pairs])
    return f"must {MUST:g}x: {'held' if mean - 2 * error >= MUST else 'not shown' if mean >= MUST else 'MISSED'}"


def report_rates(homes: Sequence[Home]) -> None:
    print(
        f"  {'without and with rules':<40} pairs {'calls/s: quartiles, mean':>48} {'processor us a call, all in':>48}"
    )
    for home in homes:
        pairs = quiet_pairs(home.saturated)
        said = "" if home.arrives or not home.rules else verdict(pairs)
        rates, used = compared(pairs, lambda run: run.rate, 0), compared(pairs, lambda run: run.processor_us, 0)
        print(f"  {home.side:<40} {len(pairs):>5} {rates}   {used}   {said}")
    print("  every call is on record; nothing that matched is lost")
    runs = [run for home in homes for each in (home.saturated, home.steady) for side in each.values() for run in side]
    if refused := sum(run.refused for run in runs):
        print(f"  {refused} calls in {sum(bool(run.refused) for run in runs)} other runs were answered with 503")


def report_waits(homes: Sequence[Home], rate: float) -> None:
    print(f"  {f'at {rate:,.0f} calls/s, from call to answer':<40} pairs {'p50, ms':>48} {'p99, ms':>48}")
    for home in homes:
        pairs = quiet_pairs(home.steady)
        p50 = compared(pairs, lambda run: percentile(run.waits_ms, 0.5), 1)
        p99 = compared(pairs, lambda run: percentile(run.waits_ms, 0.99), 1)
        print(f"  {home.side:<40} {len(pairs):>5} {p50}   {p99}")
