"""Calls of KMS that its tests share."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


def refusal(call: Callable[..., Any], **parameters: Any) -> tuple[str, str]:
    """Return code and message of a call that is refused."""
    with pytest.raises(ClientError) as raised:
        call(**parameters)
    return raised.value.response["Error"]["Code"], raised.value.response["Error"]["Message"]


def new_key(client: Any, **parameters: Any) -> str:
    return str(client.create_key(**parameters)["KeyMetadata"]["Arn"])
