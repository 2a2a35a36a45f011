"""Who signed a request: from its credential scope to a credential of ours, or the error that says why not."""

import hmac
from collections.abc import Callable, Collection
from datetime import datetime

from opentrail.aws.common_errors import (
    MissingAuthentication,
    PayloadWrong,
    PresignedUrlExpired,
    ScopeWrong,
    SessionTokenExpired,
    SessionTokenInvalid,
    SignatureIncomplete,
    SignatureSchemeUnsupported,
    SignatureTooOld,
    SignatureWrong,
    UnknownAccessKey,
    UnknownIdentityProvider,
)
from opentrail.capture.federation import TOKEN_OPERATIONS, unknown_provider
from opentrail.http_message import HttpRequest
from opentrail.identity import Credential
from opentrail.ports.identity_store import IdentityStore
from opentrail.protocol import CredentialScope, Operation, sigv4
from opentrail.protocol.models import signing_name
from opentrail.protocol.scope import SIGV4
from opentrail.record.regions import known_regions


class Authenticator:
    """Checks signatures against the keys we know.

    A scope may name AWS's Regions and those that ``regions`` lists. Presigned requests are taken by S3 and for STS
    GetCallerIdentity only. A caller who has not proved the secret learns nothing of a key but that it exists.
    """

    def __init__(self, identities: IdentityStore, regions: Callable[[], Collection[str]]) -> None:
        self._identities = identities
        self._regions = regions

    async def authenticate(
        self,
        request: HttpRequest,
        scope: CredentialScope | None,
        service: str,
        operation: Operation | None,
        now: datetime,
    ) -> Credential:
        """Return the credential that signed ``request``; raises Unauthenticated errors and Unavailable."""
        if operation in TOKEN_OPERATIONS:
            raise UnknownIdentityProvider(unknown_provider(operation, request))
        if scope is None:
            raise _unsigned(request)
        if scope.is_presigned and not _takes_presigned(service, operation):
            raise MissingAuthentication
        if scope.scheme != SIGV4:
            raise SignatureSchemeUnsupported
        credential = await self._identities.credential(scope.access_key_id)
        if credential is None or not credential.is_active:
            raise UnknownAccessKey
        if not hmac.compare_digest(credential.session_token.encode(), scope.session_token.encode(errors="replace")):
            raise SessionTokenInvalid
        _verify(request, scope, credential, now)
        if credential.expires_at is not None and now >= credential.expires_at:
            raise SessionTokenExpired
        self._check_scope(scope, service)
        return credential

    def _check_scope(self, scope: CredentialScope, service: str) -> None:
        expected = signing_name(service)
        if scope.signing_name != expected:
            raise ScopeWrong(f"Credential should be scoped to correct service: '{expected}'.")
        if scope.region not in known_regions() and scope.region not in self._regions():
            raise ScopeWrong(f"Credential should be scoped to a valid region. '{scope.region[:64]}' is none.")


def _unsigned(request: HttpRequest) -> MissingAuthentication | SignatureIncomplete:
    if "authorization" in request.headers:
        return SignatureIncomplete("The Authorization header is not a signature that this service knows.")
    return MissingAuthentication()


def _takes_presigned(service: str, operation: Operation | None) -> bool:
    return service == "s3" or operation == Operation("sts", "GetCallerIdentity")


def _verify(request: HttpRequest, scope: CredentialScope, credential: Credential, now: datetime) -> None:
    try:
        sigv4.verify(request, scope, credential.secret_access_key, now)
    except sigv4.SignatureExpired as error:
        if scope.is_presigned:
            raise PresignedUrlExpired(str(error)) from error
        raise SignatureTooOld(str(error)) from error
    except sigv4.IncompleteSignature as error:
        raise SignatureIncomplete(str(error)) from error
    except sigv4.PayloadMismatch as error:
        raise PayloadWrong from error
    except sigv4.SignatureError as error:
        raise SignatureWrong from error
