"""The requests that API destinations and authorization servers get: URL, headers, body, and what cannot be sent."""

import json
from typing import Any

import pytest

from opentrail.deliver.api_request import MAX_TOKEN_SECONDS, ApiRequest, invocation_request, read_token, token_request
from opentrail.deliver.target_input import InvalidInput
from opentrail.resource.api_destination import ApiDestination
from tests.builders import ACCOUNT, NOON, REGION

BASIC = {"BasicAuthParameters": {"Username": "u", "Password": "p:w"}}
KEY = {"ApiKeyAuthParameters": {"ApiKeyName": "X-Key", "ApiKeyValue": "k"}}
OAUTH: dict[str, Any] = {
    "OAuthParameters": {
        "ClientParameters": {"ClientID": "id", "ClientSecret": "s&s"},
        "AuthorizationEndpoint": "https://login.example/token",
        "HttpMethod": "POST",
    }
}
EVENT = b'{"id":"e","detail":{"name":"a/b c","n":3,"up":".."}}'


def a_request(
    endpoint: str = "https://example.com/in", method: str = "POST", auth: Any = BASIC, **given: Any
) -> ApiRequest:
    destination = ApiDestination("arn", "d", ACCOUNT, REGION, "c", endpoint, method, NOON, NOON)
    text, token = given.pop("text", '{"a":1}'), given.pop("token", "")
    invocation = given.pop("invocation", {})
    auth = auth | ({"InvocationHttpParameters": invocation} if invocation else {})
    return invocation_request(destination, auth, {"HttpParameters": given} if given else {}, EVENT, text, token)


def pairs(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def test_the_usual_headers_go_along_with_the_credentials() -> None:
    asked = a_request()

    assert (asked.method, asked.url, asked.body) == ("POST", "https://example.com/in", b'{"a":1}')
    assert asked.headers == {
        "User-Agent": "Amazon/EventBridge/ApiDestinations",
        "Content-Type": "application/json; charset=utf-8",
        "Range": "bytes=0-1048575",
        "Accept-Encoding": "gzip,deflate",
        "Connection": "close",
        "Authorization": "Basic dTpwOnc=",
    }
    assert a_request(auth=KEY).headers["X-Key"] == "k"
    assert a_request(auth=OAUTH, token="t").headers["Authorization"] == "Bearer t"


def test_stars_of_the_path_are_filled_with_single_steps_of_a_path() -> None:
    asked = a_request("https://example.com/*/x/*?q=*", PathParameterValues=["$.detail.name", "ä?#", "unused"])

    assert asked.url == "https://example.com/a%2Fb%20c/x/%C3%A4%3F%23?q=*"


@pytest.mark.parametrize("values", [[], ["$.detail.none"], [".."], ["$.detail.up"], ["."]])
def test_a_path_that_a_value_is_missing_for_or_leads_out_of_is_not_called(values: list[str]) -> None:
    with pytest.raises(InvalidInput):
        a_request("https://example.com/*", PathParameterValues=values)


def test_a_connections_values_win_over_a_targets() -> None:
    asked = a_request(
        "https://example.com/?a=1",
        HeaderParameters={"X-One": "t", "x-two": "$.detail.n", "Host": "evil", "Content-Length": "9"},
        QueryStringParameters={"q": "t", "r": "$.detail.n"},
        invocation={
            "HeaderParameters": pairs(**{"x-one": "c", "authorization": "forged"}),
            "QueryStringParameters": pairs(q="c&d"),
            "BodyParameters": pairs(a="c", b="d"),
        },
    )

    assert asked.url == "https://example.com/?a=1&q=c%26d&r=3"
    assert (asked.headers["x-one"], asked.headers["x-two"]) == ("c", "3")
    assert [value for name, value in asked.headers.items() if name.lower() == "authorization"] == ["Basic dTpwOnc="]
    assert not {"Host", "Content-Length"} & asked.headers.keys()
    assert json.loads(asked.body) == {"a": "c", "b": "d"}


def test_a_body_that_is_no_object_stays_as_it_is_and_a_form_gets_more_fields() -> None:
    members = {"BodyParameters": pairs(b="c d")}
    form: dict[str, Any] = {"HeaderParameters": {"Content-Type": "application/x-www-form-urlencoded"}}

    assert a_request(text='"a text"', invocation=members).body == b'"a text"'
    assert a_request(text="a=1", invocation=members, **form).body == b"a=1&b=c+d"
    assert a_request(method="GET").body == b""


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ä", "\0"])
def test_a_value_that_is_none_for_a_header_is_not_sent(value: str) -> None:
    with pytest.raises(InvalidInput, match="X-One"):
        a_request(HeaderParameters={"X-One": value})


def test_a_token_is_asked_for_with_a_form_or_as_the_connection_says() -> None:
    asked = token_request(OAUTH)
    assert (asked.method, asked.url) == ("POST", "https://login.example/token")
    assert asked.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked.body == b"grant_type=client_credentials&client_id=id&client_secret=s%26s"

    more = {
        "HeaderParameters": pairs(**{"content-type": "application/json"}),
        "BodyParameters": pairs(grant_type="other", scope="all"),
        "QueryStringParameters": pairs(tenant="t"),
    }
    asked = token_request({"OAuthParameters": OAUTH["OAuthParameters"] | {"OAuthHttpParameters": more}})
    assert asked.url == "https://login.example/token?tenant=t"
    assert json.loads(asked.body)["grant_type"] == "other"

    asked = token_request({"OAuthParameters": OAUTH["OAuthParameters"] | {"HttpMethod": "GET"}})
    assert (asked.body, "client_secret=s%26s" in asked.url) == (b"", True)


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (b'{"access_token":"t","expires_in":60}', 60),
        (b'{"access_token":"t","expires_in":"60"}', 60),
        (b'{"access_token":"t"}', 300),
        (b'{"access_token":"t","expires_in":[]}', 300),
        (b'{"access_token":"t","expires_in":1e99}', MAX_TOKEN_SECONDS),
        (b'{"access_token":"t","expires_in":-5}', 0),
    ],
)
def test_a_token_is_used_as_long_as_its_server_says_within_a_bound(body: bytes, seconds: float) -> None:
    token = read_token(body)

    assert token is not None
    assert (token.value, token.seconds) == ("t", seconds)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"access_token":""}', b'{"access_token":7}', b'{"access_token":"a\\nb"}']
)
def test_an_answer_without_a_token_is_none(body: bytes) -> None:
    assert read_token(body) is None
