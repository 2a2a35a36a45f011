"""API destinations as users set them up: events reach a web server with tokens, through kills, and once more."""

import json
import urllib.request

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.http_recorder import Asked, HttpRecorder, Reply, http_recorder
from tests.support.owner import client
from tests.support.server import RunningServer, wait_until

NOBODY = "http://127.0.0.1:9"
LOCAL = {"OPENTRAIL_OUTGOING_ALLOW": "127.0.0.0/8"}
SOME_TIME = 1_790_000_000
SECRET = "canary-that-nobody-may-see"


@pytest.mark.e2e
def test_kills_lose_no_event_on_its_way_to_a_server_and_into_an_archive_and_no_secret_shows(
    make_server: MakeServer,
) -> None:
    server = make_server(upstream=NOBODY, settings=LOCAL).start()
    is_away = True

    def reply(asked: Asked) -> Reply:
        if asked.target == "/token":
            return Reply(200, b'{"access_token":"the-token","expires_in":3600}')
        return Reply(503 if is_away else 200)

    with http_recorder() as web:
        web.reply = reply
        events = client(server, "events")
        own_client = {"ClientID": "id", "ClientSecret": SECRET}
        oauth = {"ClientParameters": own_client, "AuthorizationEndpoint": f"{web.url}/token", "HttpMethod": "POST"}
        connection = events.create_connection(
            Name="c", AuthorizationType="OAUTH_CLIENT_CREDENTIALS", AuthParameters={"OAuthParameters": oauth}
        )["ConnectionArn"]
        wait_until(
            lambda: events.describe_connection(Name="c")["ConnectionState"] == "AUTHORIZED", "the connection's token"
        )
        destination = events.create_api_destination(
            Name="d", ConnectionArn=connection, InvocationEndpoint=f"{web.url}/in/*", HttpMethod="PUT"
        )["ApiDestinationArn"]
        bus = events.describe_event_bus()["Arn"]
        archive = events.create_archive(ArchiveName="a", EventSourceArn=bus, EventPattern='{"source":["shop"]}')
        rule = events.put_rule(Name="r", EventPattern='{"source":["shop"]}')
        http = {"PathParameterValues": ["$.detail.number"]}
        events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": destination, "HttpParameters": http}])
        for number in range(8):
            detail = json.dumps({"number": number})
            events.put_events(
                Entries=[{"Source": "shop", "DetailType": "order", "Detail": detail, "Time": SOME_TIME + number}]
            )
            if number in (2, 5):
                server.kill()
                is_away = number == 2
                events = client(server.start(), "events")

        taken: dict[int, Asked] = {}

        def all_came() -> bool:
            came = [asked for asked in web.asked if asked.method == "PUT"]
            taken.update({json.loads(asked.body)["detail"]["number"]: asked for asked in came})
            return len(taken) == 8 and _waiting(server) == 0

        wait_until(all_came, "every event to be taken", 90)
        wait_until(lambda: events.describe_archive(ArchiveName="a")["EventCount"] == 8, "every event to be kept")
        events.start_replay(
            ReplayName="again",
            EventSourceArn=archive["ArchiveArn"],
            EventStartTime=SOME_TIME + 2,
            EventEndTime=SOME_TIME + 6,
            Destination={"Arn": bus, "FilterArns": [rule["RuleArn"]]},
        )
        wait_until(
            lambda: events.describe_replay(ReplayName="again")["State"] == "COMPLETED" and len(replayed(web)) == 4,
            "the replay",
        )
        assert sorted(replayed(web)) == [2, 3, 4, 5]

    assert {number: asked.target for number, asked in taken.items()} == {n: f"/in/{n}" for n in range(8)}
    assert {asked.headers["authorization"] for asked in taken.values()} == {"Bearer the-token"}
    server.stop()
    kept = [path for path in server.home.rglob("*") if path.is_file()]
    assert not [path for path in [*kept, server.log] if SECRET.encode() in path.read_bytes()]


def replayed(web: HttpRecorder) -> set[int]:
    """Return the numbers of the events that a replay brought."""
    came = [json.loads(asked.body) for asked in web.asked if asked.method == "PUT"]
    return {event["detail"]["number"] for event in came if event.get("replay-name") == "again"}


def _waiting(server: RunningServer) -> float:
    """Return how many invocations wait for any target."""
    with urllib.request.urlopen(f"{server.ready['api_url']}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("opentrail_invocations_waiting{"))
