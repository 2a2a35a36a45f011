"""Whatever comes in, the server answers in some service's form and changes nothing."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from opentrail.http_message import HttpRequest
from opentrail.ports.journal import EventEntry
from tests.builders import ACCOUNT, World, a_credential
from tests.support.api import TARGET, api_server, signed

NAMES = st.sampled_from(
    ["X-Amz-Target", "Content-Type", "Authorization", "X-Amz-Date", "X-Amz-Security-Token", "Range", "Host", "If-Match"]
)
VALUES = st.one_of(
    st.sampled_from(
        [
            f"{TARGET}.CreateTrail",
            f"{TARGET}.LookupEvents",
            f"{TARGET}.ListTags",
            "application/x-amz-json-1.1",
            "application/x-www-form-urlencoded",
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261120/us-east-1/s3/aws4_request, "
            "SignedHeaders=host, Signature=00",
        ]
    ),
    st.text(st.characters(max_codepoint=255), max_size=30),
)
BODIES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b'{"Name":"main","S3BucketName":{}}',
            b'{"ResourceIdList":["arn:aws:cloudtrail:::"]}',
            b'{"LookupAttributes":[{"AttributeKey":1,"AttributeValue":[]}]}',
            b'{"LookupAttributes":{}}',
            b'{"MaxResults":"x","StartTime":1e300}',
            b"Action=AssumeRole&RoleArn=&Version=2011-06-15",
        ]
    ),
)
REQUESTS = st.builds(
    lambda method, target, headers, body: HttpRequest(
        method, "/" + target, tuple(headers), body, "192.0.2.1", len(body)
    ),
    st.sampled_from(["GET", "POST", "PUT", "HEAD", "DELETE", "BREW"]),
    st.one_of(
        st.sampled_from(["", "logs", "logs/key", "logs?list-type=2&max-keys=x", "?Action=GetCallerIdentity"]),
        st.text(st.characters(max_codepoint=255), max_size=30),
    ),
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    BODIES,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS, signing_name=st.sampled_from(["", "cloudtrail", "sts", "s3", "logs", "monitoring"]))
async def test_any_request_is_answered_recorded_and_harmless(request: HttpRequest, signing_name: str) -> None:
    world = World()
    await world.identities.add_credential(a_credential())
    server = api_server(world)
    if signing_name:
        request = HttpRequest(
            request.method,
            request.target,
            (("Host", "localhost"), *(item for item in request.header_list if item[0] != "Host")),
            request.body,
            request.peer,
            request.body_size_bytes,
        )
        request = signed(request, signing_name, world)

    response = await server.handle(request)

    entries = world.journal.entries()
    assert 200 <= response.status < 500 or response.status == 501
    assert [type(entry) for entry in entries if isinstance(entry, EventEntry)] == [EventEntry]
    assert await world.trails.trails(ACCOUNT) == []
