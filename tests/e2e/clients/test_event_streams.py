"""Event streams: their frames reach SDKs unharmed and without delay, and the calls are on record."""

import hashlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from botocore.exceptions import EventStreamError

from tests.e2e.clients.stage import Stage, assert_recorded, parameters_of
from tests.support.clients import JS_CLIENT, require_library
from tests.support.streaming_upstream import (
    FAILING_MODEL,
    PIECES,
    PIECES_HASH,
    SLOW_MODEL,
    StreamingUpstream,
    streaming_upstream,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "stream-user"
MODEL = "example.model-v1:0"
CONSUMER = "arn:aws:kinesis:us-east-1:123456789012:stream/s/consumer/c:1"


@pytest.fixture(scope="module")
def upstream() -> Iterator[StreamingUpstream]:
    with streaming_upstream() as server:
        yield server


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory, upstream: StreamingUpstream) -> Iterator[Stage]:
    """A running Opentrail whose upstream answers with event streams."""
    running = Stage(tmp_path_factory.mktemp("streaming") / "home", upstream.url)
    try:
        running.make_user(USER)
        yield running
    finally:
        running.close()


def _hash(parts: list[bytes]) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_streams_of_a_function_and_a_model_keep_their_bytes_for_boto3(streaming: Stage) -> None:
    mark = streaming.mark()

    function = streaming.boto("lambda", USER).invoke_with_response_stream(FunctionName="teller", Payload=b"{}")
    told = list(function["EventStream"])
    model = streaming.boto("bedrock-runtime", USER).invoke_model_with_response_stream(modelId=MODEL, body=b"{}")
    chunks = [event["chunk"]["bytes"] for event in model["body"]]
    events = mark.events()

    assert _hash([event["PayloadChunk"]["Payload"] for event in told if "PayloadChunk" in event]) == PIECES_HASH
    assert "InvokeComplete" in told[-1]
    assert _hash(chunks) == PIECES_HASH
    assert mark.assert_unchanged() == 2
    assert [event["eventName"] for event in events] == ["InvokeWithResponseStream", "InvokeModelWithResponseStream"]
    assert_recorded(mark, events, USER)
    assert parameters_of(events, "InvokeWithResponseStream")[0]["functionName"] == "teller"
    assert parameters_of(events, "InvokeModelWithResponseStream")[0]["modelId"] == MODEL
    assert [event["requestID"] for event in events] == ["r-stream"] * 2


def test_a_subscription_to_a_shard_keeps_its_bytes_and_is_on_record(streaming: Stage) -> None:
    mark = streaming.mark()

    shard = streaming.boto("kinesis", USER).subscribe_to_shard(
        ConsumerARN=CONSUMER, ShardId="shardId-000000000000", StartingPosition={"Type": "LATEST"}
    )
    records = [record["Data"] for event in shard["EventStream"] for record in event["SubscribeToShardEvent"]["Records"]]

    events = mark.events()

    assert _hash(records) == PIECES_HASH
    assert mark.assert_unchanged() == 1
    assert_recorded(mark, events, USER)
    assert parameters_of(events, "SubscribeToShard")[0]["consumerARN"] == CONSUMER


def test_streams_keep_their_bytes_for_the_javascript_sdk(streaming: Stage) -> None:
    mark = streaming.mark()

    told = orjson.loads(streaming.run([require_library("node"), str(JS_CLIENT / "calls.mjs"), "streams"], USER))
    events = mark.events()

    assert told == {"lambda": PIECES_HASH, "isComplete": True, "bedrock": PIECES_HASH, "texts": "good day, Grüße"}
    assert mark.assert_unchanged() == 3
    assert [event["eventName"] for event in events] == [
        *("InvokeWithResponseStream", "InvokeModelWithResponseStream", "ConverseStream")
    ]
    assert_recorded(mark, events, USER)


def test_an_event_reaches_the_client_before_the_next_is_sent(streaming: Stage, upstream: StreamingUpstream) -> None:
    upstream.may_go_on.clear()

    model = streaming.boto("bedrock-runtime", USER).invoke_model_with_response_stream(modelId=SLOW_MODEL, body=b"{}")
    stream = iter(model["body"])
    first = next(stream)  # the upstream sends nothing more before it may
    upstream.may_go_on.set()
    rest = list(stream)

    assert first["chunk"]["bytes"] == PIECES[0]
    assert _hash([event["chunk"]["bytes"] for event in [first, *rest]]) == PIECES_HASH


def test_an_error_within_a_stream_reaches_the_client(streaming: Stage) -> None:
    mark = streaming.mark()

    model = streaming.boto("bedrock-runtime", USER).invoke_model_with_response_stream(modelId=FAILING_MODEL, body=b"{}")
    with pytest.raises(EventStreamError, match="The model stopped"):
        list(model["body"])

    assert mark.assert_unchanged() == 1
    assert len(parameters_of(mark.events(), "InvokeModelWithResponseStream")) == 1


def test_rows_selected_from_an_object_reach_both_sdks(stage: Stage) -> None:
    stage.make_user(USER)
    s3 = stage.boto("s3", USER)
    s3.create_bucket(Bucket="selected")
    s3.put_object(Bucket="selected", Key="rows.json", Body=b'{"a": 1}')
    mark = stage.mark()

    answer = s3.select_object_content(
        Bucket="selected",
        Key="rows.json",
        ExpressionType="SQL",
        Expression="SELECT * FROM s3object s",
        InputSerialization={"JSON": {"Type": "DOCUMENT"}},
        OutputSerialization={"JSON": {"RecordDelimiter": "\n"}},
    )
    events_seen: list[dict[str, Any]] = list(answer["Payload"])
    told = orjson.loads(stage.run([require_library("node"), str(JS_CLIENT / "calls.mjs"), "select"], USER))
    events = mark.events()

    rows = b"".join(event["Records"]["Payload"] for event in events_seen if "Records" in event)
    assert orjson.loads(rows) == {"a": 1}
    assert told["rows"].encode() == rows
    assert "End" in events_seen[-1]
    assert mark.assert_unchanged() == 2
    assert [event["eventName"] for event in events] == ["SelectObjectContent"] * 2
    assert_recorded(mark, events, USER)
    assert parameters_of(events, "SelectObjectContent")[0]["key"] == "rows.json"


def test_a_tail_of_logs_reaches_the_client(stage: Stage) -> None:
    logs = stage.boto("logs", inject_host_prefix=False)
    logs.create_log_group(logGroupName="tailed")
    group = "arn:aws:logs:us-east-1:123456789012:log-group:tailed"
    mark = stage.mark()

    stream = logs.start_live_tail(logGroupIdentifiers=[group])["responseStream"]
    seen = [next(iter(event)) for event in stream]

    assert seen[0] == "sessionStart"
    assert mark.assert_unchanged() == 1
    assert parameters_of(mark.events(), "StartLiveTail")[0]["logGroupIdentifiers"] == [group]
