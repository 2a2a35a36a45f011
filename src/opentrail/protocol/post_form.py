"""S3's upload by an HTML form (POST Object): who signed its policy, and which object it writes.

Everything that other calls say in headers stands in the form's fields, before the file. Only that beginning is read;
what comes after the file's own header is never looked at. Nothing is verified but by ``verify_form``.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import orjson

from opentrail.http_message import HttpRequest
from opentrail.protocol import CredentialScope, Operation
from opentrail.protocol.paths import object_path, object_segments
from opentrail.protocol.scope import SIGV2, SIGV4, form_scope
from opentrail.protocol.sigv4 import IncompleteSignature, SignatureExpired, SignatureMismatch, signing_key

FORM_LIMIT_BYTES = 32 * 1024
"""How much of a form is read for its fields; S3 allows 20,000 bytes before the file."""

WRITES_LIKE = Operation("s3", "PutObject")
"""The operation of S3's model that does the same."""

_FORM_TYPE = "multipart/form-data"
_BOUNDARY = re.compile(r'multipart/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]{1,200})"|([^\s;,"]{1,200}))', re.I)
_BOUNDARIES = re.compile(r"boundary[\s*0-9]*=", re.I)
_CONTENT_TYPE_LIMIT = 1000
_END_OF_DELIMITER = re.compile(rb"[ \t]*\r\n")
_HEADER = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\r\n]*)")
_DISPOSITION = re.compile(
    rb'form-data((?:[ \t]*;[ \t]*[a-z]+\*?=(?:"(?:[^"\\]|\\.)*"|[^\s;"\\]+))*)[ \t]*;?[ \t]*', re.I
)
_PARAMETER = re.compile(rb';[ \t]*([a-z]+\*?)=(?:"((?:[^"\\]|\\.)*)"|([^\s;"\\]+))', re.I)
_PLAIN_ENCODINGS = frozenset({b"", b"7bit", b"8bit", b"binary"})
_FILE = "file"
_SAYS_WHO_AND_WHAT = frozenset(
    {
        *("key", "bucket", "policy", "awsaccesskeyid", "signature", "x-amz-algorithm", "x-amz-credential"),
        *("x-amz-date", "x-amz-signature", "x-amz-security-token"),
    }
)
_SECRET = frozenset({"x-amz-signature", "x-amz-credential", "x-amz-algorithm", "x-amz-date", "x-amz-security-token"})
_AS_HEADER = {"acl": "x-amz-acl"}


class FormCall(NamedTuple):
    """A form as the call that it makes: ``request`` names bucket and key in its target, has the fields that PutObject
    has as headers, and in ``form`` all of them by lower-case name. ``contradiction`` is a sentence about what the form
    says twice, else empty."""

    request: HttpRequest
    scope: CredentialScope | None
    contradiction: str


def may_be_form(request: HttpRequest) -> bool:
    """Say whether a request that names no operation could be a form that posts an object to a bucket. Query strings
    and signatures in headers are no reason against it: servers of S3 read the form all the same."""
    is_form_type = request.headers.get("content-type").lstrip()[: len(_FORM_TYPE)].lower() == _FORM_TYPE
    return is_form_type and request.method == "POST" and len(object_segments(object_path(request))) == 1


def read_form(request: HttpRequest, beginning: bytes) -> FormCall | None:
    """Return the call that a form makes, None when it is whole and has no key, so that it is none of S3's. One that
    servers could read in more than one way, or whose fields are not all there, is a contradiction. Never raises."""
    try:
        parts = _fields(beginning[:FORM_LIMIT_BYTES], b"--" + _boundary(request).encode("latin-1"))
    except _AmbiguousForm as error:
        return FormCall(request, None, str(error))
    fields: dict[str, str] = {}
    twice = ""
    for name, value in parts:
        if name in fields and name in _SAYS_WHO_AND_WHAT:
            twice = f"The form has the field {name} twice."
        fields.setdefault(name, value)
    if not fields.get("key"):
        return None
    filename = re.split(r"[/\\]", fields.pop(_FILE, ""))[-1]
    return FormCall(_as_call(request, fields, filename), form_scope(fields), twice)


def verify_form(request: HttpRequest, scope: CredentialScope, secret_access_key: str, now: datetime) -> None:
    """Return when the form's policy was signed with ``secret_access_key``, has not expired, and allows this form's
    fields, bucket and key. The comparison takes constant time. Raises SignatureError, whatever it is given."""
    fields = request.form or {}
    policy = fields.get("policy", "").encode("utf-8", "replace")
    if scope.scheme == SIGV4:
        made, given = _version_4(scope, fields, secret_access_key, policy), fields.get("x-amz-signature", "")
    elif scope.scheme == SIGV2:
        digest = hmac.digest(secret_access_key.encode("utf-8", "replace"), policy, "sha1")
        made, given = base64.b64encode(digest), fields.get("signature", "")
    else:
        raise IncompleteSignature(f"Unsupported signing algorithm: {scope.scheme}")
    if not hmac.compare_digest(made, given[:128].encode("utf-8", "replace")):
        raise SignatureMismatch
    _check_policy(_document(policy), request, now)


def _version_4(scope: CredentialScope, fields: Mapping[str, str], secret: str, policy: bytes) -> bytes:
    date = fields.get("x-amz-credential", "").split("/")[1]
    if scope.signed_at is None or scope.signed_at.strftime("%Y%m%d") != date:
        raise IncompleteSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date.")
    key = signing_key(secret, date, scope.region, scope.signing_name)
    return hmac.digest(key, policy, "sha256").hex().encode("ascii")


