"""PutAuditEvents over HTTP: signed, tried again, with no more than one connection at a time."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from opentrail.adapters.cloudtrail_api.client import Credentials, environment_credentials
from opentrail.arn import Arn
from opentrail.http_message import HttpRequest
from opentrail.protocol.sigv4 import sign

ANSWER_SECONDS = 30
MAX_ANSWER_BYTES = 4 * 1024 * 1024
RETRY_SECONDS = (0.2, 1.0, 5.0, 15.0)
"""How long apart a call is tried again that had no answer, or one that says to try later."""

_TRY_LATER = frozenset({429, 500, 502, 503, 504})


class CallRefused(Exception):
    """The call was refused as a whole; ``code`` is the service's own."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class NoAnswer(Exception):
    """The service did not answer, however often it was asked."""


@dataclass(frozen=True)
class Channel:
    """One channel and how to reach it. Endpoint and credentials are the environment's unless they are given:
    AWS_ENDPOINT_URL (without it Amazon's own), AWS_ACCESS_KEY_ID and its fellows, AWS_PROFILE."""

    arn: str
    endpoint_url: str = ""
    credentials: Credentials | None = None
    external_id: str = ""
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)

    def __post_init__(self) -> None:
        parsed = Arn.parse(self.arn)
        if not parsed.resource.startswith("channel/"):
            raise ValueError(f"{self.arn} is not the ARN of a channel")

    @property
    def account_id(self) -> str:
        return Arn.parse(self.arn).account_id

    @property
    def region(self) -> str:
        return Arn.parse(self.arn).region

    def put(self, entries: Sequence[Mapping[str, str]]) -> Mapping[str, Any]:
        """Put up to 100 entries (``id``, ``eventData``); return what was ``successful`` and what ``failed``.

        Raises CallRefused and NoAnswer. Entries of a call that had no answer may be there twice after the next one:
        their UID tells.
        """
        body = orjson.dumps({"auditEvents": list(entries)})
        for seconds in (*RETRY_SECONDS, None):
            try:
                with urllib.request.urlopen(self._request(body), timeout=ANSWER_SECONDS) as answer:  # noqa: S310
                    read: Mapping[str, Any] = orjson.loads(answer.read(MAX_ANSWER_BYTES))
                    return read
            except urllib.error.HTTPError as error:
                if error.code not in _TRY_LATER or seconds is None:
                    raise _refusal(error) from error
            except (OSError, ValueError) as error:
                if seconds is None:
                    raise NoAnswer(f"{self._url()} did not answer: {error}") from error
            self.sleep(seconds)
        raise AssertionError

    def _url(self) -> str:
        given = self.endpoint_url or os.environ.get("AWS_ENDPOINT_URL", "")
        return given or f"https://cloudtrail-data.{self.region}.amazonaws.com"

    def _request(self, body: bytes) -> urllib.request.Request:
        url = urlsplit(self._url())
        if url.scheme not in {"http", "https"}:
            raise CallRefused("InvalidEndpoint", f"{self._url()} is no http or https address")
        found = self.credentials or environment_credentials()
        if found is None:
            raise CallRefused("NoCredentials", "set AWS_ACCESS_KEY_ID and its secret, or AWS_PROFILE")
        target = f"{url.path.rstrip('/')}/PutAuditEvents?channelArn={quote(self.arn, safe='')}"
        if self.external_id:
            target += f"&externalId={quote(self.external_id, safe='')}"
        signed = sign(
            HttpRequest("POST", target, (("Host", url.netloc), ("Content-Type", "application/json")), body, ""),
            access_key_id=found.access_key_id,
            secret_access_key=found.secret_access_key,
            region=self.region,
            signing_name="cloudtrail-data",
            now=datetime.now(UTC),
            session_token=found.session_token,
        )
        where = f"{url.scheme}://{url.netloc}{target}"
        return urllib.request.Request(where, body, dict(signed.header_list))  # noqa: S310 - checked above


def _refusal(error: urllib.error.HTTPError) -> CallRefused:
    try:
        said = orjson.loads(error.read(MAX_ANSWER_BYTES))
    except (ValueError, OSError):
        said = {}
    code = error.headers.get("x-amzn-ErrorType") or said.get("__type") or str(error.code)
    return CallRefused(str(code).rpartition("#")[2].partition(":")[0], str(said.get("message") or "no reason given"))
