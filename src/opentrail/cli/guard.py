"""``opentrail guard``: packs of metric filters and alarms, tried on what was recorded, then switched on."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any

import orjson
import typer

from opentrail.admin.guarding.enabling import REMEDYING_PACK, Enabling, Plan, Wishes, guarded_trails
from opentrail.admin.guarding.standing import Status, disable, read_status
from opentrail.admin.guarding.trails import WatchedTrail, choose_trail, describe_trails, watched_trail
from opentrail.cli.console import Context, HomeOption, errors, output, plain, print_table
from opentrail.cli.execution import read_key
from opentrail.cli.replay import run_request
from opentrail.errors import OperatorError
from opentrail.guard.pack import ALARM, PACKS, Pack, read_pack
from opentrail.ports.aws_api import AwsApi, CallRefused

guard_app = typer.Typer(help="Packs of alarms on what a trail records.", no_args_is_help=True)

_Packs = StrEnum("_Packs", {name.upper(): name for name in PACKS})  # type: ignore[misc]

PackArgument = Annotated[_Packs, typer.Argument(metavar="|".join(PACKS), show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
AsOption = Annotated[
    str, typer.Option("--as", metavar="USER", help="Call as this user, whose key is saved; default: the owner.")
]


@guard_app.command("list")
def list_packs(as_json: JsonOption = False) -> None:
    """List the packs and what they watch."""
    packs = [read_pack(name) for name in PACKS]
    if as_json:
        _print_json([asdict(pack) for pack in packs])
        return
    for pack in packs:
        output.print(plain(f"{pack.name}: {pack.title}"), style="bold", soft_wrap=True)
        output.print(plain(f"  {pack.source}"), style="dim", soft_wrap=True)
        for rule in pack.rules:
            needs = " (needs data events)" if rule.needs_data_events else ""
            output.print(plain(f"  {rule.name:<24}{rule.title}{needs}"), soft_wrap=True)


@guard_app.command("enable")
def enable_pack(
    context: typer.Context,
    name: PackArgument,
    trail: Annotated[str, typer.Option(metavar="NAME|ARN", help="Whose events; default: the only trail.")] = "",
    log_group: Annotated[
        str, typer.Option(metavar="GROUP", help="Where the trail shall deliver to, if it delivers to none.")
    ] = "",
    topic: Annotated[str, typer.Option(metavar="ARN", help="Whom alarms tell; default: one of the guard's own.")] = "",
    email: Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help="Subscribe it to the topic; may be given often.")
    ] = None,
    webhook: Annotated[
        list[str] | None, typer.Option(metavar="URL", help="Subscribe it to the topic; may be given often.")
    ] = None,
    remediate: Annotated[
        bool | None,
        typer.Option(
            "--remediate/--no-remediate",
            help="With tampering: start the trail again when it is stopped, put its selectors back when narrowed.",
        ),
    ] = None,
    role: Annotated[
        str, typer.Option(metavar="NAME", help="In whose name the trail is put right; default: the guard's own role.")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")] = False,
    yes: YesOption = False,
    as_user: AsOption = "",
    home: HomeOption = None,
) -> None:
    """Switch a pack on, after showing how often it would have alarmed in the last 90 days.

    \b
    opentrail guard enable tampering --email security@example.com
    """
    if role and not remediate:
        raise OperatorError("--role says in whose name --remediate acts")
    receivers = (*(("email", each) for each in email or ()), *map(_web, webhook or ()))
    wishes = Wishes(log_group, topic, receivers, remediate, role)
    chosen = Context.of(context, home)
    with _apis(chosen, as_user) as (api_of, region):
        described = choose_trail(describe_trails(api_of(region)), trail)
        api = api_of(described["HomeRegion"])
        watched = watched_trail(api, described)
        plan = Enabling(api, chosen.run, read_pack(name), watched, wishes).plan()
        _show_replay(chosen, plan)
        _show_plan(plan)
        if dry_run or not plan.steps:
            return
        _ask(f"Switch the pack {name} on?", is_agreed=yes)
        for step in plan.steps:
            step.carry_out()
        output.print(plain(f"The pack {name} is on: opentrail guard status"))
    if not as_user and any('"Root"' in rule.pattern for rule in plan.pack.rules):
        _warn(
            "the owner is the account's root user: each call with its key sets an alarm of this pack off; use --as USER"
        )


@guard_app.command("disable")
def disable_pack(
    context: typer.Context,
    name: PackArgument,
    yes: YesOption = False,
    as_user: AsOption = "",
    home: HomeOption = None,
) -> None:
    """Switch a pack off: its alarms and metric filters go; the topic, the log group and the delivery to it stay."""
    chosen = Context.of(context, home)
    with _apis(chosen, as_user) as (api_of, region):
        remedied = guarded_trails(chosen.run) if name == REMEDYING_PACK else ()
        regions = _regions(describe_trails(api_of(region)), region)
        _ask(f"Delete the alarms and metric filters of the pack {name}?", is_agreed=yes)
        gone = [disable(api_of(each), read_pack(name)) for each in regions]
        for one in remedied:
            chosen.run("unguard_trail", trail=one["trail"])
            output.print(plain(f"{one['trail']} is put right no more"), soft_wrap=True)
    if not any(map(any, gone)) and not remedied:
        output.print(plain(f"The pack {name} is not on"))
        return
    alarms, filters = (sum(counts) for counts in zip(*gone, strict=True))
    output.print(plain(f"The pack {name} is off: {alarms} alarms and {filters} metric filters are gone"))


@guard_app.command("status")
def show_status(
    context: typer.Context, as_json: JsonOption = False, as_user: AsOption = "", home: HomeOption = None
) -> None:
    """Show each alarm of the packs that are on, and when it fired last; exit code 1 when something is amiss."""
    chosen = Context.of(context, home)
    with _apis(chosen, as_user) as (api_of, region):
        trails = describe_trails(api_of(region))
        guarded = guarded_trails(chosen.run)
        stand = [read_status(api_of(each), each, trails, guarded) for each in _regions(trails, region)]
    if as_json:
        _print_json([asdict(each) for each in stand])
    else:
        _print_status(stand)
    raise typer.Exit(0 if all(each.is_whole for each in stand) else 1)


def _print_status(stand: Sequence[Status]) -> None:
    rows = [
        [rule.pack, rule.name, ", ".join(rule.faults) or rule.state, rule.since, rule.last_fired or "-", each.region]
        for each in stand
        for rule in each.rules
    ]
    columns = ["Pack", "Alarm", "State", "Since", "Fired last", "Region"]
    print_table(columns, rows, "No pack is on: opentrail guard list", is_cut=False)
    for each in stand:
        for one in each.remedied:
            count = len(one.attempts)
            times = ("never", "once")[count] if count < 2 else f"{count} times"
            said = f"{one.trail} is put right by the role {one.role}: {times} in the last day"
            output.print(plain(said), soft_wrap=True)
        for warning in each.warnings:
            _warn(warning)


@contextmanager
def _apis(context: Context, as_user: str) -> Iterator[tuple[Callable[[str], AwsApi], str]]:
    """Reach the API by Region, and the installation's own Region; what it refuses is the operator's to read."""
    serving = context.home.serving()
    if serving is None:
        path = context.home.path
        raise OperatorError(f"no server holds {path}: start one with `opentrail --home {path} serve`")
    # Imported here because boto3 costs a third of a second, which no other command should pay.
    from opentrail.wiring.guarding import apis_by_region

    try:
        yield apis_by_region(str(serving["gateway_url"]), read_key(context.home, as_user)), str(serving["region"])
    except CallRefused as error:
        raise OperatorError(str(error)) from error


def _regions(trails: Sequence[dict[str, Any]], own: str) -> list[str]:
    return sorted({own, *(trail["HomeRegion"] for trail in trails)})


def _web(url: str) -> tuple[str, str]:
    scheme = url.partition("://")[0].lower()
    if scheme not in ("http", "https"):
        raise OperatorError(f"--webhook takes an http or https URL, not {url}")
    return scheme, url


def _ask(question: str, *, is_agreed: bool) -> None:
    if is_agreed:
        return
    if not sys.stdin.isatty():
        raise OperatorError("nothing was changed: say --yes, or answer at a terminal")
    typer.confirm(question, abort=True)


def _show_replay(context: Context, plan: Plan) -> None:
    """Show what each filter matched in Event history, and when its alarm would have fired."""
    trail = plan.trail
    request = {
        "Rules": [_replayed(plan.pack, trail, place) for place in range(len(plan.pack.rules))],
        "Source": "history",
        "AccountId": trail.account_id,
        "Regions": [] if trail.is_multi_region else [trail.home_region],
        "MaxExamples": 0,
    }
    report = run_request(context, request)
    rows = []
    for rule, found in zip(plan.pack.rules, report["Rules"], strict=True):
        unseen = rule.needs_data_events and not found["Matches"]
        matches = "not in Event history" if unseen else f"{found['Matches']:,}"
        rows.append([rule.name, matches, f"{found['Alarm']['TimesFired']:,}", found["LastTime"] or "-", rule.title])
    output.print(plain(f"Event history, {report['StartTime']} to {report['EndTime']}: {report['Events']:,} events"))
    print_table(["Filter", "Matches", "Alarms", "Last", "What it says"], rows, "")


def _replayed(pack: Pack, trail: WatchedTrail, place: int) -> dict[str, Any]:
    rule = pack.rules[place]
    pattern = rule.pattern_for(trail.bucket)
    return {"Name": rule.name, "Language": "filter-pattern", "Rule": pattern, "MetricValue": "1", "Alarm": dict(ALARM)}


def _show_plan(plan: Plan) -> None:
    output.print(plain(f"Trail {plan.trail.arn}, log group {plan.log_group}, topic {plan.topic}"), soft_wrap=True)
    for step in plan.steps:
        output.print(plain(f"  {step.verb:<7}{step.kind} {step.name}"), soft_wrap=True)
    if not plan.steps:
        output.print(
            plain(f"Nothing to do: all {plan.kept} parts of the pack {plan.pack.name} are there as they should be")
        )
    for warning in plan.trail.warnings():
        _warn(warning)
    if any(rule.needs_data_events for rule in plan.pack.rules) and not plan.trail.has_data_events:
        _warn("the trail has no data events, so that deleted log objects go unseen: aws cloudtrail put-event-selectors")


def _warn(sentence: str) -> None:
    errors.print(plain(f"opentrail: {sentence}"), style="yellow")


def _print_json(value: Any) -> None:
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n")
