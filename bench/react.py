"""From an API call to its rule's target, and what rules cost the calls: python -m bench.react

A server in a process of its own (`opentrail serve`, fail-closed), 32 connections through its gateway, and beside it one
upstream that is also the queue service. First the way of a call that a rule matches: recorded, matched, its invocation
stored, sent to the queue, struck out. Calls are made at a steady rate, one in so many of them for the rule; measured is
the time from a call's first byte and from its answer until the queue had the message; every such call must arrive.

The same for the longest way: a trail's log group, metric filter and alarm for some of the calls, a topic, the queue.

Then how fast calls are recorded with nothing to react to, with many rules that do not fire, with a rule whose queue
takes every call, and with queues that are away: one refuses connections, one never answers. Once as many calls as are
answered, so that all that follows of a call takes from the next ones' share of the processor; once at a steady rate,
where what counts is how long a call waits for its answer. Two servers that differ in nothing are apart by up to a
tenth, so the other side is the same server with its rules disabled: a round is without, with, with, without, and each
run is compared with its neighbour. One server has no rule at all: its ratios are what the measure makes of no
difference. Pairs of which the host took much of either do not count. Every call must be on record, and what a rule
matched must have arrived or wait.
"""

import argparse
import math
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import boto3
import orjson
import uvloop
from botocore.config import Config

from bench.gateway import free_port
from bench.host import Host
from bench.put_audit_events import processor_seconds
from bench.react_load import Calls, call_all
from tests.support import server as server_support
from tests.support.server import RunningServer

MUST_MS, AIM_MS = 1000.0, 200.0
QUEUE = "arn:aws:sqs:us-east-1:123456789012:bench"
HITS = '{"source":["aws.iam"],"detail":{"requestParameters":{"userName":[{"prefix":"hit-"}]}}}'
QUIET = '{{"source":["aws.iam"],"detail":{{"eventName":["CreateUser"],"sourceIPAddress":["192.0.2.{number}"]}}}}'
SETUP_THREADS = 4
PATIENCE_S = 120.0
WITHOUT, WITH = False, True
QUIET_SHARE = 0.05
"""Of the processor time; runs of recording from which the host took more do not count."""
SETTLE_S = 1.0
"""In which the calls that set rules get on record, so that no later count has them."""


@contextmanager
def an_upstream() -> Iterator[str]:
    """Run the upstream with its queues in a process of its own."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "bench.react_upstream", str(port)])
    try:
        wait_until(lambda: can_connect(port), "the upstream")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def can_connect(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited for {what}"
        time.sleep(0.05)


def taken(upstream: str) -> list[tuple[int, float]]:
    """Return what queues got since the last time."""
    with urlopen(f"{upstream}/taken") as answer:
        found: list[tuple[int, float]] = orjson.loads(answer.read())
    return found


def figure(server: RunningServer, name: str) -> float:
    """Return the sum of one of the server's metrics."""
    with urlopen(server.ready["api_url"] + "/metrics") as answer:
        text = answer.read().decode()
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


def client(server: RunningServer, service: str) -> Any:
    key = server.owner_key()
    return boto3.client(
        service,
        endpoint_url=server.ready["gateway_url"],
        region_name="us-east-1",
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
        config=Config(max_pool_connections=SETUP_THREADS),
    )


def put_rule(events: Any, name: str, pattern: str) -> None:
    events.put_rule(Name=name, EventPattern=pattern)
    events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": QUEUE}])


def put_quiet_rules(events: Any, number: int) -> None:
    """Set so many rules that name the calls' source and name, and an address from which none comes."""
    with ThreadPoolExecutor(SETUP_THREADS) as threads:
        list(threads.map(lambda each: put_rule(events, f"quiet-{each}", QUIET.format(number=each)), range(number)))


