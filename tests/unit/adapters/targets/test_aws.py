"""Queues and topics of a real endpoint (moto's server), functions of a small one: what they get, what is a refusal."""

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import unquote
from uuid import uuid4

import boto3
import pytest

from opentrail.adapters.targets import aws
from opentrail.adapters.targets.aws import MAX_PREPARED, SERVICES, AwsTargets, TargetEndpoint
from opentrail.adapters.targets.kinds import TargetKinds
from opentrail.deliver.subscription_data import LOG_DATA, data_messages
from opentrail.ports import Unavailable
from opentrail.ports.log_store import LogEvent
from opentrail.ports.targets import Dispatch, TargetRefused
from opentrail.resource.log_group import LogGroup
from tests.support.moto_server import moto_server

REGION, ACCOUNT = "eu-west-1", "123456789012"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def targets(url: str) -> Iterator[TargetKinds]:
    endpoint = TargetEndpoint(url, "testing", "testing")
    senders = {service: AwsTargets(service, endpoint) for service in SERVICES}
    yield TargetKinds(senders)
    for sender in senders.values():
        sender.close()


def client(url: str, service: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )


def a_queue(url: str, ending: str = "", **attributes: str) -> tuple[str, str]:
    queue = client(url, "sqs").create_queue(QueueName=f"q-{uuid4()}{ending}", Attributes=attributes)["QueueUrl"]
    told = client(url, "sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])
    return queue, told["Attributes"]["QueueArn"]


def received(url: str, queue: str) -> list[dict[str, Any]]:
    asked = {"MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]}
    return list(client(url, "sqs").receive_message(QueueUrl=queue, **asked).get("Messages", ()))


def a_dispatch(destination: str, text: str = '{"n":1}', **more: Any) -> Dispatch:
    return Dispatch("id-1", destination, text, b"{}", **({"target": {}} | more))


async def test_a_queue_gets_the_text_and_the_attributes(url: str, targets: TargetKinds) -> None:
    queue, arn = a_queue(url)

    await targets.send(a_dispatch(arn, attributes={"ERROR_CODE": "NO_RESOURCE", "EMPTY": ""}))

    (message,) = received(url, queue)
    assert message["Body"] == '{"n":1}'
    assert message["MessageAttributes"] == {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_RESOURCE"}}


async def test_a_prepared_client_is_made_once_for_each_region_and_is_the_one_that_sends(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = aws._make_client

    def noting(service: str, endpoint: TargetEndpoint, region: str) -> Any:
        made.append(region)
        return make(service, endpoint, region)

    monkeypatch.setattr(aws, "_make_client", noting)
    queue, arn = a_queue(url)
    sender = AwsTargets("sqs", TargetEndpoint(url, "testing", "testing"))

    for number in range(3 * MAX_PREPARED):
        sender.prepare(arn)
        sender.prepare(f"arn:aws:sqs:us-east-{number // 2}:{ACCOUNT}:q{number}")
    sender._preparing.shutdown()
    await sender.send(a_dispatch(arn))

    sender.close()
    assert made == [REGION, *(f"us-east-{number}" for number in range(MAX_PREPARED - 1))]
    assert len(received(url, queue)) == 1


async def test_what_keeps_a_client_from_being_made_is_told_to_whoever_sends(url: str) -> None:
    sender = AwsTargets("sqs", TargetEndpoint(url, "testing", "testing", "/no/such/bundle"))
    destination = f"arn:aws:sqs:no region:{ACCOUNT}:q"

    sender.prepare(destination)

    with pytest.raises((TargetRefused, Unavailable)):
        await sender.send(a_dispatch(destination))
    sender.close()


async def test_nothing_is_prepared_where_there_is_no_upstream(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(aws, "_make_client", lambda service, endpoint, region: made.append(region))
    sender = AwsTargets("sqs", None)

    sender.prepare(f"arn:aws:sqs:{REGION}:{ACCOUNT}:q")
    sender._preparing.shutdown()

    with pytest.raises(TargetRefused):
        await sender.send(a_dispatch(f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"))
    sender.close()
    assert made == []


async def test_a_fifo_queue_keeps_one_of_two_deliveries_of_an_invocation(url: str, targets: TargetKinds) -> None:
    queue, arn = a_queue(url, ".fifo", FifoQueue="true")
    dispatch = a_dispatch(arn, target={"SqsParameters": {"MessageGroupId": "g"}})

    await targets.send(dispatch)
    await targets.send(dispatch)

    (message,) = received(url, queue)
    assert message["Attributes"]["MessageGroupId"] == "g"


async def test_a_topic_hands_the_text_on_as_its_message(url: str, targets: TargetKinds) -> None:
    queue, arn = a_queue(url)
    topic = client(url, "sns").create_topic(Name=f"t-{uuid4()}")["TopicArn"]
    client(url, "sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)

    await targets.send(a_dispatch(topic))

    told = json.loads(received(url, queue)[0]["Body"])
    assert (told["Message"], told.get("Subject")) == ('{"n":1}', None)


class FunctionEndpoint(BaseHTTPRequestHandler):
    """Takes asynchronous invocations of one function, as Lambda answers them."""

    seen: ClassVar[list[tuple[str, str | None, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((unquote(self.path), self.headers["X-Amz-Invocation-Type"], body))
        is_there = "function:f/" in unquote(self.path)
        answer = b"" if is_there else b'{"Message":"Function not found"}'
        self.send_response(202 if is_there else 404)
        if not is_there:
            self.send_header("x-amzn-ErrorType", "ResourceNotFoundException")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


async def test_a_function_is_invoked_without_waiting_for_its_answer() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), FunctionEndpoint)
    Thread(target=server.serve_forever, daemon=True).start()
    sender = AwsTargets("lambda", TargetEndpoint(f"http://127.0.0.1:{server.server_port}", "testing", "testing"))
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"

    await sender.send(a_dispatch(arn))

    assert FunctionEndpoint.seen == [(f"/2015-03-31/functions/{arn}/invocations", "Event", b'{"n":1}')]
    with pytest.raises(TargetRefused) as refused:
        await sender.send(a_dispatch(arn + "2"))
    assert refused.value.code == "NO_RESOURCE"
    sender.close()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("arn", [f"arn:aws:sqs:{REGION}:{ACCOUNT}:none", f"arn:aws:sns:{REGION}:{ACCOUNT}:none"])
async def test_what_is_not_there_refuses_for_good(arn: str, targets: TargetKinds) -> None:
    with pytest.raises(TargetRefused) as refused:
        await targets.send(a_dispatch(arn))

    assert refused.value.code == "NO_RESOURCE"


@pytest.mark.parametrize("arn", ["queue", f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/c"])
async def test_a_kind_that_nothing_is_sent_to_refuses_for_good(arn: str, targets: TargetKinds) -> None:
    with pytest.raises(TargetRefused):
        await targets.send(a_dispatch(arn))


async def test_a_queue_that_was_deleted_and_made_again_is_found_again(url: str, targets: TargetKinds) -> None:
    queue, arn = a_queue(url)
    await targets.send(a_dispatch(arn))
    client(url, "sqs").delete_queue(QueueUrl=queue)
    with pytest.raises(TargetRefused):
        await targets.send(a_dispatch(arn))

    again = client(url, "sqs").create_queue(QueueName=arn.rpartition(":")[2])["QueueUrl"]
    await targets.send(a_dispatch(arn))

    assert len(received(url, again)) == 1


async def test_an_endpoint_that_is_away_is_worth_trying_again() -> None:
    sender = AwsTargets("sqs", TargetEndpoint("http://127.0.0.1:9", "testing", "testing"))

    with pytest.raises(Unavailable):
        await sender.send(a_dispatch(f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"))
    sender.close()


async def test_without_an_endpoint_nothing_is_there() -> None:
    sender = AwsTargets("sqs", None)

    with pytest.raises(TargetRefused):
        await sender.send(a_dispatch(f"arn:aws:sqs:{REGION}:{ACCOUNT}:q"))
    sender.close()


async def test_a_stream_gets_the_text_as_a_record_under_the_key_that_the_path_leads_to(
    url: str, targets: TargetKinds
) -> None:
    kinesis, name = client(url, "kinesis"), f"s-{uuid4()}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    summary = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    by_path = {"KinesisParameters": {"PartitionKeyPath": "$.detail.who"}}

    await targets.send(a_dispatch(summary["StreamARN"]))
    keyed = Dispatch("id-2", summary["StreamARN"], "two", b'{"detail":{"who":"ann"}}', by_path)
    await targets.send(keyed)

    start = {"ShardId": summary["Shards"][0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=name, **start)["ShardIterator"]
    records = kinesis.get_records(ShardIterator=iterator)["Records"]
    assert [(each["PartitionKey"], each["Data"]) for each in records] == [("id-1", b'{"n":1}'), ("ann", b"two")]


async def test_streams_of_records_get_log_events_compressed_as_cloudwatch_logs_sends_them(
    url: str, targets: TargetKinds
) -> None:
    kinesis, firehose, s3 = (client(url, service) for service in ("kinesis", "firehose", "s3"))
    name = f"s-{uuid4()}"
    kinesis.create_stream(StreamName=name, ShardCount=1)
    summary = kinesis.describe_stream(StreamName=name)["StreamDescription"]
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    bucket = {"RoleARN": f"arn:aws:iam::{ACCOUNT}:role/r", "BucketARN": f"arn:aws:s3:::{name}"}
    delivery = firehose.create_delivery_stream(DeliveryStreamName=name, ExtendedS3DestinationConfiguration=bucket)
    group = LogGroup("g", ACCOUNT, REGION, "/app", datetime(2026, 11, 20, tzinfo=UTC))
    [message] = data_messages(group, "one", "all", [LogEvent("s", 5, 5, "hello")])

    for arn in (summary["StreamARN"], delivery["DeliveryStreamARN"]):
        await targets.send(Dispatch("id-1", arn, message.text.decode(), message.text, {LOG_DATA: "one"}))

    start = {"ShardId": summary["Shards"][0]["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
    iterator = kinesis.get_shard_iterator(StreamName=name, **start)["ShardIterator"]
    [record] = kinesis.get_records(ShardIterator=iterator)["Records"]
    [key] = [each["Key"] for each in s3.list_objects_v2(Bucket=name)["Contents"]]
    delivered = s3.get_object(Bucket=name, Key=key)["Body"].read()
    assert record["PartitionKey"] == "one"
    for packed in (record["Data"], delivered):
        data = json.loads(gzip.decompress(packed))
        assert (data["messageType"], data["logGroup"], data["logStream"]) == ("DATA_MESSAGE", "/app", "one")
        assert [event["message"] for event in data["logEvents"]] == ["hello"]


async def test_a_state_machine_starts_one_execution_however_often_it_is_tried(url: str, targets: TargetKinds) -> None:
    states = client(url, "stepfunctions")
    made = states.create_state_machine(
        name=f"m-{uuid4()}",
        definition='{"StartAt":"a","States":{"a":{"Type":"Pass","End":true}}}',
        roleArn=f"arn:aws:iam::{ACCOUNT}:role/r",
    )
    dispatch = a_dispatch(made["stateMachineArn"])

    await targets.send(dispatch)
    await targets.send(dispatch)

    (started,) = states.list_executions(stateMachineArn=made["stateMachineArn"])["executions"]
    assert started["name"] == "id-1"
    assert states.describe_execution(executionArn=started["executionArn"])["input"] == '{"n":1}'


@pytest.mark.parametrize("service", ["states:{}:stateMachine:gone", "kinesis:{}:stream/gone"])
async def test_a_stream_or_state_machine_that_is_not_there_is_a_refusal(service: str, targets: TargetKinds) -> None:
    arn = "arn:aws:" + service.format(f"{REGION}:{ACCOUNT}")

    with pytest.raises(TargetRefused) as refused:
        await targets.send(a_dispatch(arn))

    assert refused.value.code == "NO_RESOURCE"


class _Automations(BaseHTTPRequestHandler):
    asked: ClassVar[list[dict[str, Any]]] = []

    def do_POST(self) -> None:
        assert self.headers["X-Amz-Target"] == "AmazonSSM.StartAutomationExecution"
        self.asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        body = json.dumps({"AutomationExecutionId": str(uuid4())}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Keep test output quiet."""


async def test_an_automation_gets_the_text_as_its_parameters() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Automations) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        sender = AwsTargets("ssm", TargetEndpoint(f"http://127.0.0.1:{server.server_address[1]}", "k", "s"))
        arn = f"arn:aws:ssm:{REGION}:{ACCOUNT}:automation-definition/Stop:3"
        await sender.send(Dispatch(str(uuid4()), arn, '{"InstanceId":["i-1"],"Count":2}', b"{}", {}))
        with pytest.raises(TargetRefused):
            await sender.send(a_dispatch(arn, '"no object"'))
        server.shutdown()
        sender.close()

    (asked,) = _Automations.asked
    assert (asked["DocumentName"], asked["DocumentVersion"]) == ("Stop", "3")
    assert asked["Parameters"] == {"InstanceId": ["i-1"], "Count": ["2"]}
