"""The AWS SDK for JavaScript v3 on Node.js, unmodified."""

import hashlib
from typing import Any

import orjson
import pytest

from tests.e2e.clients.stage import (
    Stage,
    assert_recorded,
    identities,
    parameters_of,
    user_identity,
)
from tests.support.clients import JS_CLIENT, require_library

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

USER = "js-user"


@pytest.fixture(scope="module", autouse=True)
def _user(stage: Stage) -> None:
    stage.make_user(USER, "AWSCloudTrail_FullAccess")


def node(stage: Stage, scenario: str) -> Any:
    return orjson.loads(stage.run([require_library("node"), str(JS_CLIENT / "calls.mjs"), scenario], USER))


def test_objects_keep_their_bytes_whichever_way_they_are_sent(stage: Stage) -> None:
    mark = stage.mark()

    told = node(stage, "objects")
    events = mark.events()

    assert told["hashes"] == told["sent"]
    assert told["range"] == ["bytes 100-199/13631491", True]
    assert told["headLength"] == 3 * 1024 * 1024 + 5
    assert told["notModified"].startswith("304 ")
    assert told["missing"] == "404 NoSuchKey"
    assert told["listed"] == ["held/é ü+&.bin", "large", "streamed"]
    stored = stage.upstream("s3").get_object(Bucket="js-objects", Key="held/é ü+&.bin")["Body"].read()
    assert hashlib.sha256(stored).hexdigest() == told["sent"]["held/é ü+&.bin"]
    assert mark.assert_unchanged() == len(mark.sent())
    assert_recorded(mark, events, USER)
    assert [put["key"] for put in parameters_of(events, "PutObject")] == ["held/é ü+&.bin", "streamed"]
    assert sorted(part["partNumber"] for part in parameters_of(events, "UploadPart")) == ["1", "2", "3"]
    failed = {event["errorCode"]: event["eventName"] for event in events if "errorCode" in event}
    assert failed == {"NotModified": "GetObject", "NoSuchKey": "GetObject"}


def test_a_stream_goes_up_in_signed_off_chunks_with_its_checksum_as_a_trailer(stage: Stage) -> None:
    mark = stage.mark()

    node(stage, "trailer")

    [(request, response)] = [sent for sent in mark.sent() if sent[0].header("x-amz-trailer")]
    assert request.header("content-encoding") == "aws-chunked"
    assert request.header("x-amz-content-sha256") == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert request.header("expect") == "100-continue"
    assert request.is_chunked
    assert b"\r\nx-amz-checksum-sha256:" in request.body
    assert response.status == 200
    assert mark.assert_unchanged() == 2


def test_presigned_urls_put_and_get_and_are_on_record_as_their_signers(stage: Stage) -> None:
    mark = stage.mark()

    told = node(stage, "presigned")
    events = mark.events()

    assert told == {"statuses": [200, 200], "isSame": True}
    assert [event["eventName"] for event in events] == ["CreateBucket", "PutObject", "GetObject"]
    assert identities(events) == {user_identity(USER)}
    assert mark.assert_unchanged() == 3
    for event in events[1:]:
        assert event["requestParameters"]["key"] == "note"
        assert event["additionalEventData"]["AuthenticationMethod"] == "QueryString"


def test_a_session_over_every_protocol_is_on_record_with_its_parameters(stage: Stage) -> None:
    mark = stage.mark()

    told = node(stage, "session")
    events = mark.events()

    assert told == {
        "item": {"id": {"S": "1"}, "n": {"N": "7"}},
        "arn": user_identity(USER)[1],
        "trails": ["everything"],
    }
    assert [event["eventName"] for event in events] == [
        *("CreateUser", "CreateTable", "PutItem", "GetItem", "CreateQueue", "SendMessage", "CreateLogGroup"),
        *("CreateSecret", "ListMetrics", "GetCallerIdentity", "DescribeTrails"),
    ]
    assert_recorded(mark, events, USER)
    assert mark.assert_unchanged() == len(events) - 2
    assert parameters_of(events, "CreateUser") == [{"userName": "js-made"}]
    assert parameters_of(events, "GetItem")[0]["tableName"] == "js-table"
    assert parameters_of(events, "CreateQueue")[0]["queueName"] == "js-queue"
    assert parameters_of(events, "CreateLogGroup")[0]["logGroupName"] == "/js"
    assert "hush-hush" not in str(events)
    assert node(stage, "lookup") == {"names": [f"CreateTable {USER}"]}
