"""Rules of composite alarms, read and judged."""

import pytest

from opentrail.metric.composite import InvalidAlarmRule, read_alarm_rule

STATES = {"a": "ALARM", "b": "OK", "c": "INSUFFICIENT_DATA", "with space": "ALARM"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ALARM(a)", True),
        ('ALARM("a")', True),
        ("OK(a)", False),
        ("ALARM(a) AND OK(b)", True),
        ("ALARM(b) OR INSUFFICIENT_DATA(c)", True),
        ("NOT ALARM(a) OR OK(b)", True),
        ("NOT (ALARM(a) OR OK(b))", False),
        ("ALARM(b) AND ALARM(a) OR TRUE", True),
        ("(FALSE)", False),
        ("ALARM(with space)", True),
        ("ALARM(gone)", False),
    ],
)
def test_a_rule_holds(text: str, expected: bool) -> None:
    assert read_alarm_rule(text).holds(lambda name: STATES.get(name, "")) is expected


@pytest.mark.parametrize("text", ["", "ALARM()", "ALARM(a) AND", "a", "(ALARM(a)", "ALARM(a) OK(b)", "XOR(a)"])
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(InvalidAlarmRule):
        read_alarm_rule(text)


def test_a_rule_has_bounds() -> None:
    with pytest.raises(InvalidAlarmRule, match="100 alarms"):
        read_alarm_rule(" OR ".join(f"ALARM(a{number})" for number in range(101)))
    with pytest.raises(InvalidAlarmRule, match="500 elements"):
        read_alarm_rule(" OR ".join(["ALARM(a)"] * 300))
    with pytest.raises(InvalidAlarmRule, match="too deep"):
        read_alarm_rule("(" * 150 + "ALARM(a)" + ")" * 150)


def test_a_rule_names_its_alarms() -> None:
    assert list(read_alarm_rule("ALARM(a) AND NOT OK('b c')").alarms()) == ["a", "b c"]
