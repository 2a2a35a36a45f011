"""Reads objects and listings of an S3 endpoint at a fraction of boto3's cost: signed GETs on kept connections.

Whatever is not plain success, or not plainly a missing key, is left to boto3, which asks again with all its patience:
retries, redirects to another Region, proxies, its own chain of credentials. So nothing here decides that anything is
refused or unavailable.
"""

import asyncio
import ssl
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import cast
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies
from xml.etree import ElementTree

import httptools

from opentrail.http_message import HttpRequest
from opentrail.ports.object_store import ObjectNotFound, ObjectSummary, StoredObject
from opentrail.protocol.sigv4 import sign
from opentrail.resource.bucket_name import is_bucket_name

MAX_CONNECTIONS = 64
"""Connections to one endpoint, in use or kept."""

MAX_BODY_BYTES = 64 * 1024 * 1024
"""Longer answers are boto3's: a log file has at most 50 MB before it is compressed."""

MAX_HEADER_BYTES = 64 * 1024
CONNECT_SECONDS = 5
ANSWER_SECONDS = 30

_OK, _NOT_FOUND, _SERVER_FAULT = 200, 404, 500
_NO_SUCH_KEY = b"<Code>NoSuchKey</Code>"
_PATH_SAFE = "/-_.~"
_METADATA = "x-amz-meta-"


@dataclass(frozen=True)
class S3Endpoint:
    """Where an S3 service is and who we are there. ``url`` "" is AWS itself, empty credentials boto3's own chain.

    ``addressing`` says where the bucket's name stands: in the ``path``, in the host (``virtual``), or ``auto``: in the
    path where the host's name cannot hold it. ``ca_bundle`` is a PEM file of the CAs trusted, "" the system's.
    """

    url: str = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = ""
    session_token: str = ""
    addressing: str = "auto"
    ca_bundle: str = ""


def needs_path_style(url: str) -> bool:
    """Say whether buckets of this endpoint stand in the path because its host can have no names below it."""
    host = urlsplit(url).hostname or ""
    try:
        ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(".localhost"))
    return True


def is_path_style(endpoint: S3Endpoint) -> bool:
    """Say whether the endpoint's buckets stand in the path."""
    return endpoint.addressing == "path" or (endpoint.addressing == "auto" and needs_path_style(endpoint.url))


@dataclass
class _Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_kept: bool = False