class _AmbiguousForm(Exception):
    """The form is not well-formed, so that servers may read other fields than are read here."""


def _boundary(request: HttpRequest) -> str:
    given = request.headers.get("content-type").lstrip()
    match = _BOUNDARY.match(given[:_CONTENT_TYPE_LIMIT])
    if match is None or len(given) > _CONTENT_TYPE_LIMIT or len(_BOUNDARIES.findall(given)) != 1:
        raise _AmbiguousForm("The form's Content-Type does not name one boundary.")
    return match[1] or match[2]


def _fields(data: bytes, delimiter: bytes) -> list[tuple[str, str]]:
    """Return the fields up to the file, whose value is its name."""
    found: list[tuple[str, str]] = []
    at = data.find(delimiter)
    if at < 0 or (at > 0 and data[at - 2 : at] != b"\r\n"):
        raise _AmbiguousForm("The form does not begin with its boundary.")
    while True:
        at += len(delimiter)
        if data[at : at + 2] == b"--":
            return found
        end_of_line = _END_OF_DELIMITER.match(data, at)
        end_of_head = data.find(b"\r\n\r\n", at)
        if end_of_line is None or end_of_head < 0:
            raise _AmbiguousForm("The form's fields are malformed, or too long.")
        name, filename = _names(data[end_of_line.end() : end_of_head])
        if name == _FILE:
            return [*found, (_FILE, filename)]
        at = data.find(delimiter, end_of_head + 4)
        if at < 0 or data[at - 2 : at] != b"\r\n" or at - 2 < end_of_head + 4:
            raise _AmbiguousForm("The form's fields are malformed, or too long.")
        found.append((name, data[end_of_head + 4 : at - 2].decode("utf-8", "replace")))


def _names(head: bytes) -> tuple[str, str]:
    """Return a part's field name, in lower case, and its file name."""
    headers: dict[bytes, bytes] = {}
    for line in head.split(b"\r\n"):
        match = _HEADER.fullmatch(line)
        if match is None or match[1].lower() in headers:
            raise _AmbiguousForm("A field of the form has a malformed header, or one twice.")
        headers[match[1].lower()] = match[2].strip()
    disposition = _DISPOSITION.fullmatch(headers.get(b"content-disposition", b""))
    is_encoded = headers.get(b"content-transfer-encoding", b"").lower() not in _PLAIN_ENCODINGS
    if disposition is None or is_encoded:
        raise _AmbiguousForm("A field of the form has no proper Content-Disposition, or is encoded.")
    names: dict[bytes, bytes] = {}
    for name, quoted, bare in _PARAMETER.findall(disposition[1]):
        if name.lower() in names:
            raise _AmbiguousForm("A field of the form is named twice.")
        names[name.lower()] = quoted or bare
    field = names.get(b"name", b"")
    if not field or b"\\" in field or b"name*" in names:
        raise _AmbiguousForm("A field of the form has no plain name.")
    filename = re.sub(rb"\\(.)", rb"\1", names.get(b"filename", b""))
    return field.decode("utf-8", "replace").lower(), filename.decode("utf-8", "replace")


def _as_call(request: HttpRequest, fields: dict[str, str], filename: str) -> HttpRequest:
    key = fields["key"].replace("${filename}", filename)
    headers = [(name, value) for name, value in request.header_list if not name.lower().startswith("x-amz-")]
    for name, value in fields.items():
        header = _AS_HEADER.get(name, name)
        if header.startswith("x-amz-") and name not in _SECRET:
            headers.append((header, value))
    target = f"{request.path.rstrip('/')}/{quote(key, safe='/-_.~')}"
    return HttpRequest(
        request.method,
        target,
        tuple(headers),
        None,
        request.peer,
        request.body_size_bytes,
        request.is_tls,
        form=fields,
    )


def _document(policy: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(base64.b64decode(policy, validate=False))
    except (binascii.Error, ValueError) as error:
        raise IncompleteSignature("Invalid Policy: Invalid JSON.") from error
    if not isinstance(document, dict):
        raise IncompleteSignature("Invalid Policy: Invalid JSON.")
    return document


def _check_policy(document: dict[str, Any], request: HttpRequest, now: datetime) -> None:
    try:
        expires = datetime.fromisoformat(str(document["expiration"]))
        if now > (expires if expires.tzinfo is not None else expires.replace(tzinfo=UTC)):
            raise SignatureExpired("Invalid according to Policy: Policy expired.")
        conditions = list(document["conditions"])
    except (KeyError, TypeError, ValueError) as error:
        raise IncompleteSignature("Invalid Policy: expiration or conditions are missing.") from error
    bucket, _, key = unquote(object_path(request))[1:].partition("/")
    as_sent = {**(request.form or {}), "bucket": bucket}
    for values in (as_sent, as_sent | {"key": key}):  # before and after ${filename} was replaced
        if all(_holds(condition, values) for condition in conditions):
            return
    raise IncompleteSignature("Invalid according to Policy: Policy Condition failed.")


def _holds(condition: Any, values: Mapping[str, str]) -> bool:
    if isinstance(condition, dict):
        return all(_value(values, str(name)) == str(value) for name, value in condition.items())
    if not isinstance(condition, list) or len(condition) != 3:
        return False
    kind, name, wanted = str(condition[0]).lower(), str(condition[1]), str(condition[2])
    if kind == "content-length-range":
        return True
    value = _value(values, name)
    return value.startswith(wanted) if kind == "starts-with" else kind == "eq" and value == wanted


def _value(values: Mapping[str, str], name: str) -> str:
    return values.get(name.removeprefix("$").lower(), "")
