"""Errors that every service can answer with, each spelt as the family of the service's protocol spells it.

Three families name them differently: JSON services (and CBOR, REST-JSON), query services, and S3. The service models do
not declare these errors.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar

from opentrail.errors import AwsError


class Family(StrEnum):
    """How a service spells the errors that all services share."""

    JSON = "json"
    QUERY = "query"
    S3 = "s3"


@dataclass(frozen=True, slots=True)
class WireError:
    """An error as it goes out: code, HTTP status, message and further members (S3's Key and BucketName)."""

    code: str
    http_status: int
    message: str
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_server_fault(self) -> bool:
        """Say whether the fault is ours: statuses from 500 upwards."""
        return self.http_status >= 500


Spelling = tuple[str, int, str]
"""Code, HTTP status and message template of one family; ``{detail}`` stands for what the error was made with."""


class CommonError(AwsError):
    """An error that each family spells its own way. ``str(error)`` is the detail alone."""

    spellings: ClassVar[dict[Family, Spelling]]
    is_unauthenticated: ClassVar[bool] = False

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    def spelt_by(self, family: Family) -> WireError:
        """Return code, status and message as services of ``family`` answer them."""
        code, http_status, message = self.spellings[family]
        return WireError(code, http_status, message.format(detail=self.detail))


class DetailedError(AwsError):
    """A service's error that tells more members than code and message."""

    def __init__(self, message: str, **members: Any) -> None:
        super().__init__(message)
        self.members = members


def wire_error(error: AwsError, family: Family) -> WireError:
    """Return ``error`` as a service of ``family`` answers it."""
    if isinstance(error, CommonError):
        return error.spelt_by(family)
    members = error.members if isinstance(error, DetailedError) else {}
    return WireError(error.code, error.http_status, str(error), members)


_SCHEME = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
_TOKEN_INVALID = "The security token included in the request is invalid."  # noqa: S105 - a message
_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
_S3_MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your key and signing method."
)


class Unauthenticated(CommonError):
    """Base of the errors of callers whose identity could not be established."""

    is_unauthenticated = True


class MissingAuthentication(Unauthenticated):
    """The request carries no signature (or a presigned one where none is accepted)."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("MissingAuthenticationTokenException", 400, "Missing Authentication Token"),
        Family.QUERY: ("MissingAuthenticationToken", 403, "Request is missing Authentication Token"),
        Family.S3: ("AccessDenied", 403, "Access Denied"),
    }


class UnknownIdentityProvider(Unauthenticated):
    """The caller brings a token of an identity provider, and none is known here; the detail says which was meant."""

    spellings: ClassVar[dict[Family, Spelling]] = dict.fromkeys(Family, ("InvalidIdentityToken", 400, "{detail}"))


class SignatureIncomplete(Unauthenticated):
    """The signature's parts are missing or malformed; the detail says which."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("IncompleteSignatureException", 400, "{detail}"),
        Family.QUERY: ("IncompleteSignature", 400, "{detail}"),
        Family.S3: ("AuthorizationHeaderMalformed", 400, "The authorization header is malformed; {detail}"),
    }


class SignatureSchemeUnsupported(Unauthenticated):
    """The signature is of a scheme other than SigV4."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("IncompleteSignatureException", 400, _SCHEME),
        Family.QUERY: ("IncompleteSignature", 400, _SCHEME),
        Family.S3: ("InvalidRequest", 400, _SCHEME),
    }


class UnknownAccessKey(Unauthenticated):
    """No active key of that id is known here."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("UnrecognizedClientException", 400, _TOKEN_INVALID),
        Family.QUERY: ("InvalidClientTokenId", 403, _TOKEN_INVALID),
        Family.S3: (
            "InvalidAccessKeyId",
            403,
            "The AWS Access Key Id you provided does not exist in our records.",
        ),
    }


class SessionTokenInvalid(Unauthenticated):
    """The session token does not belong to the access key."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("UnrecognizedClientException", 400, _TOKEN_INVALID),
        Family.QUERY: ("InvalidClientTokenId", 403, _TOKEN_INVALID),
        Family.S3: ("InvalidToken", 400, "The provided token is malformed or otherwise invalid."),
    }


class SessionTokenExpired(Unauthenticated):
    """The temporary credentials are past their end."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("ExpiredTokenException", 400, "The security token included in the request is expired"),
        Family.QUERY: ("ExpiredToken", 403, "The security token included in the request is expired"),
        Family.S3: ("ExpiredToken", 400, "The provided token has expired."),
    }


