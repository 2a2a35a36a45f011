"""Alarms as data come and time passes: states, what they set off, composite alarms, and what a restart finds."""

import json
from collections import Counter
from functools import partial
from typing import Any

import orjson
import pytest

from opentrail.aws import cloudwatch
from opentrail.pipeline import alarms
from opentrail.pipeline.alarms import LiveAlarms
from opentrail.ports.alarms import HistoryQuery
from tests.builders import ACCOUNT, REGION, World
from tests.support.waiting import eventually, running

TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:alarms"
FUNCTION = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:react"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"


async def do(world: World, operation: str, **parameters: Any) -> dict[str, Any]:
    call = world.call(operation, parameters, service="cloudwatch")
    outcome = await cloudwatch.SERVICE.handlers[operation].run(world.ports, call)
    await world.carry_out(outcome)
    return dict(outcome.output)


async def put_alarm(world: World, name: str = "root", **more: Any) -> None:
    settings: dict[str, Any] = {
        "AlarmName": name,
        "Namespace": "Audit",
        "MetricName": "Root",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 1,
        "Threshold": 1.0,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "AlarmActions": [TOPIC],
    }
    settings |= more
    await do(world, "PutMetricAlarm", **{name: value for name, value in settings.items() if value is not None})


async def put(world: World, value: float, **more: Any) -> None:
    datum = {"MetricName": "Root", "Value": value, "Timestamp": world.clock.now()} | more
    await do(world, "PutMetricData", Namespace="Audit", MetricData=[datum])
    await world.alarms.tick()


async def pass_time(world: World, seconds: float) -> None:
    world.clock.advance(seconds)
    await world.alarms.tick(everything=True)


async def state(world: World, name: str = "root") -> str:
    found = await do(world, "DescribeAlarms", AlarmNames=[name], AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    [alarm] = found["MetricAlarms"] + found["CompositeAlarms"]
    return str(alarm["StateValue"])


async def is_in(world: World, name: str, value: str) -> bool:
    return await state(world, name) == value


def set_off(world: World, destination: str) -> list[dict[str, Any]]:
    return [orjson.loads(each.event) for each in world.alarm_store.invocations if each.destination == destination]


async def test_a_datapoint_beyond_the_threshold_is_an_alarm_before_its_period_is_over() -> None:
    world = World()
    await put_alarm(world)

    await put(world, 1.0)

    [shown] = (await do(world, "DescribeAlarms"))["MetricAlarms"]
    assert shown["StateValue"] == "ALARM"
    assert shown["StateReason"] == (
        "Threshold Crossed: 1 datapoint [1.0 (20/11/26 12:00:00)] was greater than or equal to the threshold (1.0)."
    )
    data = json.loads(shown["StateReasonData"])
    assert (data["recentDatapoints"], data["statistic"], data["period"]) == ([1.0], "Sum", 60)


async def test_alarms_are_judged_as_their_data_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "TICK_SECONDS", 10**12)
    world = World()

    async with running(world.alarms.run()):
        for name in ("one", "two", "three"):
            await put_alarm(world, name, MetricName=name)
            datum = {"MetricName": name, "Value": 1.0, "Timestamp": world.clock.now()}
            await do(world, "PutMetricData", Namespace="Audit", MetricData=[datum])
            await eventually(partial(is_in, world, name, "ALARM"))


