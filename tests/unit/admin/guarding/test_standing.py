"""How enabled packs stand: each alarm's state and last firing, and all that keeps one from alarming."""

from opentrail.admin.guarding.enabling import Wishes
from opentrail.admin.guarding.standing import Standing, Status, disable, read_status
from opentrail.guard.pack import read_pack
from tests.memory.aws_api import NOW, REGION, InMemoryAwsApi
from tests.unit.admin.guarding.test_enabling import MAIL, TOPIC, Guarding


def status(api: InMemoryAwsApi) -> Status:
    return read_status(api, REGION, api.trails)


def enabled(*packs: str) -> InMemoryAwsApi:
    guarding = Guarding()
    for pack in packs:
        guarding.enable(pack, Wishes(receivers=(MAIL,)))
    [receiver] = guarding.api.topics[TOPIC]
    receiver["SubscriptionArn"] = f"{TOPIC}:1"
    return guarding.api


def rule(found: Status, name: str) -> Standing:
    [one] = [one for one in found.rules if one.name == name]
    return one


def test_without_packs_there_is_nothing_to_tell() -> None:
    found = status(InMemoryAwsApi())

    assert (found.rules, found.is_whole) == ((), True)


def test_each_alarm_is_shown_with_its_state_and_when_it_fired_last() -> None:
    api = enabled("root", "network")
    name = "opentrail-guard-root-Usage"
    api.alarms[name]["StateValue"] = "ALARM"
    for summary in ("Alarm updated from ALARM to OK", "Alarm updated from OK to ALARM"):
        api.history.append({"AlarmName": name, "Timestamp": NOW, "HistorySummary": summary})

    found = status(api)

    usage = rule(found, "Usage")
    assert (usage.state, usage.last_fired, usage.log_groups) == ("ALARM", "2026-11-20T10:00:00Z", ("cloudtrail/main",))
    assert rule(found, "SignIns").last_fired == ""
    assert {one.pack for one in found.rules} == {"root", "network"}
    assert found.is_whole


def test_what_keeps_a_rule_from_alarming_is_said() -> None:
    api = enabled("root")
    prefix = read_pack("root").prefix
    del api.alarms[f"{prefix}Usage"]
    api.alarms[f"{prefix}SignIns"]["ActionsEnabled"] = False
    api.alarms[f"{prefix}AccessKeys"]["AlarmActions"] = []
    api.alarms[f"{prefix}MfaRemoved"]["Threshold"] = 99.0
    del api.filters["cloudtrail/main", f"{prefix}PasswordChanges"]
    api.filters["cloudtrail/main", f"{prefix}AssumedRoot"]["filterPattern"] = "{ $.a = 1 }"

    found = status(api)

    assert {one.name: one.faults for one in found.rules} == {
        "Usage": ("no alarm",),
        "SignIns": ("actions off",),
        "AccessKeys": ("tells nobody",),
        "MfaRemoved": ("alarm changed",),
        "PasswordChanges": ("no metric filter",),
        "AssumedRoot": ("metric filter changed",),
    }
    assert not found.is_whole


def test_a_trail_that_stopped_or_went_away_and_a_topic_without_listeners_are_said() -> None:
    api = enabled("root")
    api.is_logging = False
    assert [warning.partition(":")[0] for warning in status(api).warnings] == ["main"]

    api.trails[0]["CloudWatchLogsLogGroupArn"] = ""
    api.topics[TOPIC][0]["SubscriptionArn"] = "PendingConfirmation"
    assert status(api).warnings == (
        "no trail delivers to the log group cloudtrail/main: switch the pack on again",
        f"nobody has subscribed to {TOPIC}; not confirmed yet: security@example.com",
    )

    del api.topics[TOPIC]
    assert status(api).warnings[1] == f"the topic {TOPIC} is not there: NotFound"


def test_a_trail_that_is_put_right_no_more_is_said() -> None:
    api = enabled("tampering")
    kept = {"role": "keeper", "since": "", "attempts": ["2026-11-20T09:00:00Z"]}
    guarded = [
        {**kept, "trail": api.trails[0]["TrailARN"], "ended_at": "2026-11-20T10:00:00Z", "last_error": ""},
        {**kept, "trail": "arn:aws:cloudtrail:eu-west-1:1:trail/far", "ended_at": "x", "last_error": ""},
    ]

    found = read_status(api, REGION, api.trails, guarded)

    assert [one.trail for one in found.remedied] == [api.trails[0]["TrailARN"]]
    assert found.warnings == (
        f"{api.trails[0]['TrailARN']} is put right no more since 2026-11-20T10:00:00Z: it was changed again and again",
    )
    assert not found.is_whole


def test_disabling_takes_the_pack_s_alarms_and_filters_and_nothing_else() -> None:
    api = enabled("root", "network")
    size = len(read_pack("root").rules)

    assert disable(api, read_pack("root")) == (size, size)

    assert disable(api, read_pack("root")) == (0, 0)
    assert {one.pack for one in status(api).rules} == {"network"}
    assert (api.groups, list(api.topics)) == (["cloudtrail/main"], [TOPIC])
