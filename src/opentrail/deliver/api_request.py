"""The HTTP requests that an API destination takes: an invocation's, and the one that asks for an OAuth token.

In: the API destination, its connection's AuthParameters with their secrets, a target's HttpParameters, the text to
send. Out: method, URL, headers and body. Where target and connection name the same header or query key, the
connection's value counts (EventBridge API reference, HttpParameters).
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from opentrail.deliver.target_input import InvalidInput, text_at
from opentrail.resource.api_destination import ApiDestination, AuthorizationType

MAX_TOKEN_CHARACTERS = 16_384
MAX_TOKEN_SECONDS = 24 * 3600
"""How long a token is used at most, whatever its server says."""

DEFAULT_TOKEN_SECONDS = 300
"""Where the server does not say: few seconds cost little, and a token that is refused is asked for again."""

_DEFAULTS = {
    "User-Agent": "Amazon/EventBridge/ApiDestinations",
    "Content-Type": "application/json; charset=utf-8",
    "Range": "bytes=0-1048575",
    "Accept-Encoding": "gzip,deflate",
    "Connection": "close",
}
_OURS = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that frame or route a message: nobody else sets them."""

_FORM = "application/x-www-form-urlencoded"
_BODILESS = frozenset({"GET", "HEAD"})

Wire = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request, as it is sent."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Token:
    """What an authorization server gave, and for how many seconds it is used."""

    value: str
    seconds: float


def invocation_request(
    destination: ApiDestination, auth: Wire, target: Wire, event: bytes, text: str, token: str = ""
) -> ApiRequest:
    """Return the request that hands ``text`` to an API destination; ``token`` is for the type OAUTH.

    Values of the target's HttpParameters that start with ``$.`` are looked up in ``event``. Raises InvalidInput for a
    path without a value for each ``*``, and for header values that are none.
    """
    own = {
        kind: _looked_up(values, event) for kind, values in target.get("HttpParameters", {}).items() if kind != _PATH
    }
    path_values = [_value(each, event) for each in target.get("HttpParameters", {}).get(_PATH, ())]
    of_connection = auth.get("InvocationHttpParameters", {})
    headers = _joined(_DEFAULTS, own.get("HeaderParameters", {}), _pairs(of_connection, "HeaderParameters"))
    headers = _with_authorization(headers, auth, token)
    query = own.get("QueryStringParameters", {}) | _pairs(of_connection, "QueryStringParameters")
    url = _with_query(_filled(destination.endpoint, path_values), query)
    if destination.method in _BODILESS:
        return ApiRequest(destination.method, url, _checked(headers), b"")
    body = _with_members(text, _pairs(of_connection, "BodyParameters"), headers)
    return ApiRequest(destination.method, url, _checked(headers), body)


def token_request(auth: Wire) -> ApiRequest:
    """Return the request for a token (RFC 6749, section 4.4): a form, or JSON where the connection's header says so."""
    oauth = auth[AuthorizationType.OAUTH.member]
    more = oauth.get("OAuthHttpParameters", {})
    client = oauth["ClientParameters"]
    members = {"grant_type": "client_credentials", "client_id": client["ClientID"]}
    members |= {"client_secret": client["ClientSecret"]} | _pairs(more, "BodyParameters")
    query = _pairs(more, "QueryStringParameters")
    defaults = {"User-Agent": _DEFAULTS["User-Agent"], "Accept": "application/json", "Content-Type": _FORM}
    headers = _checked(_joined(defaults, {}, _pairs(more, "HeaderParameters")))
    url, method = oauth["AuthorizationEndpoint"], oauth["HttpMethod"]
    if method in _BODILESS:
        del headers["Content-Type"]
        return ApiRequest(method, _with_query(url, members | query), headers, b"")
    body = urlencode(members).encode() if _is_form(headers) else orjson.dumps(members)
    return ApiRequest(method, _with_query(url, query), headers, body)


