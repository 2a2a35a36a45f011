"""Callers who sign by other schemes than SigV4: verified too when we know their key."""

from datetime import datetime

import pytest

from opentrail.capture.callers import CallerResolver
from opentrail.clock import SystemClock
from opentrail.http_message import HttpRequest
from opentrail.identity import Credential, Principal, PrincipalType
from opentrail.protocol.scope import read_scope
from tests.memory.identity_store import InMemoryIdentityStore
from tests.unit.protocol import test_sigv2, test_sigv4a
from tests.unit.protocol.botocore_requests import ACCESS_KEY_ID, SECRET

ANN = Principal(PrincipalType.IAM_USER, "AIDAANN", "arn:aws:iam::123456789012:user/ann", "123456789012", "ann")


class ClockOf2015:
    def now(self) -> datetime:
        return test_sigv4a.NOW


async def resolved(
    request: HttpRequest, key: str, secret: str, *, is_old: bool = False
) -> tuple[Principal | None, bool]:
    store = InMemoryIdentityStore()
    await store.add_credential(Credential(key, secret, ANN, is_imported=True))
    resolver = CallerResolver(store, ClockOf2015() if is_old else SystemClock(), learns=False)
    caller = await resolver.resolve(request, read_scope(request))
    return caller.principal, caller.is_verified


@pytest.mark.parametrize("auth", ["s3", "s3-query"])
async def test_a_call_with_the_old_signature_of_a_key_we_know_is_verified(auth: str) -> None:
    request = test_sigv2.a_request(auth=auth)

    assert await resolved(request, ACCESS_KEY_ID, SECRET) == (ANN, True)
    assert await resolved(request, ACCESS_KEY_ID, "other") == (ANN, False)


async def test_a_call_with_an_asymmetric_signature_of_a_key_we_know_is_verified() -> None:
    request = test_sigv4a.a_request()

    assert await resolved(request, test_sigv4a.KEY, test_sigv4a.SECRET, is_old=True) == (ANN, True)
    assert await resolved(request, test_sigv4a.KEY, "other", is_old=True) == (ANN, False)
