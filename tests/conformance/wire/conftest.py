from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config

from opentrail.identity import Credential
from tests.builders import REGION, a_credential, a_root
from tests.support.api import ApiInThread

Connect = Callable[..., Any]

OTHER_ACCOUNT = "222222222222"


@pytest.fixture
def api() -> Iterator[ApiInThread]:
    """A fresh API server, stopped after the test."""
    server = ApiInThread()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def connect(api: ApiInThread) -> Connect:
    """Make boto3 clients of the API server, by default with the owner's key."""

    def client(
        service: str, *, region: str = REGION, credential: Credential | None = None, config: Config | None = None
    ) -> Any:
        credential = credential or a_credential()
        return boto3.client(
            service,
            endpoint_url=api.url,
            region_name=region,
            aws_access_key_id=credential.access_key_id,
            aws_secret_access_key=credential.secret_access_key,
            aws_session_token=credential.session_token or None,
            config=Config(retries={"total_max_attempts": 1}, parameter_validation=False).merge(config or Config()),
        )

    return client


@pytest.fixture
def kms(connect: Connect) -> Any:
    return connect("kms")


@pytest.fixture
def other(api: ApiInThread, connect: Connect) -> Any:
    """The client of another account's Root."""
    credential = a_credential(a_root(OTHER_ACCOUNT), "AKIAOTHER00000000001")
    api.do(api.world.identities.add_credential(credential))
    return connect("kms", credential=credential)
