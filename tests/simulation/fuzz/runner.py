"""Runs mutated calls through everything that reads one, and measures: ``python -m tests.simulation.fuzz.runner``.

A call is read as the gateway and the API read it: scope, contradictions, signature, operation, parameters, the event
before it and the event after it, and the answer. Each step may raise what it says it raises and nothing else.
"""

import argparse
import contextlib
import logging
import random
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog
from botocore.model import Shape

from opentrail.clock import RandomIdentifiers
from opentrail.event.limits import EVENT_LIMIT_BYTES
from opentrail.protocol import Operation, models
from opentrail.protocol.ambiguity import body_contradiction, contradiction
from opentrail.protocol.identify import identify
from opentrail.protocol.index import operation_index
from opentrail.protocol.observed import parse_response
from opentrail.protocol.requests import MalformedRequest, parse_request
from opentrail.protocol.responses import format_error, format_response
from opentrail.protocol.scope import read_scope
from opentrail.protocol.sigv4 import SignatureError, verify
from opentrail.record.events import EventBuilder
from opentrail.record.plans import plan_of
from opentrail.wiring.interpreter import tune_interpreter
from tests.simulation.fuzz.mutations import Seed, mutate
from tests.unit.protocol.botocore_requests import SECRET, http_request, minimal_parameters
from tests.unit.record.calls import a_user, filled

SERVICES = (
    *("cloudtrail", "dynamodb", "secretsmanager", "ssm", "kms", "logs", "sqs", "kinesis", "ecs"),
    *("iam", "sts", "sns", "rds", "neptune", "cloudformation", "elbv2"),
    "ec2",
    *("lambda", "apigateway", "eks", "lex-models", "lexv2-models", "chime-sdk-voice", "bedrock-runtime", "iot-data"),
    *("s3", "s3control", "route53", "cloudfront"),
    *("cloudwatch", "arc-region-switch"),
)
"""Services of all six protocols, with those that share routes."""

MAX_OPERATIONS = 60
"""Operations of one service that seeds are made of; drawn by the seed of the run."""

MAX_CALL_SECONDS = 1.0
"""What one call may take of the processor, all steps together: bodies end at 64 KiB here (mutations), and what a
compressed one may inflate to at 1 MiB."""

MAX_GROWTH_MB = 24
"""What a run may grow the process by after its warm-up: allocator slack, caches that are bounded, no more."""

RECEIVED = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@dataclass
class Report:
    """What a run measured. Seconds are processor time; the memory is resident, in MB."""

    calls: int = 0
    seconds: float = 0.0
    slowest_seconds: float = 0.0
    slowest: str = ""
    warm_mb: float = 0.0
    end_mb: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        outcomes = ", ".join(f"{count:,} {name}" for name, count in sorted(self.outcomes.items()))
        return (
            f"{self.calls:,} calls, {self.seconds / max(self.calls, 1) * 1e6:.0f} us each, slowest "
            f"{self.slowest_seconds * 1000:.1f} ms ({self.slowest}), {self.warm_mb:.0f} MB after warm-up, "
            f"{self.end_mb:.0f} MB at the end; {outcomes}"
        )


def make_seeds(random_: random.Random) -> list[Seed]:
    """Return well-formed calls of the operations of SERVICES, with few and with all parameters, and their answers."""
    seeds: list[Seed] = []
    for service in SERVICES:
        names = list(models.service_model(service).operation_names)
        for name in sorted(random_.sample(names, min(MAX_OPERATIONS, len(names)))):
            seeds += _seeds_of(Operation(service, name))
    return seeds


def warm_up(seeds: list[Seed], builder: EventBuilder) -> None:
    """Fill every cache that is bounded by the models: those of all services under the seeds' signing names."""
    for seed in seeds:
        run_call(seed, builder)
    index = operation_index()
    siblings = [item for service in SERVICES for item in index.by_signing_name[models.signing_name(service)]]
    for service in sorted({item.name for item in siblings}):
        for name in models.service_model(service).operation_names:
            plan_of(Operation(service, name))