class SignatureWrong(Unauthenticated):
    """The signature was not made with the key's secret over this request."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("InvalidSignatureException", 400, _MISMATCH),
        Family.QUERY: ("SignatureDoesNotMatch", 403, _MISMATCH),
        Family.S3: ("SignatureDoesNotMatch", 403, _S3_MISMATCH),
    }


class SignatureTooOld(Unauthenticated):
    """The request was signed too long ago or in the future, or its presigned validity is over."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("InvalidSignatureException", 400, "{detail}"),
        Family.QUERY: ("SignatureDoesNotMatch", 403, "{detail}"),
        Family.S3: (
            "RequestTimeTooSkewed",
            403,
            "The difference between the request time and the current time is too large.",
        ),
    }


class PresignedUrlExpired(Unauthenticated):
    """A presigned URL is used after its end."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("InvalidSignatureException", 400, "{detail}"),
        Family.QUERY: ("SignatureDoesNotMatch", 403, "{detail}"),
        Family.S3: ("AccessDenied", 403, "Request has expired"),
    }


class PayloadWrong(Unauthenticated):
    """The body is not the one that was signed."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("InvalidSignatureException", 400, _MISMATCH),
        Family.QUERY: ("SignatureDoesNotMatch", 403, _MISMATCH),
        Family.S3: (
            "XAmzContentSHA256Mismatch",
            400,
            "The provided 'x-amz-content-sha256' header does not match what was computed.",
        ),
    }


class ScopeWrong(Unauthenticated):
    """The credential scope names another service, or a Region that does not exist."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("InvalidSignatureException", 400, "{detail}"),
        Family.QUERY: ("SignatureDoesNotMatch", 403, "{detail}"),
        Family.S3: ("AuthorizationHeaderMalformed", 400, "The authorization header is malformed; {detail}"),
    }


class RequestTooLarge(Unauthenticated):
    """The body is larger than the API takes (``http_message.BODY_LIMIT_BYTES``); it was not read to its end."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("RequestEntityTooLargeException", 413, "The request is larger than {detail} bytes."),
        Family.QUERY: ("RequestEntityTooLarge", 413, "The request is larger than {detail} bytes."),
        Family.S3: ("EntityTooLarge", 400, "Your proposed upload exceeds the maximum allowed object size."),
    }


class AccessDenied(CommonError):
    """The caller is known and may not do this; the detail is the whole sentence."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("AccessDeniedException", 400, "{detail}"),
        Family.QUERY: ("AccessDenied", 403, "{detail}"),
        Family.S3: ("AccessDenied", 403, "{detail}"),
    }


class ValidationFailed(CommonError):
    """A parameter breaks a constraint of the service model; the detail is the whole sentence."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("ValidationException", 400, "{detail}"),
        Family.QUERY: ("ValidationError", 400, "{detail}"),
        Family.S3: ("InvalidArgument", 400, "{detail}"),
    }


class UnknownOperation(CommonError):
    """The service has no such operation, or this installation does not answer it."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("UnknownOperationException", 400, "{detail}"),
        Family.QUERY: ("InvalidAction", 400, "{detail}"),
        Family.S3: ("NotImplemented", 501, "{detail}"),
    }


class InternalFailure(CommonError):
    """A defect of ours; the log has the story under the request id."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("InternalFailure", 500, "The request processing has failed because of an unknown error."),
        Family.QUERY: ("InternalFailure", 500, "The request processing has failed because of an unknown error."),
        Family.S3: ("InternalError", 500, "We encountered an internal error. Please try again."),
    }


class ServiceUnavailable(CommonError):
    """The journal or a store does not answer; nothing was changed, and trying again may help."""

    spellings: ClassVar[dict[Family, Spelling]] = {
        Family.JSON: ("ServiceUnavailableException", 503, "The service is unavailable. Please try again later."),
        Family.QUERY: ("ServiceUnavailable", 503, "The service is unavailable. Please try again later."),
        Family.S3: ("ServiceUnavailable", 503, "Service is unable to handle request."),
    }


class MalformedCall(CommonError):
    """The request's bytes do not parse; the codec names the code, which depends on the protocol."""

    spellings: ClassVar[dict[Family, Spelling]] = {}

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self._code = code

    def spelt_by(self, family: Family) -> WireError:
        return WireError(self._code, 400, self.detail)


class UnsupportedOperationException(AwsError):
    """The operation exists, and this installation does not answer it; for services whose model declares the error."""

    def __init__(self, operation: str) -> None:
        super().__init__(f"The operation {operation} is not supported by this installation.")
