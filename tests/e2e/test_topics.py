"""Topics as users set them up: messages reach web servers, mailboxes and queues, filtered, signed, through kills."""

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeServer
from tests.support.clients import JS_CLIENT, require_aws_cli, require_library
from tests.support.mail_server import mail_server
from tests.support.moto_server import moto_server
from tests.support.owner import a_queue, client, received
from tests.support.server import wait_until
from tests.support.tls import make_authority
from tests.support.web_endpoint import is_authentic, web_endpoint

REGION = "us-east-1"
PLAY = Path(__file__).parent / "clients" / "programs" / "topic.yml"
PATIENT = {
    "DeliveryPolicy": json.dumps({"healthyRetryPolicy": {"numRetries": 50, "minDelayTarget": 1, "maxDelayTarget": 2}})
}
LOCAL = {"OPENTRAIL_OUTGOING_ALLOW": "127.0.0.0/8"}


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    with moto_server() as url:
        yield url


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


@pytest.mark.e2e
def test_a_message_reaches_web_server_and_queues_signed_and_filtered(make_server: MakeServer, upstream: str) -> None:
    server = make_server(upstream=upstream, settings=LOCAL).start()
    sns, sqs = client(server, "sns"), client(server, "sqs")
    whole, whole_arn = a_queue(sqs, "whole")
    raw, raw_arn = a_queue(sqs, "raw")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    with web_endpoint() as endpoint:
        pending = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)["SubscriptionArn"]
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=whole_arn)
        wants = {"RawMessageDelivery": "true", "FilterPolicy": '{"level":["high"]}'}
        sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=raw_arn, Attributes=wants)
        wait_until(lambda: sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "0", "it")
        sns.publish(TopicArn=topic, Message="low")
        level = {"level": {"DataType": "String", "StringValue": "high"}}
        sent = sns.publish(TopicArn=topic, Message="grüße", Subject="Alarm", MessageAttributes=level)["MessageId"]
        wait_until(lambda: len(endpoint.notifications()) >= 2, "the web server to be told")

    assert pending == "pending confirmation"
    messages = [json.loads(body) for _, body in endpoint.received]
    asked, told = messages[0], next(each for each in messages if each["Message"] == "grüße")
    certificate = fetch(told["SigningCertURL"])
    assert [is_authentic(each, certificate) for each in messages] == [True] * len(messages)
    assert not is_authentic(told | {"Message": "other"}, certificate)
    assert (asked["Type"], asked["SignatureVersion"]) == ("SubscriptionConfirmation", "2")
    assert (told["MessageId"], told["Subject"]) == (sent, "Alarm")
    assert told["MessageAttributes"] == {"level": {"Type": "String", "Value": "high"}}
    in_queue = {json.loads(each["Body"])["Message"] for each in received(sqs, whole, 2)}
    assert in_queue == {"low", "grüße"}
    only = received(sqs, raw, 1)
    assert [(each["Body"], each["MessageAttributes"]["level"]["StringValue"]) for each in only] == [("grüße", "high")]

    fetch(told["UnsubscribeURL"])
    assert len(sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]) == 2