async def test_no_tick_is_passed_over_while_others_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute ends just after a look: the alarm whose period is then over is judged all the same."""
    world = World()
    await put_alarm(world)
    await put(world, 1.0)
    await pass_time(world, 60)
    await put(world, 0.0)
    world.clock.advance(59.99)
    assert await is_in(world, "root", "ALARM")
    tick = world.alarms.tick

    async def late_tick() -> None:
        await tick()
        monkeypatch.setattr(world.alarms, "tick", tick)
        world.clock.advance(0.02)

    monkeypatch.setattr(world.alarms, "tick", late_tick)
    async with running(world.alarms.run()):
        world.alarms.due("nobody")
        await eventually(partial(is_in, world, "root", "OK"), 5)


async def test_alarms_whose_data_came_do_not_wait_for_those_whose_time_did(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    for number in range(5):
        await put_alarm(world, f"quiet-{number}", MetricName=f"Quiet{number}")
    await put_alarm(world)
    await world.alarms.tick()
    world.clock.advance(60)
    judged: list[set[str]] = []
    judge = world.alarms._judge

    async def noting(arns: list[str]) -> None:
        judged.append({arn.rpartition(":")[2] for arn in arns})
        await judge(arns)

    monkeypatch.setattr(world.alarms, "_judge", noting)
    await put(world, 1.0)

    assert judged == [{"root"}, {"root", *(f"quiet-{number}" for number in range(5))}]


async def test_what_an_alarm_may_invoke_is_told_before_it_does() -> None:
    world, told = World(), set[str]()
    await put_alarm(world, AlarmActions=[TOPIC], OKActions=[FUNCTION])

    alarms = LiveAlarms(
        world.alarm_store, world.metrics, world.clock, world.identifiers, Counter(), lambda _: None, told.add
    )
    await alarms.open()

    assert told == {TOPIC, FUNCTION}


async def test_an_alarm_goes_back_once_a_period_within_the_threshold_is_over() -> None:
    world = World()
    await put_alarm(world)
    await put(world, 1.0)
    await pass_time(world, 60)
    await put(world, 0.0)
    assert await state(world) == "ALARM"

    await pass_time(world, 60)

    assert await state(world) == "OK"


async def test_a_sum_that_may_still_grow_is_not_judged_too_small_before_its_period_is_over() -> None:
    world = World()
    await put_alarm(world, ComparisonOperator="LessThanThreshold", Threshold=5.0)

    await put(world, 1.0)
    assert await state(world) == "INSUFFICIENT_DATA"

    await put(world, 9.0)
    await pass_time(world, 60)
    assert await state(world) == "OK"


async def test_alarms_without_data_are_judged_by_the_clock_while_others_get_theirs() -> None:
    world = World()
    await put_alarm(world)
    await put_alarm(world, "silent", MetricName="Silence", TreatMissingData="ignore")
    await put(world, 0.0)
    await do(
        world,
        "PutMetricData",
        Namespace="Audit",
        MetricData=[{"MetricName": "Silence", "Value": 0.0, "Timestamp": world.clock.now()}],
    )
    await world.alarms.tick()
    assert await state(world, "silent") == "INSUFFICIENT_DATA"
    world.clock.advance(75)

    await put(world, 0.0)

    assert await state(world, "silent") == "OK"


async def test_two_of_three_periods_make_an_alarm() -> None:
    world = World()
    await put_alarm(world, EvaluationPeriods=3, DatapointsToAlarm=2)
    for value in (1.0, 0.0):
        await put(world, value)
        await pass_time(world, 60)
    assert await state(world) == "OK"

    await put(world, 1.0)

    assert await state(world) == "ALARM"


async def test_missing_data_are_treated_as_the_alarm_says() -> None:
    for way, expected in (("missing", "INSUFFICIENT_DATA"), ("breaching", "ALARM"), ("notBreaching", "OK")):
        world = World()
        await put_alarm(world, TreatMissingData=way)
        await pass_time(world, 60)
        assert await state(world) == expected


async def test_a_change_sets_off_its_actions_once_and_an_event_on_the_default_bus() -> None:
    world = World()
    await put_alarm(world, AlarmActions=[TOPIC, FUNCTION], AlarmDescription="who is root")

    await put(world, 1.0)
    await put(world, 1.0)

    [message] = set_off(world, TOPIC)
    assert (message["NewStateValue"], message["OldStateValue"]) == ("ALARM", "INSUFFICIENT_DATA")
    assert (message["Region"], message["Trigger"]["Statistic"]) == ("US East (N. Virginia)", "SUM")
    [invocation] = [each for each in world.alarm_store.invocations if each.destination == TOPIC]
    assert orjson.loads(invocation.target)["Subject"] == 'ALARM: "root" in US East (N. Virginia)'
    [payload] = set_off(world, FUNCTION)
    assert payload["alarmData"]["state"]["value"] == "ALARM"
    created, changed = set_off(world, BUS)
    assert (created["detail-type"], created["detail"]["operation"]) == (
        "CloudWatch Alarm Configuration Change",
        "create",
    )
    assert (changed["source"], changed["detail-type"]) == ("aws.cloudwatch", "CloudWatch Alarm State Change")
    assert changed["detail"]["state"]["value"] == "ALARM"
    assert changed["detail"]["previousState"]["value"] == "INSUFFICIENT_DATA"
    assert world.waiting == Counter({TOPIC: 1, FUNCTION: 1, BUS: 2})


async def test_disabled_actions_are_not_carried_out_and_the_bus_hears_all_the_same() -> None:
    world = World()
    await put_alarm(world)
    await do(world, "DisableAlarmActions", AlarmNames=["root"])

    await put(world, 1.0)

    assert await state(world) == "ALARM"
    assert set_off(world, TOPIC) == []
    assert set_off(world, BUS)[-1]["detail"]["state"]["value"] == "ALARM"


async def test_an_action_of_another_kind_is_a_failure_in_the_history() -> None:
    world = World()
    await put_alarm(world, AlarmActions=["arn:aws:automate:us-east-1:ec2:stop"])

    await put(world, 1.0)

    [item] = (await do(world, "DescribeAlarmHistory", HistoryItemType="Action"))["AlarmHistoryItems"]
    assert item["HistorySummary"] == "Failed to execute action arn:aws:automate:us-east-1:ec2:stop"


async def test_a_target_of_the_settings_is_told_what_a_topic_would_be_and_only_by_its_own_account() -> None:
    own, others = (f"arn:aws:opentrail:us-east-1:{account}:target/pager" for account in (ACCOUNT, "222222222222"))
    world = World()
    await put_alarm(world, AlarmActions=[own, others])

    await put(world, 1.0)

    assert [each["NewStateValue"] for each in set_off(world, own)] == ["ALARM"]
    assert set_off(world, others) == []
    [item] = (await do(world, "DescribeAlarmHistory", HistoryItemType="Action"))["AlarmHistoryItems"]
    assert item["HistorySummary"] == f"Failed to execute action {others}"


async def test_the_history_tells_creation_and_changes_and_outlasts_the_alarm() -> None:
    world = World()
    await put_alarm(world)
    world.clock.advance(1)
    await put(world, 1.0)
    world.clock.advance(1)
    await do(world, "DeleteAlarms", AlarmNames=["root"])

    items = await do(world, "DescribeAlarmHistory", AlarmName="root", ScanBy="TimestampAscending")
    told = [(item["HistoryItemType"], item["HistorySummary"]) for item in items["AlarmHistoryItems"]]

    assert told == [
        ("ConfigurationUpdate", 'Alarm "root" created'),
        ("StateUpdate", "Alarm updated from INSUFFICIENT_DATA to ALARM"),
        ("ConfigurationUpdate", 'Alarm "root" deleted'),
    ]
    data = json.loads(items["AlarmHistoryItems"][1]["HistoryData"])
    assert data["newState"]["stateValue"] == "ALARM"
    assert data["newState"]["stateReasonData"]["recentDatapoints"] == [1.0]


async def test_the_history_tells_whether_an_action_was_taken() -> None:
    world = World()
    await put_alarm(world)
    await put(world, 1.0)
    [invocation] = [each for each in world.alarm_store.invocations if each.destination == TOPIC]

    world.alarms.note_action(invocation, "")
    world.alarms.note_action(invocation, "it is gone")
    await world.alarms.tick()

    items = (await do(world, "DescribeAlarmHistory", HistoryItemType="Action"))["AlarmHistoryItems"]
    assert sorted(item["HistorySummary"] for item in items) == [
        f"Failed to execute action {TOPIC}",
        f"Successfully executed action {TOPIC}",
    ]


async def test_a_percentile_of_too_few_samples_changes_nothing_when_told_to_ignore_it() -> None:
    world = World()
    await put_alarm(world, Statistic=None, ExtendedStatistic="p90", EvaluateLowSampleCountPercentile="ignore")
    await put(world, 5.0)
    await pass_time(world, 60)
    assert await state(world) == "INSUFFICIENT_DATA"

    await do(
        world,
        "PutMetricData",
        Namespace="Audit",
        MetricData=[{"MetricName": "Root", "Values": [5.0], "Counts": [200.0], "Timestamp": world.clock.now()}],
    )
    await pass_time(world, 60)
    assert await state(world) == "ALARM"


async def test_an_alarm_on_metric_math_is_judged_by_the_expression() -> None:
    world = World()
    metric = {"Metric": {"Namespace": "Audit", "MetricName": "Root"}, "Period": 60, "Stat": "Sum"}
    await do(
        world,
        "PutMetricAlarm",
        AlarmName="math",
        Metrics=[
            {"Id": "m1", "MetricStat": metric, "ReturnData": False},
            {"Id": "e1", "Expression": "FILL(m1, 0) * 10"},
        ],
        EvaluationPeriods=1,
        Threshold=15.0,
        ComparisonOperator="GreaterThanThreshold",
    )

    await put(world, 2.0)
    await pass_time(world, 60)
    assert await state(world, "math") == "ALARM"

    await pass_time(world, 60)
    assert await state(world, "math") == "OK"


async def test_a_state_set_by_hand_acts_and_lasts_until_the_alarm_is_judged() -> None:
    world = World()
    await put_alarm(world)

    await do(world, "SetAlarmState", AlarmName="root", StateValue="ALARM", StateReason="a drill")
    assert await state(world) == "ALARM"
    assert [message["NewStateReason"] for message in set_off(world, TOPIC)] == ["a drill"]

    await pass_time(world, 60)
    assert await state(world) == "INSUFFICIENT_DATA"


async def test_a_composite_alarm_follows_its_children() -> None:
    world = World()
    await put_alarm(world, "one", AlarmActions=None)
    await put_alarm(world, "two", MetricName="Other", AlarmActions=None, TreatMissingData="notBreaching")
    await do(
        world,
        "PutCompositeAlarm",
        AlarmName="both",
        AlarmRule="ALARM(one) AND NOT ALARM(two)",
        AlarmActions=[TOPIC],
    )
    await world.alarms.tick()
    assert await state(world, "both") == "OK"

    await put(world, 1.0)

    assert await state(world, "both") == "ALARM"
    [message] = set_off(world, TOPIC)
    assert message["AlarmRule"] == "ALARM(one) AND NOT ALARM(two)"
    assert message["TriggeringChildren"][0]["Arn"].endswith(":alarm:one")


@pytest.mark.parametrize("wait", [0, 60])
async def test_a_suppressor_holds_actions_back_and_then_the_state_of_the_moment_acts(wait: int) -> None:
    world = World()
    await put_alarm(world, "one", AlarmActions=None)
    await put_alarm(world, "works", MetricName="Works", AlarmActions=None)
    await do(
        world,
        "PutCompositeAlarm",
        AlarmName="both",
        AlarmRule="ALARM(one)",
        AlarmActions=[TOPIC],
        ActionsSuppressor="works",
        ActionsSuppressorWaitPeriod=wait,
        ActionsSuppressorExtensionPeriod=30,
    )
    await world.alarms.tick()
    await do(world, "SetAlarmState", AlarmName="works", StateValue="ALARM", StateReason="maintenance")
    await do(world, "SetAlarmState", AlarmName="one", StateValue="ALARM", StateReason="it happened")
    assert await state(world, "both") == "ALARM"
    assert set_off(world, TOPIC) == []

    await do(world, "SetAlarmState", AlarmName="works", StateValue="OK", StateReason="done")
    assert set_off(world, TOPIC) == []
    world.clock.advance(31)
    world.alarms.due(f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:both")
    await world.alarms.tick()

    assert [message["NewStateValue"] for message in set_off(world, TOPIC)] == ["ALARM"]


async def test_actions_of_a_composite_alarm_wait_for_its_suppressor_first() -> None:
    world = World()
    await put_alarm(world, "one", AlarmActions=None, TreatMissingData="ignore")
    await put_alarm(world, "works", MetricName="Works", AlarmActions=None, TreatMissingData="ignore")
    await do(
        world,
        "PutCompositeAlarm",
        AlarmName="both",
        AlarmRule="ALARM(one)",
        AlarmActions=[TOPIC],
        ActionsSuppressor="works",
        ActionsSuppressorWaitPeriod=60,
        ActionsSuppressorExtensionPeriod=0,
    )
    await world.alarms.tick()
    await do(world, "SetAlarmState", AlarmName="one", StateValue="ALARM", StateReason="it happened")
    assert set_off(world, TOPIC) == []

    await pass_time(world, 61)

    assert [message["NewStateValue"] for message in set_off(world, TOPIC)] == ["ALARM"]


async def test_a_restart_goes_on_with_the_stored_states() -> None:
    world = World()
    await put_alarm(world)
    await put(world, 1.0)

    again = LiveAlarms(
        world.alarm_store, world.metrics, world.clock, world.identifiers, world.waiting, lambda destinations: None
    )
    await again.open()
    await again.tick(everything=True)

    [alarm] = again.of(ACCOUNT, REGION)
    assert alarm.state.value == "ALARM"
    items = await world.alarm_store.history(HistoryQuery(ACCOUNT, REGION, kind="StateUpdate"))
    assert len(items) == 1