def read_token(body: bytes) -> Token | None:
    """Return the token in an authorization server's answer, None when there is none that can be sent."""
    try:
        answer = orjson.loads(body)
    except ValueError:
        return None
    if not isinstance(answer, dict):
        return None
    value, seconds = answer.get("access_token"), answer.get("expires_in")
    is_usable = isinstance(value, str) and 0 < len(value) <= MAX_TOKEN_CHARACTERS and _is_header_value(value)
    if not is_usable:
        return None
    try:
        lives = float(DEFAULT_TOKEN_SECONDS if seconds is None else seconds)
    except (TypeError, ValueError):
        lives = DEFAULT_TOKEN_SECONDS
    return Token(str(value), min(lives, MAX_TOKEN_SECONDS) if lives > 0 else 0.0)


_PATH = "PathParameterValues"


def _looked_up(values: Wire, event: bytes) -> dict[str, str]:
    return {name: _value(value, event) for name, value in values.items()}


def _value(given: str, event: bytes) -> str:
    return text_at(given, event) if given.startswith("$.") else given


def _pairs(parameters: Wire, kind: str) -> dict[str, str]:
    entries: Sequence[Wire] = parameters.get(kind, ())
    return {entry["Key"]: entry.get("Value", "") for entry in entries if "Key" in entry}


def _joined(*groups: Mapping[str, str]) -> dict[str, str]:
    """Return headers of which later groups win, names compared without case; only the first sets what is ours."""
    spelt: dict[str, tuple[str, str]] = {}
    for number, group in enumerate(groups):
        for name, value in group.items():
            if not number or name.lower() not in _OURS:
                spelt[name.lower()] = name, value
    return dict(spelt.values())


def _with_authorization(headers: dict[str, str], auth: Wire, token: str) -> dict[str, str]:
    if basic := auth.get(AuthorizationType.BASIC.member):
        said = base64.b64encode(f"{basic['Username']}:{basic['Password']}".encode()).decode()
        return _joined(headers, {"Authorization": f"Basic {said}"})
    if api_key := auth.get(AuthorizationType.API_KEY.member):
        return _joined(headers, {api_key["ApiKeyName"]: api_key["ApiKeyValue"]})
    return _joined(headers, {"Authorization": f"Bearer {token}"})


def _checked(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not _is_header_value(value):
            raise InvalidInput(f"the value of the header {name} cannot be sent")
    return headers


def _is_header_value(value: str) -> bool:
    return all(" " <= character <= "~" or character == "\t" for character in value)


def _filled(endpoint: str, values: Sequence[str]) -> str:
    """Return the URL with each ``*`` of its path replaced by a value, which stays one step of the path."""
    url, mark, query = endpoint.partition("?")
    parts = url.split("*")
    if len(parts) - 1 > len(values):
        raise InvalidInput("the target has fewer PathParameterValues than the API destination's path has *")
    used = values[: len(parts) - 1]
    if any(value in ("", ".", "..") for value in used):
        raise InvalidInput("a value of PathParameterValues is empty or leads to another path")
    filled = parts[0] + "".join(quote(value, safe="") + part for value, part in zip(used, parts[1:], strict=True))
    return filled + mark + query


def _with_query(url: str, pairs: Mapping[str, str]) -> str:
    url = url.partition("#")[0]
    if not pairs:
        return url
    return url + ("&" if "?" in url else "?") + urlencode(pairs, quote_via=quote)


def _is_form(headers: Mapping[str, str]) -> bool:
    said = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    return said.partition(";")[0].strip().lower() == _FORM


def _with_members(text: str, members: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
    """Return the body: ``text``, with a connection's members added where it is a form or a JSON object."""
    if not members:
        return text.encode()
    if _is_form(headers):
        return "&".join(filter(None, [text, urlencode(members)])).encode()
    try:
        document = orjson.loads(text)
    except ValueError:
        document = None
    return orjson.dumps({**document, **members}) if isinstance(document, dict) else text.encode()
