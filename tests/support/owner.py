"""What the owner of a running server uses: AWS clients, and queues that are read until enough has come."""

from typing import Any

import boto3

from tests.support.server import RunningServer, wait_until

REGION = "us-east-1"


def client(server: RunningServer, service: str, url: str = "", region: str = REGION) -> Any:
    """Return a client with the owner's key, of the gateway unless ``url`` names another endpoint."""
    key = server.owner_key()
    return boto3.client(
        service,
        endpoint_url=url or server.ready["gateway_url"],
        region_name=region,
        aws_access_key_id=key["access_key_id"],
        aws_secret_access_key=key["secret_access_key"],
    )


def a_queue(sqs: Any, name: str) -> tuple[str, str]:
    """Make a queue; return its URL and its ARN."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]


def received(sqs: Any, url: str, number: int) -> list[dict[str, Any]]:
    """Return the messages of a queue with different texts, in no order, once there are ``number``."""
    found: dict[str, dict[str, Any]] = {}

    def is_there() -> bool:
        answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        for message in answer.get("Messages", ()):
            found[message["Body"]] = message
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return len(found) >= number

    wait_until(is_there, f"{number} messages")
    return list(found.values())