@pytest.mark.e2e
@pytest.mark.parametrize("version", ["1", "2"])
def test_a_receivers_validator_takes_signatures_once_it_is_told_the_host(
    make_server: MakeServer, tmp_path: Path, version: str
) -> None:
    authority = make_authority(tmp_path / "ca", "127.0.0.1")
    with web_endpoint(tls=authority.server_context()) as proxy, web_endpoint() as endpoint:
        endpoint.confirms = False
        url = proxy.url.removesuffix("/hook")
        server = make_server(upstream="", settings=LOCAL | {"OPENTRAIL_TOPICS_URL": url}).start()
        sns = client(server, "sns")
        topic = sns.create_topic(Name="alarms", Attributes={"SignatureVersion": version})["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
        wait_until(lambda: len(endpoint.received) == 1, "the request to confirm")
        sns.confirm_subscription(TopicArn=topic, Token=json.loads(endpoint.received[0][1])["Token"])
        sns.publish(TopicArn=topic, Message="grüße\n", Subject="Alarm")
        wait_until(lambda: len(endpoint.received) == 2, "the message")
        messages = [json.loads(body) for _, body in endpoint.received]
        certificate = messages[0]["SigningCertURL"].removeprefix(url)
        proxy.pages[certificate] = fetch(server.ready["api_url"] + certificate)
        altered = messages[1] | {"Message": "grüsse"}

        def judged(*arguments: str) -> list[str]:
            command = [require_library("node"), str(JS_CLIENT / "validate_sns.mjs"), *arguments]
            told = subprocess.run(
                command,
                input=json.dumps([*messages, altered]),
                env={**os.environ, "NODE_EXTRA_CA_CERTS": str(authority.ca_file)},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            said: list[str] = json.loads(told.stdout)
            return said

        assert [each["SignatureVersion"] for each in messages] == [version, version]
        assert judged(r"^127\.0\.0\.1:\d+$") == ["", "", "The message signature is invalid."]
        assert judged() == ["The certificate is located on an invalid domain."] * 3


@pytest.mark.e2e
def test_a_web_server_is_told_over_tls_and_one_that_no_ca_vouches_for_is_not(
    make_server: MakeServer, tmp_path: Path
) -> None:
    trusted, stranger = (make_authority(tmp_path / name, "127.0.0.1") for name in ("trusted", "stranger"))
    server = make_server(upstream="", settings=LOCAL | {"SSL_CERT_FILE": str(trusted.ca_file)}).start()
    sns = client(server, "sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    with web_endpoint(tls=stranger.server_context()) as other, web_endpoint(tls=trusted.server_context()) as endpoint:
        for each in (other, endpoint):
            sns.subscribe(TopicArn=topic, Protocol="https", Endpoint=each.url)
        wait_until(
            lambda: sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsConfirmed"] == "1",
            "a subscription",
        )
        sns.publish(TopicArn=topic, Message="hello")
        wait_until(lambda: len(endpoint.notifications()) == 1, "the web server to be told")
        server.stop()

    told = [json.loads(body) for _, body in endpoint.received]
    assert [each["Type"] for each in told] == ["SubscriptionConfirmation", "Notification"]
    assert other.received == []


@pytest.mark.e2e
def test_a_rule_and_a_trail_tell_a_topic_and_an_endpoint_that_was_away_gets_all_through_kills(
    make_server: MakeServer, upstream: str
) -> None:
    server = make_server(upstream=upstream, settings=LOCAL).start()
    sns, events = client(server, "sns"), client(server, "events")
    topic = sns.create_topic(Name="react")["TopicArn"]
    with web_endpoint() as endpoint:
        port = int(endpoint.url.split(":")[2].split("/")[0])
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=PATIENT)
        wait_until(lambda: sns.get_topic_attributes(TopicArn=topic)["Attributes"]["SubscriptionsPending"] == "0", "it")
    events.put_rule(Name="app", EventPattern='{"source":["shop"]}')
    events.put_targets(Rule="app", Targets=[{"Id": "t", "Arn": topic, "InputPath": "$.detail.number"}])
    wanted = set()
    for turn in range(2):
        events = client(server, "events")
        for number in range(turn * 20, turn * 20 + 20):
            entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps({"number": number})}
            assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0
            wanted.add(str(number))
        server.kill()
        server.start()

    with web_endpoint(port) as endpoint:
        wait_until(lambda: wanted <= {json.loads(body)["Message"] for _, body in endpoint.notifications()}, "all")
        s3, cloudtrail = client(server, "s3"), client(server, "cloudtrail")
        s3.create_bucket(Bucket="told-logs")
        cloudtrail.create_trail(Name="told", S3BucketName="told-logs", SnsTopicName="react")
        cloudtrail.start_logging(Name="told")
        wait_until(lambda: any("s3ObjectKey" in body for _, body in endpoint.notifications()), "the trail's notice")

    assert cloudtrail.describe_trails()["trailList"][0]["SnsTopicARN"] == topic


@pytest.mark.e2e
def test_a_mailbox_confirms_and_is_told(make_server: MakeServer, upstream: str) -> None:
    with mail_server() as mails:
        settings = {
            "OPENTRAIL_MAIL_SERVER": mails.address,
            "OPENTRAIL_MAIL_SENDER": "trail@example.com",
            "OPENTRAIL_MAIL_TLS": "none",
        }
        server = make_server(upstream=upstream, settings=settings).start()
        sns = client(server, "sns")
        topic = sns.create_topic(Name="letters", Attributes={"DisplayName": "Letters"})["TopicArn"]
        sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ann@example.com")
        wait_until(lambda: len(mails.received) == 1, "the mail that asks")
        link = next(line for line in mails.received[0].get_content().splitlines() if line.startswith("http"))
        fetch(link)
        sns.publish(TopicArn=topic, Message="hello", Subject="Alarm")
        wait_until(lambda: len(mails.received) == 2, "the mail")

    told = mails.received[1]
    assert (told["To"], told["From"], told["Subject"]) == ("ann@example.com", "trail@example.com", "Alarm")
    assert told.get_content().splitlines()[0] == "hello"


@pytest.mark.e2e
def test_a_private_address_is_not_called_and_its_message_is_a_dead_letter(
    make_server: MakeServer, upstream: str
) -> None:
    server = make_server(upstream=upstream).start()
    sns, sqs = client(server, "sns"), client(server, "sqs")
    letters, letters_arn = a_queue(sqs, "topic-letters")
    topic = sns.create_topic(Name="sly")["TopicArn"]
    redrive = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": letters_arn})}
    with web_endpoint() as endpoint:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=redrive)
        letter = received(sqs, letters, 1)[0]

    assert endpoint.received == []
    assert json.loads(letter["Body"])["Type"] == "SubscriptionConfirmation"
    assert letter["MessageAttributes"]["ERROR_CODE"]["StringValue"] == "NO_PERMISSIONS"


