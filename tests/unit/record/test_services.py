"""What single services' events look like where no published record of ours shows it."""

from datetime import UTC, datetime

import pytest

from opentrail.protocol import Operation
from tests.unit.record.calls import (
    ACCOUNT,
    COMPLETED,
    RECEIVED,
    a_builder,
    a_request,
    a_response,
    a_scope,
    a_user,
    recorded,
)

EXPIRES = datetime(2026, 7, 10, 13, 4, 29, tzinfo=UTC)


def test_assume_role_keeps_its_credentials_without_secret_and_token() -> None:
    event = recorded(
        "sts",
        "AssumeRole",
        {"RoleArn": f"arn:aws:iam::{ACCOUNT}:role/ops", "RoleSessionName": "s", "SourceIdentity": "alice"},
        {
            "Credentials": {
                "AccessKeyId": "ASIA1",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": EXPIRES,
            },
            "AssumedRoleUser": {"AssumedRoleId": "AROA1:s", "Arn": "arn:aws:sts::1:assumed-role/ops/s"},
        },
    )

    assert event["responseElements"] == {
        "credentials": {
            "accessKeyId": "ASIA1",
            "sessionToken": "HIDDEN_DUE_TO_SECURITY_REASONS",
            "expiration": "Jul 10, 2026 1:04:29 PM",
        },
        "assumedRoleUser": {"assumedRoleId": "AROA1:s", "arn": "arn:aws:sts::1:assumed-role/ops/s"},
    }
    assert event["readOnly"] is True
    assert event["resources"] == [
        {"accountId": ACCOUNT, "type": "AWS::IAM::Role", "ARN": f"arn:aws:iam::{ACCOUNT}:role/ops"}
    ]


def test_an_object_put_is_a_data_event_with_object_and_bucket() -> None:
    request = a_request(
        "PUT", "/b/a%20key", (("x-amz-storage-class", "STANDARD_IA"),), body=None, body_size_bytes=1_000_000_000
    )
    response = a_response(
        200, (("x-amz-server-side-encryption", "AES256"), ("x-amz-version-id", "v1"), ("x-amz-id-2", "host"))
    )

    event = recorded("s3", "PutObject", {"Bucket": "b", "Key": "a key"}, request=request, response=response)

    assert event["requestParameters"] == {
        "bucketName": "b",
        "Host": "service.example",
        "key": "a key",
        "x-amz-storage-class": "STANDARD_IA",
    }
    assert event["responseElements"] == {"x-amz-server-side-encryption": "AES256", "x-amz-version-id": "v1"}
    assert event["additionalEventData"] == {
        "SignatureVersion": "SigV4",
        "bytesTransferredIn": 1_000_000_000,
        "AuthenticationMethod": "AuthHeader",
        "x-amz-id-2": "host",
        "bytesTransferredOut": 0,
        "SSEApplied": "Default_SSE_S3",
    }
    assert event["resources"] == [
        {"type": "AWS::S3::Object", "ARN": "arn:aws:s3:::b/a key"},
        {"accountId": ACCOUNT, "type": "AWS::S3::Bucket", "ARN": "arn:aws:s3:::b"},
    ]
    assert (event["managementEvent"], event["eventCategory"]) == (False, "Data")
    assert event["userAgent"] == "[aws-cli/2]"