def run_call(seed: Seed, builder: EventBuilder) -> str:
    """Read one call to the end and say what became of it. Raises what no step may raise."""
    request, response = seed.request, seed.response
    scope = read_scope(request)
    outcome = "contradiction" if contradiction(request, scope) or body_contradiction(request, scope) else ""
    if scope is not None:
        with contextlib.suppress(SignatureError):
            verify(request, scope, SECRET, RECEIVED)
    operation = identify(request, scope)
    if operation is not None:
        try:
            parse_request(operation, request)
            outcome = outcome or "parsed"
        except MalformedRequest:
            outcome = outcome or "malformed"
    caller = a_user()
    begun = builder.begin_encoded(request, operation, scope, caller, RECEIVED)
    result = parse_response(operation, response) if operation is not None else None
    finished = builder.finish_encoded(begun.event, operation, response, RECEIVED, result=result)
    unknown = builder.finish_unknown_encoded(begun.event, "upstream-timeout")
    for encoded in (begun.json, finished.json, unknown.json):
        assert len(encoded) <= EVENT_LIMIT_BYTES
    assert orjson.loads(finished.json)["eventID"] == begun.event["eventID"]
    return outcome or "unknown"


def run(seed: int, calls: int, report_every: int = 0) -> Report:
    """Run ``calls`` mutated calls and return the report; the same seed gives the same calls.

    Raises AssertionError, with the number of the call in its notes, for anything raised, slow or too large.
    """
    # Every answer that does not parse is a line of log.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    random_ = random.Random(seed)
    seeds = make_seeds(random_)
    builder = a_builder()
    warm_up(seeds, builder)
    for number in range(2000):
        run_call(mutate(random.Random(f"{seed}-warm-{number}"), seeds[number % len(seeds)], seeds[-number]), builder)
    tune_interpreter()  # as a server does; else a walk of the collector over all models is the slowest call
    report = Report(warm_mb=resident_mb())
    for number in range(calls):
        call = mutate(random_, random_.choice(seeds), random_.choice(seeds))
        started = time.process_time()
        try:
            report.outcomes[run_call(call, builder)] += 1
        except BaseException as error:
            error.add_note(f"seed {seed}, call {number}: {call!r}"[:4000])
            raise
        taken = time.process_time() - started
        report.seconds += taken
        if taken > report.slowest_seconds:
            report.slowest_seconds, report.slowest = taken, describe(call)
        assert taken < MAX_CALL_SECONDS, f"seed {seed}, call {number} took {taken:.2f} s: {call!r}"[:4000]
        report.calls += 1
        if report_every and report.calls % report_every == 0:
            report.end_mb = resident_mb()
            print(report, flush=True)
    report.end_mb = resident_mb()
    return report


def describe(call: Seed) -> str:
    """Return a few words about a call."""
    request, response = call.request, call.response
    sizes = f"{len(request.body or b'')} bytes, answer {len(response.body or b'')} bytes"
    return f"{request.method[:8]} {request.target[:40]!r} of {sizes}"


def a_builder() -> EventBuilder:
    """Return a builder as an installation has it."""
    return EventBuilder(
        default_account_id="123456789012",
        default_region="us-east-1",
        regions=lambda: ("us-east-1",),
        identifiers=RandomIdentifiers(),
    )


def resident_mb() -> float:
    """Return the process's resident memory now (on Linux; elsewhere the most it ever was)."""
    status = Path("/proc/self/statm")
    if status.exists():
        return int(status.read_text().split()[1]) * resource.getpagesize() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _seeds_of(operation: Operation) -> list[Seed]:
    model = models.operation_model(operation)
    output = filled(model.output_shape, _leaf, lambda shape, name: False) or {}
    answer = format_response(operation, output, "request-1")
    everything = filled(model.input_shape, _leaf, lambda shape, name: False) or {}
    seeds = [Seed(http_request(model, given), answer) for given in (minimal_parameters(model), everything)]
    refusal = format_error(operation, "AccessDenied", "User is not authorized", 403, "request-2")
    seeds.append(Seed(seeds[0].request, refusal))
    return seeds


def _leaf(shape: Shape, name: str, secret: bool) -> Any:
    match shape.type_name:
        case "timestamp":
            return RECEIVED
        case "boolean":
            return True
        case "integer" | "long" | "bigdecimal":
            return 1
        case "float" | "double":
            return 1.5
        case "blob":
            return b"blob"
        case _:
            return next(iter(getattr(shape, "enum", ())), "text")


def main() -> None:
    """Run and print the report."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--calls", type=int, default=20_000)
    arguments.add_argument("--report-every", type=int, default=50_000)
    options = arguments.parse_args()
    report = run(options.seed, options.calls, options.report_every)
    print(report)
    if report.end_mb - report.warm_mb > MAX_GROWTH_MB:
        sys.exit("The process grew.")


if __name__ == "__main__":
    main()
