"""What a WHERE looks for in a table's columns is known, and nothing that it does not say."""

import pytest

from opentrail.lakesql.schema import Sought
from opentrail.lakesql.store_schema import schema_of_kind
from opentrail.lakesql.translation import translate
from opentrail.resource.event_data_store import EventDataStoreKind
from tests.builders import NOON

ID, ARN = Sought("eventid", ("x",)), Sought("useridentity.arn", ("x",))


def sought(statement: str) -> list[tuple[Sought, ...]]:
    found = translate(statement, lambda _: schema_of_kind(EventDataStoreKind.CLOUDTRAIL), NOON)
    return [use.sought for use in found.tables]


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("eventID = 'x'", (ID,)),
        ("'x' = EVENTID", (ID,)),
        ("((t.eventId = 'x'))", (ID,)),
        ("userIdentity.arn = 'x'", (ARN,)),
        ("t.UserIdentity.ARN = 'x'", (ARN,)),
        ("eventID IN ('x', 'it''s')", (Sought("eventid", ("x", "it's")),)),
        ("eventID = 'x' AND (readOnly AND userIdentity.arn = 'x')", (ARN, ID)),
        ("eventID = 'x' AND NOT eventID = 'y'", (ID,)),
        ("eventID = 'x' AND (eventID = 'y' OR readOnly)", (ID,)),
        ("eventID = 'x' OR readOnly", ()),
        ("NOT eventID = 'x'", ()),
        ("NOT (eventID IN ('x'))", ()),
        ("eventID NOT IN ('x')", ()),
        ("eventID <> 'x'", ()),
        ("eventID IS NOT DISTINCT FROM 'x'", ()),
        ("eventID > 'x'", ()),
        ("eventID LIKE 'x'", ()),
        ("eventID = lower('X')", ()),
        ("lower(eventID) = 'x'", ()),
        ("eventID || '' = 'x'", ()),
        ("eventID = eventName", ()),
        ("eventID = NULL", ()),
        ("eventID IN ('x', eventName)", ()),
        ("eventID IN (SELECT 'x')", ()),
        ("CASE WHEN eventID = 'x' THEN true ELSE readOnly END", ()),
        ("element_at(requestParameters, 'x') = 'x'", ()),
        ("requestParameters = 'x'", ()),
        ("eventTime = '2026-01-01'", ()),
        ("resources[1].arn = 'x'", ()),
        ("coalesce(eventID = 'x', true)", ()),
        ("(eventID = 'x') = false", ()),
    ],
)
def test_what_must_hold_is_known(condition: str, expected: tuple[Sought, ...]) -> None:
    assert sought(f"SELECT 1 FROM s AS t WHERE {condition}") == [expected]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT 1 FROM s a JOIN s b ON a.eventID = b.eventID WHERE b.eventID = 'x'", [(), (ID,)]),
        ("SELECT 1 FROM s a LEFT JOIN s b ON b.eventID = 'x'", [(), ()]),
        ("SELECT 1 FROM s a JOIN s b USING (eventID) WHERE eventID = 'x'", [(ID,), ()]),
        ("SELECT 1 FROM s a RIGHT JOIN s b USING (eventID) WHERE eventID = 'x'", [(), (ID,)]),
        ("SELECT 1 FROM s a FULL JOIN s b USING (eventID) WHERE eventID = 'x'", [(), ()]),
        ("SELECT 1 FROM s WHERE eventID = 'x' UNION ALL SELECT 1 FROM s", [(ID,), ()]),
        ("WITH w AS (SELECT eventID FROM s) SELECT 1 FROM w WHERE eventID = 'x'", [()]),
        ("WITH w AS (SELECT eventID FROM s WHERE eventID = 'x') SELECT 1 FROM w", [(ID,)]),
        ("SELECT 1 FROM (SELECT eventName AS eventID FROM s) t WHERE eventID = 'x'", [()]),
        ("SELECT 1 FROM s a WHERE EXISTS (SELECT 1 FROM s b WHERE a.eventID = 'x')", [(), ()]),
        ("SELECT 1 FROM s a WHERE EXISTS (SELECT 1 FROM s b WHERE b.eventID = 'x')", [(), (ID,)]),
        ("SELECT eventID = 'x' FROM s GROUP BY eventID HAVING eventID = 'x'", [()]),
        ("SELECT count(*) FILTER (WHERE eventID = 'x') FROM s", [()]),
    ],
)
def test_a_condition_narrows_the_table_whose_rows_it_is_about(
    statement: str, expected: list[tuple[Sought, ...]]
) -> None:
    assert sought(statement) == expected


def test_a_renamed_column_is_the_one_that_it_was() -> None:
    names = ", ".join(f"c{at}" for at, _ in enumerate(schema_of_kind(EventDataStoreKind.CLOUDTRAIL).columns))
    place = [name for name, _ in schema_of_kind(EventDataStoreKind.CLOUDTRAIL).columns].index("eventid")

    assert sought(f"SELECT 1 FROM s AS t({names}) WHERE c{place} = 'x'") == [(ID,)]
