"""From an API call to its rule's target, and what rules cost the calls: python -m bench.react

A server in a process of its own (`opentrail serve`, fail-closed), 32 connections through its gateway, and beside it one
upstream that is also the queue service. First the way of a call that a rule matches: recorded, matched, its invocation
stored, sent to the queue, struck out. Calls are made at a steady rate, one in so many of them for the rule; measured is
the time from a call's first byte and from its answer until the queue had the message; every such call must arrive.

The same for the longest way: a trail's log group, metric filter and alarm for some of the calls, a topic, the queue.

Then what rules cost the calls (``react_recording``).
"""

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import uvloop

from bench.put_audit_events import processor_seconds
from bench.react_load import Calls, call_all
from bench.react_recording import measure_recording
from bench.react_setup import HITS, QUEUE, an_upstream, client, percentile, put_rule, taken, wait_until
from tests.support import server as server_support
from tests.support.server import RunningServer

MUST_MS, AIM_MS = 1000.0, 200.0


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=1_000, help="calls a second where the rate is steady")
    parser.add_argument("--seconds", type=float, default=10, help="length of each of its runs")
    parser.add_argument(
        "--one-in", type=int, nargs="+", default=[100, 10, 1], help="share of the first part's calls that match"
    )
    parser.add_argument("--calls", type=int, default=4_000, help="calls of each run of the last part beside many rules")
    parser.add_argument("--steady-rate", type=float, default=400, help="calls a second of its steady runs")
    parser.add_argument("--steady-calls", type=int, default=1_500, help="calls of each of those")
    parser.add_argument("--rounds", type=int, default=3)
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