@pytest.mark.e2e
@pytest.mark.timeout(300)
def test_an_ansible_play_makes_repeats_changes_and_removes_topic_and_rule(
    make_server: MakeServer, tmp_path: Path
) -> None:
    server = make_server(upstream="", settings={"OPENTRAIL_TARGET_PLAY_COMMAND": '["/bin/true"]'}).start()
    report = tmp_path / "report"

    done = server.opentrail(
        "exec",
        "--",
        *(require_library("ansible-playbook"), str(PLAY), "-i", "localhost,"),
        *("-e", f"ansible_python_interpreter={require_library('python')}", "-e", f"report={report}"),
        seconds=200,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(report.read_bytes()) == {
        "topic": [True, False, True, True],
        "rule": [True, False, True, True],
        "told": True,
    }
    assert client(server, "sns").list_topics()["Topics"] == []


CLI = """
set -e
sns() { "$AWS" sns "$@" --output json; }
topic=arn:aws:sns:us-east-1:123456789012:cli
sns create-topic --name cli --attributes DisplayName=Cli --tags Key=team,Value=audit
sns subscribe --topic-arn $topic --protocol sqs --notification-endpoint arn:aws:sqs:us-east-1:123456789012:cli \\
    --attributes "$WANTS"
sns subscribe --topic-arn $topic --protocol https --notification-endpoint https://127.0.0.1:9/
held=$(sns list-subscriptions-by-topic --topic-arn $topic --query 'Subscriptions[?Protocol==`sqs`].SubscriptionArn|[0]')
held=$(echo $held | tr -d '"')
sns set-subscription-attributes --subscription-arn $held --attribute-name FilterPolicy \\
    --attribute-value '{"level":["low"]}'
sns get-subscription-attributes --subscription-arn $held
sns add-permission --topic-arn $topic --label other --aws-account-id 222222222222 --action-name Publish
sns get-topic-attributes --topic-arn $topic
sns list-tags-for-resource --resource-arn $topic
sns unsubscribe --subscription-arn $held
sns delete-topic --topic-arn $topic
sns list-topics
"""


@pytest.mark.e2e
@pytest.mark.timeout(180)
def test_the_aws_cli_makes_reads_changes_and_removes_topics_and_subscriptions(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wants = {
        "FilterPolicy": '{"level":["high"]}',
        "RawMessageDelivery": "true",
        "RedrivePolicy": '{"deadLetterTargetArn":"arn:aws:sqs:us-east-1:123456789012:letters"}',
    }
    monkeypatch.setenv("WANTS", json.dumps(wants))
    monkeypatch.setenv("AWS", require_aws_cli())
    server = make_server(upstream="").start()

    done = server.opentrail("exec", "--", "sh", "-c", CLI, seconds=170)

    assert done.returncode == 0, done.stderr
    said = list(documents(done.stdout))
    assert said[0] == {"TopicArn": "arn:aws:sns:us-east-1:123456789012:cli"}
    assert said[2] == {"SubscriptionArn": "pending confirmation"}
    shown = said[3]["Attributes"]
    assert shown["SubscriptionArn"] == said[1]["SubscriptionArn"]
    assert {name: shown[name] for name in wants} == wants | {"FilterPolicy": '{"level":["low"]}'}
    topic = said[4]["Attributes"]
    assert (topic["DisplayName"], topic["SubscriptionsConfirmed"], topic["SubscriptionsPending"]) == ("Cli", "1", "1")
    assert json.loads(topic["Policy"])["Statement"][1]["Sid"] == "other"
    assert said[5:] == [{"Tags": [{"Key": "team", "Value": "audit"}]}, {"Topics": []}]


def documents(text: str) -> Iterator[Any]:
    """Yield the JSON documents that stand one after the other in a text."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]