def test_listing_objects_is_one_event_name_for_both_versions_with_a_prefix() -> None:
    request = a_request("GET", "/b?list-type=2&prefix=logs%2F&delimiter=%2F")

    event = recorded("s3", "ListObjectsV2", {"Bucket": "b", "Prefix": "logs/"}, request=request)

    assert event["eventName"] == "ListObjects"
    assert event["requestParameters"]["list-type"] == "2"
    assert event["requestParameters"]["prefix"] == "logs/"
    assert event["resources"][0] == {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::b/logs/"}


@pytest.mark.parametrize("code", ["", "NoSuchBucket"])
def test_a_question_for_a_bucket_can_be_selected_as_one_about_its_objects(code: str) -> None:
    response = a_response(404 if code else 200)

    event = recorded("s3", "HeadBucket", {"Bucket": "b"}, request=a_request("HEAD", "/b"), response=response, code=code)

    assert event.get("errorCode", "") == code
    assert event["eventCategory"] == "Data"
    assert event["resources"][0] == {"type": "AWS::S3::Object", "ARNPrefix": "arn:aws:s3:::b/"}


def test_a_presigned_call_says_how_it_was_authenticated() -> None:
    event = recorded("s3", "GetObject", {"Bucket": "b", "Key": "k"}, scope=a_scope("s3", is_presigned=True))

    assert event["additionalEventData"]["AuthenticationMethod"] == "QueryString"


def test_a_bucket_that_is_not_there_is_no_resource() -> None:
    event = recorded("s3", "GetBucketAcl", {"Bucket": "b"}, response=a_response(404), code="NoSuchBucket")

    assert "resources" not in event


def test_dynamodb_items_are_recorded_by_attribute_name_and_keys_by_value() -> None:
    put = recorded("dynamodb", "PutItem", {"TableName": "t", "Item": {"id": {"S": "1"}, "card": {"S": "4111"}}})
    get = recorded("dynamodb", "GetItem", {"TableName": "t", "Key": {"id": {"S": "1"}, "raw": {"B": b"x"}}})

    assert put["requestParameters"] == {"tableName": "t", "item": ["id", "card"]}
    assert get["requestParameters"]["key"] == {"id": "1", "raw": "HIDDEN_DUE_TO_SECURITY_REASONS"}
    assert put["apiVersion"] == "2012-08-10"
    assert put["resources"] == [
        {
            "accountId": ACCOUNT,
            "type": "AWS::DynamoDB::Table",
            "ARN": f"arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/t",
        }
    ]


def test_batches_name_every_table_they_touch() -> None:
    batch = recorded("dynamodb", "BatchGetItem", {"RequestItems": {"a": {"Keys": []}, "b": {"Keys": []}}})
    writes = [{"Put": {"TableName": "a", "Item": {}}}, {"Delete": {"TableName": "c", "Key": {}}}]
    transaction = recorded("dynamodb", "TransactWriteItems", {"TransactItems": writes})

    assert [resource["ARN"].rsplit("/")[-1] for resource in batch["resources"]] == ["a", "b"]
    assert [resource["ARN"].rsplit("/")[-1] for resource in transaction["resources"]] == ["a", "c"]


def test_kms_records_the_key_that_the_answer_names() -> None:
    key = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/1234"

    event = recorded(
        "kms",
        "Encrypt",
        {"KeyId": "alias/x", "Plaintext": b"secret", "EncryptionContext": {"a": "b"}},
        {"KeyId": key, "CiphertextBlob": b"x"},
    )

    assert event["requestParameters"] == {"keyId": "alias/x", "encryptionContext": {"a": "b"}}
    assert event["responseElements"] is None
    assert event["resources"] == [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key}]


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "kind", "arn"),
    [
        (
            "lambda",
            "Invoke",
            {"FunctionName": "f"},
            "AWS::Lambda::Function",
            f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:f",
        ),
        (
            "sqs",
            "SendMessage",
            {"QueueUrl": "http://localhost:4566/000000000000/q"},
            "AWS::SQS::Queue",
            f"arn:aws:sqs:eu-west-1:{ACCOUNT}:q",
        ),
        ("sns", "Publish", {"TopicArn": "arn:aws:sns:eu-west-1:1:t"}, "AWS::SNS::Topic", "arn:aws:sns:eu-west-1:1:t"),
        (
            "kinesis",
            "PutRecord",
            {"StreamName": "s"},
            "AWS::Kinesis::Stream",
            f"arn:aws:kinesis:eu-west-1:{ACCOUNT}:stream/s",
        ),
    ],
)
def test_data_events_name_their_resource(
    service: str, operation: str, parameters: dict[str, str], kind: str, arn: str
) -> None:
    event = recorded(service, operation, parameters)

    assert [(item["type"], item["ARN"]) for item in event["resources"]] == [(kind, arn)]
    assert event["eventCategory"] == "Data"


def test_messages_are_hidden_and_their_ids_recorded() -> None:
    event = recorded(
        "sns", "Publish", {"TopicArn": "arn:aws:sns:eu-west-1:1:t", "Message": "m", "Subject": "s"}, {"MessageId": "id"}
    )

    assert event["requestParameters"]["message"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert event["requestParameters"]["subject"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert event["responseElements"] == {"messageId": "id"}


def test_ec2_errors_keep_parameters_and_null_response_elements() -> None:
    event = recorded(
        "ec2",
        "TerminateInstances",
        {"InstanceIds": ["i-1", "i-2"]},
        response=a_response(403),
        code="UnauthorizedOperation",
    )

    assert event["requestParameters"] == {"instancesSet": {"items": [{"instanceId": "i-1"}, {"instanceId": "i-2"}]}}
    assert event["responseElements"] is None


def test_newer_ec2_operations_stand_under_their_request_and_response() -> None:
    event = recorded(
        "ec2",
        "CreateFlowLogs",
        {"ResourceIds": ["vpc-1", "vpc-2"], "TrafficType": "ALL"},
        {"FlowLogIds": ["fl-1"], "Unsuccessful": []},
    )

    assert event["requestParameters"] == {
        "CreateFlowLogsRequest": {
            "ResourceId": [{"tag": 1, "content": "vpc-1"}, {"tag": 2, "content": "vpc-2"}],
            "TrafficType": "ALL",
        }
    }
    assert event["responseElements"] == {
        "CreateFlowLogsResponse": {
            "xmlns": "http://ec2.amazonaws.com/doc/2016-11-15/",
            "requestId": "req-1",
            "flowLogIdSet": {"item": "fl-1"},
            "unsuccessful": "",
        }
    }


def test_a_call_read_from_the_wire_is_the_same_as_one_given_its_parameters() -> None:
    operation, scope = Operation("cloudtrail", "CreateTrail"), a_scope()
    request = a_request(
        headers=(("X-Amz-Target", "CloudTrail_20131101.CreateTrail"), ("Content-Type", "application/x-amz-json-1.1")),
        body=b'{"Name":"t","S3BucketName":"b"}',
    )

    read = a_builder().begin(request, operation, scope, a_user(), RECEIVED)
    given = a_builder().begin(
        request, operation, scope, a_user(), RECEIVED, parameters={"Name": "t", "S3BucketName": "b"}
    )

    assert read == given
    finished = a_builder().finish(read, operation, a_response(200, body=b'{"Name":"t","TrailARN":"arn:t"}'), COMPLETED)
    assert finished["responseElements"] == {"name": "t", "trailARN": "arn:t"}