def percentile(values: Sequence[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


@dataclass
class Reaction:
    """What a run at a steady rate showed, in ms."""

    calls: Calls
    hits: int
    from_start: list[float]
    from_answer: list[float]
    repeated: int
    processor_us: float


def reach(server: RunningServer, upstream: str, numbers: range, rate: float, one_in: int) -> Reaction:
    """Call at a steady rate until the queue has what the rule is about."""
    hits = {number for number in numbers if number % one_in == 0}
    used = processor_seconds(server.pid)
    calls = uvloop.run(call_all(server.ready["gateway_url"], numbers, rate, one_in))
    assert not calls.refused, next(iter(calls.refused.values()))
    arrived: dict[int, float] = {}
    repeated = 0

    def is_complete() -> bool:
        nonlocal repeated
        for number, at in taken(upstream):
            repeated += number in arrived
            arrived.setdefault(number, at)
        return arrived.keys() >= hits

    wait_until(is_complete, "every call that the rule matches")
    assert arrived.keys() == hits, "the queue got what no rule matches"
    return Reaction(
        calls,
        len(hits),
        [(arrived[number] - calls.began[number]) * 1000 for number in hits],
        [max(0.0, arrived[number] - calls.answered[number]) * 1000 for number in hits],
        repeated,
        (processor_seconds(server.pid) - used) / len(numbers) * 1e6,
    )


def measure_way(seconds: float, rate: float, shares: Sequence[int], rounds: int) -> None:
    """Print how long it takes from a call to its target."""
    print(f"from a call to its target, {rate:,.0f} calls/s asked for, {seconds:g} s, {rounds} rounds each")
    with tempfile.TemporaryDirectory() as folder, an_upstream() as upstream:
        server = RunningServer(Path(folder) / "home", upstream=upstream).start()
        try:
            put_rule(client(server, "events"), "hits", HITS)
            reach(server, upstream, range(500), rate, 5)  # clients and caches made
            first = 500
            for one_in in shares:
                found = []
                for _ in range(rounds):
                    numbers = range(first, first + round(seconds * rate))
                    first = numbers.stop
                    found.append(reach(server, upstream, numbers, rate, one_in))
                report(one_in, found)
        finally:
            server.close()


def measure_alarms(seconds: float, rate: float, alarms: int) -> None:
    """Print how long it takes from a call to what its alarm tells a queue."""
    total = round(seconds * rate)
    one_in = -(-total // alarms)
    print(f"by log group, metric filter, alarm and topic to a queue, {rate:,.0f} calls/s asked for, {seconds:g} s")
    with tempfile.TemporaryDirectory() as folder, an_upstream() as upstream:
        server = RunningServer(Path(folder) / "home", upstream=upstream).start()
        try:
            set_alarms(server, range(0, total, one_in))
            calls = uvloop.run(call_all(server.ready["gateway_url"], range(1, 500), rate, total))
            assert not calls.refused, next(iter(calls.refused.values()))
            report(one_in, [reach(server, upstream, range(total), rate, one_in)])
        finally:
            server.close()


def set_alarms(server: RunningServer, numbers: range) -> None:
    """Set a metric filter and an alarm on each of these calls, on the log group of a trail."""
    assert server.opentrail("archive", "create", "audit").returncode == 0
    logs, cloudwatch, sns = (client(server, service) for service in ("logs", "cloudwatch", "sns"))
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=QUEUE, Attributes={"RawMessageDelivery": "true"})
    logs.create_log_group(logGroupName="trails")
    for number in numbers:
        name, counted = f"alarm-{number}", {"metricNamespace": "bench", "metricName": f"m{number}", "metricValue": "1"}
        pattern = f'{{ $.requestParameters.userName = "hit-{number}" }}'
        logs.put_metric_filter(
            logGroupName="trails", filterName=name, filterPattern=pattern, metricTransformations=[counted]
        )
        cloudwatch.put_metric_alarm(
            AlarmName=name,
            Namespace="bench",
            MetricName=f"m{number}",
            Statistic="Sum",
            Period=300,
            EvaluationPeriods=1,
            Threshold=1.0,
            ComparisonOperator="GreaterThanOrEqualToThreshold",
            AlarmActions=[topic],
        )
    account = server.ready["account_id"]
    trails = client(server, "cloudtrail")
    trails.create_trail(
        Name="main",
        S3BucketName="audit",
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:us-east-1:{account}:log-group:trails:*",
        CloudWatchLogsRoleArn=f"arn:aws:iam::{account}:role/delivery",
    )
    trails.start_logging(Name="main")


def report(one_in: int, found: Sequence[Reaction]) -> None:
    def median(of: Callable[[Reaction], float]) -> float:
        return statistics.median(map(of, found))

    reached = median(lambda each: each.calls.rate)
    whole = [value for each in found for value in each.from_start]
    p99 = percentile(whole, 0.99)
    verdict = "aim held" if p99 <= AIM_MS else "must held" if p99 <= MUST_MS else "MISSED"
    print(
        f"  one call in {one_in} for the rule: {reached:,.0f} calls/s reached, "
        f"{median(lambda each: each.hits / each.calls.seconds):,.0f} invocations/s\n"
        f"    from its start    p50 {percentile(whole, 0.5):7.1f} ms  p99 {p99:7.1f} ms  longest {max(whole):7.1f} ms"
        f"   (must {MUST_MS:g}, aim {AIM_MS:g}: {verdict})\n"
        f"    from its answer   p50 {median(lambda each: percentile(each.from_answer, 0.5)):7.1f} ms"
        f"  p99 {median(lambda each: percentile(each.from_answer, 0.99)):7.1f} ms\n"
        f"    {sum(each.hits for each in found)} calls matched, all arrived, {sum(each.repeated for each in found)} of "
        f"them more than once; {median(lambda each: each.processor_us):,.0f} us of the server's processor time a call",
        flush=True,
    )


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
    them, none with 0; ``saturated`` and ``steady`` hold the runs without and with them, in pairs of neighbours."""

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


def measure_recording(calls: int, rounds: int, rules: int, rate: float, steady_calls: int) -> None:
    """Print how fast calls are recorded beside different rules."""
    print(f"recording, {calls:,} calls over 32 connections, {rounds} rounds of two pairs")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        upstream = stack.enter_context(an_upstream())
        hanging = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        hangs, refuses = f"http://127.0.0.1:{hanging.getsockname()[1]}", f"http://127.0.0.1:{free_port()}"
        homes: list[Home] = []

        def add(side: str, queues: str = "", one_in: int = 0, *, quiet_rules: int = 0, arrives: bool = False) -> None:
            settings = {"OPENTRAIL_UPSTREAM_SQS": queues} if queues else {}
            server = RunningServer(folder / f"{len(homes)}", upstream=upstream, settings=settings).start()
            stack.callback(server.close)
            names = [f"quiet-{number}" for number in range(quiet_rules)]
            if one_in:
                put_rule(client(server, "events"), "hits", HITS)
                names.append("hits")
            put_quiet_rules(client(server, "events"), quiet_rules)
            homes.append(Home(side, server, names, one_in, arrives))

        add("no rules either time")
        add("one call in 10 to a queue that refuses", refuses, 10)
        add("every call to a queue that refuses", refuses, 1)
        add("every call to a queue that hangs", hangs, 1)
        add("every call to a queue", upstream, 1, arrives=True)
        began = time.monotonic()
        add(f"{rules:,} rules that do not fire", quiet_rules=rules)
        print(f"  {rules:,} rules set in {time.monotonic() - began:.0f} s", flush=True)
        for each in homes:
            settle(each)
            record(each, upstream, calls)
        host = Host()
        for number in range(rounds):
            for each in random.Random(number).sample(homes, len(homes)):  # none always comes after the same one
                for has_rules in (WITHOUT, WITH, WITH, WITHOUT):
                    have_rules(each, has_rules)
                    each.saturated[has_rules].append(record(each, upstream, calls))
                    each.steady[has_rules].append(record(each, upstream, steady_calls, rate))
            print(f"  round {number + 1} of {rounds}", flush=True)
    report_rates(homes)
    report_waits(homes, rate)
    print(f"  {host.report()}")


def have_rules(home: Home, has_rules: bool) -> None:
    """Enable or disable a home's rules."""
    if home.has_rules == has_rules:
        return
    events = client(home.server, "events")
    change = events.enable_rule if has_rules else events.disable_rule
    with ThreadPoolExecutor(SETUP_THREADS) as threads:
        list(threads.map(lambda name: change(Name=name), home.rules))
    home.has_rules = has_rules
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
        return after_refusals(home, upstream, calls)
    wait_until(lambda: figure(home.server, "opentrail_events_recorded_total") >= before + number, "every event")
    wait_until(lambda: figure(home.server, "opentrail_rules_lag_seconds") == 0, "the rules' reader")
    fired = {each for each in numbers if home.one_in and home.has_rules and each % home.one_in == 0}
    if home.arrives:
        arrived: set[int] = set()

        def is_complete() -> bool:
            arrived.update(each for each, _ in taken(upstream))
            return arrived >= fired

        wait_until(is_complete, "every call to arrive")
        assert arrived == fired, "the queue got what no rule matches"
    else:
        home.matched += len(fired)
        assert figure(home.server, "opentrail_invocations_waiting") == home.matched, "a match is lost"
    recorded = figure(home.server, "opentrail_events_recorded_total") - before
    assert recorded == number, f"{home.side}: {recorded} events of {number} calls"
    wait_until(lambda: figure(home.server, "opentrail_history_lag_seconds") == 0, "the history")
    waits = [(calls.answered[each] - calls.began[each]) * 1000 for each in numbers]
    return Run(host_share, 0, calls.rate, (processor_seconds(home.server.pid) - used) / number * 1e6, waits)


def after_refusals(home: Home, upstream: str, calls: Calls) -> Run:
    """Wait until what became of calls is on record, late as it is. Such a run does not count."""
    settle(home)
    if home.arrives:
        wait_until(lambda: figure(home.server, "opentrail_invocations_waiting") == 0, "every call to arrive")
        taken(upstream)
    home.matched = int(figure(home.server, "opentrail_invocations_waiting"))
    return Run(math.nan, len(calls.refused), calls.rate, math.nan, ())


def quiet_pairs(runs: Mapping[bool, Sequence[Run]]) -> list[tuple[Run, Run]]:
    """Return the runs without and with rules, each with its neighbour, of which the host took little and in which no
    call was refused."""
    pairs = zip(runs[WITHOUT], runs[WITH], strict=True)
    return [pair for pair in pairs if all(not run.refused and run.host_share < QUIET_SHARE for run in pair)]


def compared(pairs: Sequence[tuple[Run, Run]], of: Callable[[Run], float], digits: int) -> str:
    """Return a figure's medians without and with rules, the median of the pairs' ratios, and their quartiles."""
    if not pairs:
        return "the host left no pair alone"
    without, with_rules = (statistics.median(map(of, side)) for side in zip(*pairs, strict=True))
    ratios = sorted(of(each) / of(base) for base, each in pairs)
    quarter = len(ratios) // 4
    return (
        f"{without:>7,.{digits}f} {with_rules:>7,.{digits}f} {statistics.median(ratios):>5.2f}x"
        f" {ratios[quarter]:>5.2f} to {ratios[-1 - quarter]:.2f}x"
    )


def report_rates(homes: Sequence[Home]) -> None:
    print(f"  {'without and with rules':<40} pairs {'calls/s, quartiles':>34} {'processor us a call, all in':>38}")
    for home in homes:
        pairs = quiet_pairs(home.saturated)
        rates = compared(pairs, lambda run: run.rate, 0)
        print(f"  {home.side:<40} {len(pairs):>5} {rates}   {compared(pairs, lambda run: run.processor_us, 0)}")
    print("  every call is on record; nothing that matched is lost")
    runs = [run for home in homes for each in (home.saturated, home.steady) for side in each.values() for run in side]
    if refused := sum(run.refused for run in runs):
        print(f"  {refused} calls in {sum(bool(run.refused) for run in runs)} other runs were answered with 503")


def report_waits(homes: Sequence[Home], rate: float) -> None:
    print(f"  {f'at {rate:,.0f} calls/s, from call to answer':<40} pairs {'p50, ms':>34} {'p99, ms':>38}")
    for home in homes:
        pairs = quiet_pairs(home.steady)
        p50 = compared(pairs, lambda run: percentile(run.waits_ms, 0.5), 1)
        p99 = compared(pairs, lambda run: percentile(run.waits_ms, 0.99), 1)
        print(f"  {home.side:<40} {len(pairs):>5} {p50}   {p99}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1_000, help="calls a second where the rate is steady")
    parser.add_argument("--seconds", type=float, default=10, help="length of each of its runs")
    parser.add_argument(
        "--one-in", type=int, nargs="+", default=[100, 10, 1], help="share of the first part's calls that match"
    )
    parser.add_argument("--calls", type=int, default=4_000, help="calls of each run of the last part")
    parser.add_argument("--steady-rate", type=float, default=400, help="calls a second of its steady runs")
    parser.add_argument("--steady-calls", type=int, default=2_000, help="calls of each of those")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--rules", type=int, default=10_000, help="rules that do not fire")
    parser.add_argument("--alarms", type=int, default=50, help="calls of the second part with an alarm, at most 100")
    parser.add_argument(
        "--part", choices=["way", "alarms", "recording"], nargs="+", default=["way", "alarms", "recording"]
    )
    arguments = parser.parse_args()
    server_support.READY_SECONDS = 300  # a busy machine is no reason to give up
    os.environ.setdefault("OPENTRAIL_LOG_LEVEL", "error")
    if "way" in arguments.part:
        measure_way(arguments.seconds, arguments.rate, arguments.one_in, arguments.rounds)
    if "alarms" in arguments.part:
        measure_alarms(arguments.seconds, arguments.rate, arguments.alarms)
    if "recording" in arguments.part:
        measure_recording(
            arguments.calls, arguments.rounds, arguments.rules, arguments.steady_rate, arguments.steady_calls
        )
