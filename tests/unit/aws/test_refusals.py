from datetime import timedelta

from opentrail.aws.refusals import FOLDED_KEYS, RefusalFolds, RefusalKey
from tests.builders import NOON, an_event

KEY = RefusalKey("192.0.2.1", "AKIAUNKNOWN", "UnrecognizedClientException")
MINUTE = timedelta(minutes=1)


def count_of(event: dict[str, object] | None) -> object:
    assert event is not None
    additional = event["additionalEventData"]
    assert isinstance(additional, dict)
    return additional["opentrail"]["count"]


def test_first_refusal_is_an_event_at_once() -> None:
    event = RefusalFolds().add(KEY, NOON, an_event)

    assert count_of(event) == 1


def test_refusals_of_the_same_minute_become_one_event_with_their_count() -> None:
    folds = RefusalFolds()
    folds.add(KEY, NOON, an_event)

    repeats = [folds.add(KEY, NOON + timedelta(seconds=second), an_event) for second in (1, 20, 59)]

    assert repeats == [None, None, None]
    assert folds.take_due(NOON + timedelta(seconds=59)) == []
    assert [count_of(event) for event in folds.take_due(NOON + MINUTE)] == [3]


def test_steady_refusals_are_one_event_a_minute() -> None:
    folds = RefusalFolds()
    events = []
    for second in range(300):
        now = NOON + timedelta(seconds=second)
        events += [folds.add(KEY, now, an_event), *folds.take_due(now)]

    counts = [count_of(event) for event in events if event is not None]

    assert len(counts) == 5
    assert sum(int(str(count)) for count in counts) + _left(folds) == 300


def _left(folds: RefusalFolds) -> int:
    return sum(int(str(count_of(event))) for event in folds.take_due(NOON, also_unfinished=True))


def test_quiet_key_is_forgotten() -> None:
    folds = RefusalFolds()
    folds.add(KEY, NOON, an_event)
    folds.take_due(NOON + MINUTE)

    event = folds.add(KEY, NOON + MINUTE, an_event)

    assert count_of(event) == 1


def test_made_up_keys_beyond_the_bound_are_folded_by_error() -> None:
    folds = RefusalFolds()
    keys = [RefusalKey("192.0.2.1", f"AKIA{number}", "InvalidClientTokenId") for number in range(FOLDED_KEYS + 500)]

    events = [event for key in keys if (event := folds.add(key, NOON, an_event))]

    assert len(events) == FOLDED_KEYS + 1
    assert [count_of(event) for event in folds.take_due(NOON + MINUTE)] == [499]


def test_unfinished_folds_are_taken_at_shutdown() -> None:
    folds = RefusalFolds()
    folds.add(KEY, NOON, an_event)
    folds.add(KEY, NOON, an_event)

    events = folds.take_due(NOON, also_unfinished=True)

    assert [count_of(event) for event in events] == [1]


def test_count_stands_where_cloudtrail_has_additional_event_data() -> None:
    event = RefusalFolds().add(KEY, NOON, an_event)

    assert event is not None
    names = list(event)
    assert names[names.index("responseElements") + 1] == "additionalEventData"