class S3Reader:
    """One endpoint, read. Every method returns None where boto3 must be asked. Belongs to one event loop at a time."""

    def __init__(self, endpoint: S3Endpoint) -> None:
        self._endpoint = endpoint
        self._url = urlsplit(endpoint.url)
        self._is_path_style = is_path_style(endpoint)
        self._slots = asyncio.Semaphore(MAX_CONNECTIONS)
        self._idle: dict[str, list[_Connection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_usable = bool(endpoint.url and endpoint.access_key_id) and self._url.scheme not in getproxies()

    async def get(self, bucket: str, key: str) -> StoredObject | None:
        """Return the whole object. Raises ObjectNotFound when the server says NoSuchKey."""
        answer = await self._ask(bucket, "/" + quote(key, safe=_PATH_SAFE), "")
        if answer is None:
            return None
        if answer.status == _NOT_FOUND and _NO_SUCH_KEY in answer.body:
            raise ObjectNotFound(key)
        if not self._is_plain(answer):
            return None
        headers = answer.headers
        try:
            modified_at = parsedate_to_datetime(headers["last-modified"])
            summary = ObjectSummary(key, len(answer.body), modified_at, headers["etag"])
        except (KeyError, ValueError):
            return None
        return StoredObject(
            summary,
            answer.body,
            headers.get("content-type", ""),
            headers.get("content-encoding", ""),
            {name[len(_METADATA) :]: value for name, value in headers.items() if name.startswith(_METADATA)},
        )

    async def list_page(
        self, bucket: str, prefix: str, start_after: str, token: str
    ) -> tuple[list[ObjectSummary], str] | None:
        """Return one page of ListObjectsV2 and the token of the next, "" on the last."""
        query = {"list-type": "2", "prefix": prefix}
        query |= {"start-after": start_after} if start_after else {}
        query |= {"continuation-token": token} if token else {}
        answer = await self._ask(bucket, "" if self._is_path_style else "/", urlencode(query, quote_via=quote, safe=""))
        if answer is None or not self._is_plain(answer):
            return None
        try:
            return _read_page(answer.body)
        except (ElementTree.ParseError, ValueError, KeyError):
            return None

    def _is_plain(self, answer: _Answer) -> bool:
        if answer.status not in (_OK, _NOT_FOUND) and answer.status < _SERVER_FAULT:
            self._is_usable = False  # it would be the same for every object
        return answer.status == _OK

    async def _ask(self, bucket: str, path: str, query: str) -> _Answer | None:
        """Return the answer to one GET, None when there was none that can be used."""
        is_below_host = is_bucket_name(bucket) and "." not in bucket
        if not self._is_usable or not (self._is_path_style or is_below_host):
            return None
        async with self._slots:
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    connection = await self._connected(bucket)
                    answer = await connection.ask(self._request(bucket, path, query))
            except (OSError, TimeoutError, ssl.SSLError, httptools.HttpParserError, ValueError):
                return None
            if answer.is_kept:
                self._idle.setdefault(self._host(bucket), []).append(connection)
            else:
                connection.close()
            return answer

    async def _connected(self, bucket: str) -> "_Connection":
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop, self._idle = loop, {}
        idle = self._idle.get(self._host(bucket), [])
        while idle:
            connection = idle.pop()
            if connection.is_open:
                return connection
        host = self._host(bucket).rpartition(":")[0] if self._url.port else self._host(bucket)
        is_tls = self._url.scheme == "https"
        async with asyncio.timeout(CONNECT_SECONDS):
            _, opened = await loop.create_connection(
                _Connection,
                host.strip("[]"),
                self._url.port or (443 if is_tls else 80),
                ssl=self._context() if is_tls else None,
            )
        return opened

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._endpoint.ca_bundle or None)
        return self._tls

    def _host(self, bucket: str) -> str:
        return self._url.netloc if self._is_path_style else f"{bucket}.{self._url.netloc}"

    def _request(self, bucket: str, path: str, query: str) -> bytes:
        endpoint = self._endpoint
        prefix = self._url.path.rstrip("/") + (f"/{bucket}" if self._is_path_style else "")
        target = prefix + path + (f"?{query}" if query else "")
        request = HttpRequest("GET", target, (("Host", self._host(bucket)),), b"", "")
        signed = sign(
            request,
            access_key_id=endpoint.access_key_id,
            secret_access_key=endpoint.secret_access_key,
            region=endpoint.region,
            signing_name="s3",
            now=datetime.now(UTC),
            session_token=endpoint.session_token,
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in signed.header_list)
        return f"GET {target} HTTP/1.1\r\n{lines}\r\n".encode()

    def close(self) -> None:
        """Close what is kept open."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()


class _Connection(asyncio.Protocol):
    """One connection and the answer under way on it; also the parser's callbacks."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answered: asyncio.Future[_Answer] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = _Answer()
        self._parts: list[bytes] = []
        self._body_bytes = self._header_bytes = 0
        self.is_open = False

    async def ask(self, request: bytes) -> _Answer:
        """Send a request and return its whole answer. Raises OSError and the parser's errors."""
        assert self._transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._answer, self._parts, self._body_bytes, self._header_bytes = _Answer(), [], 0, 0
        self._parser = httptools.HttpResponseParser(self)
        self._transport.write(request)
        try:
            return await self._answered
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # Not asserted: uvloop's transports are none of asyncio's classes.
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._fail(exc or ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > MAX_HEADER_BYTES:
            self._fail(ValueError("the answer's headers are too long"))
            return
        self._answer.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > MAX_BODY_BYTES:
            self._fail(ValueError("the answer is too long"))
            return
        self._parts.append(body)

    def on_message_complete(self) -> None:
        answer = self._answer
        answer.status = self._parser.get_status_code()
        answer.body = b"".join(self._parts)
        answer.is_kept = self._parser.should_keep_alive()
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(answer)

    def _fail(self, error: Exception) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(error)
        self.close()


def _read_page(body: bytes) -> tuple[list[ObjectSummary], str]:
    found: list[ObjectSummary] = []
    token, is_truncated = "", False
    root = ElementTree.fromstring(body)  # noqa: S314 - expat bounds what entities grow to
    if root.tag.rpartition("}")[2] != "ListBucketResult":
        raise ValueError("the answer is no listing")
    for element in root:
        match element.tag.rpartition("}")[2]:
            case "Contents":
                members = {member.tag.rpartition("}")[2]: member.text or "" for member in element}
                modified_at = datetime.fromisoformat(members["LastModified"])
                found.append(ObjectSummary(members["Key"], int(members["Size"]), modified_at, members["ETag"]))
            case "NextContinuationToken":
                token = element.text or ""
            case "IsTruncated":
                is_truncated = element.text == "true"
            case "EncodingType":
                raise ValueError("keys are encoded")
    return found, token if is_truncated else ""
