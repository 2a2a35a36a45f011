"""The queries of ``bench.sql``, each as Lake SQL and as a user of DuckDB would write it over the same columns.

``{T}`` is the table. Both texts of a query give the same rows; ``day`` and ``hour`` are spans within the data.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

NEEDLES = "needles"


@dataclass(frozen=True, slots=True)
class MixQuery:
    """One query of the mix: ``lake`` and ``duckdb`` with the same answer, of a ``kind``."""

    name: str
    kind: str
    lake: str
    duckdb: str


def mix(first: datetime, last: datetime, some_id: str) -> list[MixQuery]:
    """Return the queries for events from ``first`` to ``last``, one of which has the id ``some_id``."""
    middle = first + (last - first) / 2
    day = _span(middle, timedelta(days=1))
    hour = _span(middle, timedelta(hours=1))
    return [
        *_needles(some_id, hour),
        *_aggregations(day),
        *_shapes(day, hour),
    ]


def _span(start: datetime, length: timedelta) -> tuple[str, str]:
    return f"{start:%Y-%m-%d %H:%M:%S}", f"{start + length:%Y-%m-%d %H:%M:%S}"


def _between(span: tuple[str, str]) -> str:
    return f"eventTime >= TIMESTAMP '{span[0]}' AND eventTime < TIMESTAMP '{span[1]}'"


def _needles(some_id: str, hour: tuple[str, str]) -> list[MixQuery]:
    columns = "eventId, eventName, userIdentity.arn, sourceIPAddress"
    shown = "eventid, eventname, useridentity.arn, sourceipaddress"
    conditions = {
        "event id": f"eventId = '{some_id}'",
        "absent event id": "eventId = 'ffffffff-0000-4000-8000-000000000000'",
        "rare access key": "userIdentity.accessKeyId = 'ASIAEXAMPLE00010007'",
        "rare caller": "userIdentity.arn = 'arn:aws:sts::123456789012:assumed-role/role-10011/session-10011'",
        "rare user name": "userIdentity.sessionContext.sessionIssuer.userName = 'role-10013'",
        "rare key in one hour": f"userIdentity.accessKeyId = 'ASIAEXAMPLE00000077' AND {_between(hour)}",
    }
    return [
        MixQuery(name, NEEDLES, f"SELECT {columns} FROM {{T}} WHERE {of}", f"SELECT {shown} FROM {{T}} WHERE {of}")
        for name, of in conditions.items()
    ]


def _aggregations(day: tuple[str, str]) -> list[MixQuery]:
    per_day = "date_trunc('day', eventTime)"
    return [
        MixQuery(
            "calls by service and name", "aggregations",
            "SELECT eventSource, eventName, count(*) AS calls FROM {T} GROUP BY 1, 2",
            "SELECT eventsource, eventname, count(*) FROM {T} GROUP BY 1, 2",
        ),
        MixQuery(
            "20 busiest callers", "aggregations",
            "SELECT userIdentity.arn, count(*) AS n, max(eventTime) FROM {T} GROUP BY 1 ORDER BY n DESC, 1 LIMIT 20",
            "SELECT useridentity.arn, count(*) AS n, strftime(max(eventtime), '%Y-%m-%d %H:%M:%S.%g') FROM {T}"
            " GROUP BY 1 ORDER BY n DESC, 1 LIMIT 20",
        ),
        MixQuery(
            "reads and writes by day", "aggregations",
            f"SELECT {per_day}, count_if(readOnly), count_if(NOT readOnly) FROM {{T}} GROUP BY {per_day}",
            f"SELECT strftime({per_day}, '%Y-%m-%d %H:%M:%S.%g'), count(*) FILTER (readonly),"
            f" count(*) FILTER (NOT readonly) FROM {{T}} GROUP BY {per_day}",
        ),
        MixQuery(
            "addresses by Region in a day", "aggregations",
            f"SELECT awsRegion, count(DISTINCT sourceIPAddress) FROM {{T}} WHERE {_between(day)} GROUP BY 1",
            f"SELECT awsregion, count(DISTINCT sourceipaddress) FROM {{T}} WHERE {_between(day)} GROUP BY 1",
        ),
    ]  # fmt: skip


def _shapes(day: tuple[str, str], hour: tuple[str, str]) -> list[MixQuery]:
    key = "userIdentity.accessKeyId"
    return [
        MixQuery(
            "LIKE in request parameters", "texts",
            """SELECT eventId FROM {T} WHERE requestParameters LIKE '%"folder/4321%'""",
            """SELECT eventid FROM {T} WHERE requestparameters LIKE '%"folder/4321%'""",
        ),
        MixQuery(
            "map subscript, a day by bucket", "texts",
            f"SELECT requestParameters['bucketName'], count(*) FROM {{T}} WHERE {_between(day)} GROUP BY 1",
            f"SELECT json_extract_string(requestparameters, '$.bucketName'), count(*) FROM {{T}} WHERE {_between(day)}"
            " GROUP BY 1",
        ),
        MixQuery(
            "element_at, all of one bucket", "texts",
            "SELECT count(*) FROM {T} WHERE element_at(requestParameters, 'bucketName') = 'bucket-13'",
            "SELECT count(*) FROM {T} WHERE json_extract_string(requestparameters, '$.bucketName') = 'bucket-13'",
        ),
        MixQuery(
            "each caller's first call of a day", "joins and windows",
            f"SELECT eventId FROM (SELECT eventId, row_number() OVER (PARTITION BY {key} ORDER BY eventTime, eventId)"
            f" AS place FROM {{T}} WHERE {_between(day)}) WHERE place = 1",
            f"SELECT eventid FROM (SELECT eventid, row_number() OVER (PARTITION BY {key.lower()} ORDER BY eventtime,"
            f" eventid) AS place FROM {{T}} WHERE {_between(day)}) WHERE place = 1",
        ),
        MixQuery(
            "who created users after assuming a role", "joins and windows",
            f"SELECT a.{key}, count(*) FROM {{T}} a JOIN {{T}} b ON a.{key} = b.{key} AND a.eventTime < b.eventTime"
            f" WHERE a.eventName = 'AssumeRole' AND b.eventName = 'CreateUser'"
            f" AND a.{_between(hour).replace('AND ', 'AND a.')} AND b.{_between(hour).replace('AND ', 'AND b.')}"
            " GROUP BY 1",
            f"SELECT a.{key}, count(*) FROM {{T}} a JOIN {{T}} b ON a.{key} = b.{key} AND a.eventTime < b.eventTime"
            f" WHERE a.eventName = 'AssumeRole' AND b.eventName = 'CreateUser'"
            f" AND a.{_between(hour).replace('AND ', 'AND a.')} AND b.{_between(hour).replace('AND ', 'AND b.')}"
            " GROUP BY 1",
        ),
        MixQuery(
            "resources of a day, unnested", "joins and windows",
            f"SELECT r.arn, count(*) FROM {{T}} CROSS JOIN UNNEST(resources) AS u(r) WHERE {_between(day)} GROUP BY 1",
            f"SELECT r.arn, count(*) FROM (SELECT unnest(resources) AS r FROM {{T}} WHERE {_between(day)}) GROUP BY 1",
        ),
        MixQuery(
            "newest 50 of one name, whole records", "joins and windows",
            "SELECT eventId, eventJson FROM {T} WHERE eventName = 'CreateUser'"
            " ORDER BY eventTime DESC, eventId LIMIT 50",
            "SELECT eventid, eventjson FROM {T} WHERE eventname = 'CreateUser'"
            " ORDER BY eventtime DESC, eventid LIMIT 50",
        ),
        MixQuery(
            "13,800 rows of an hour", "joins and windows",
            f"SELECT eventId, eventName, userIdentity.arn FROM {{T}} WHERE {_between(hour)}",
            f"SELECT eventid, eventname, useridentity.arn FROM {{T}} WHERE {_between(hour)}",
        ),
    ]  # fmt: skip
