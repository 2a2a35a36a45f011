"""Signing keys in a KMS-compatible service: RSA_2048, SIGN_VERIFY; private keys never leave it.

Without named keys it makes one for each Region, and another when the last one ends. What is signed is sent as its hash
(MessageType DIGEST); to a service that does not know that, as it is: a digest's place, time and hash, up to 1.7 KB.
Needs ``kms:Sign`` and ``kms:GetPublicKey``, and ``kms:CreateKey`` to make keys. A key file's ``kms_key`` is the key's
ARN, ``kms_named`` the id, ARN or alias that the operator named, if any.
"""

import hashlib
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from opentrail.adapters.signer.key_files import KeyFile
from opentrail.adapters.signer.registered import NAMED_VALIDITY, VALIDITY, NewKey
from opentrail.adapters.signer.remote_keys import check_size, checked_signature, is_signature_by, next_named
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable

CONNECT_TIMEOUT_S = 5
READ_TIMEOUT_S = 15
ATTEMPTS = 3
"""boto3's own tries; patience beyond them is the delivery's back-off."""

_ALGORITHM = "RSASSA_PKCS1_V1_5_SHA_256"
_KEY, _NAMED = "kms_key", "kms_named"


@dataclass(frozen=True)
class KmsEndpoint:
    """Where the service is and which of its keys sign; an empty ``url`` is AWS, empty keys are boto3's own search."""

    url: str = ""
    region: str = "us-east-1"
    access_key_id: str = ""
    secret_access_key: str = ""
    named_keys: tuple[str, ...] = ()


class KmsKeys:
    """Implements KeyHolder."""

    def __init__(self, endpoint: KmsEndpoint) -> None:
        self._endpoint = endpoint
        self._making = threading.Lock()
        self._client: Any = None
        self._signs_digests = True

    def holds(self, private: Mapping[str, str]) -> bool:
        named = self._endpoint.named_keys
        return _KEY in private and (private.get(_NAMED, "") in named if named else _NAMED not in private)

    def make(self, region: str, registered: Collection[KeyFile]) -> NewKey:
        if not self._endpoint.named_keys:
            return self._read(self._create(region), "")
        named = next_named(self._endpoint.named_keys, _NAMED, registered)
        return self._read(named, named)

    def sign(self, region: str, key: KeyFile, text: bytes) -> bytes:
        if self._signs_digests:
            signature = self._sign(key, "DIGEST", hashlib.sha256(text).digest())
            if is_signature_by(key, text, signature):
                return signature
        # moto's KMS, for one, takes the hash for a message and hashes it again.
        signature = checked_signature(key, text, self._sign(key, "RAW", text))
        self._signs_digests = False
        return signature

    def _sign(self, key: KeyFile, message_type: str, message: bytes) -> bytes:
        output = self._call(
            "sign",
            KeyId=key.private.get(_KEY, ""),
            Message=message,
            MessageType=message_type,
            SigningAlgorithm=_ALGORITHM,
        )
        return bytes(output["Signature"])

    def _create(self, region: str) -> str:
        description = f"Opentrail: signs the digests of {region}"
        output = self._call("create_key", KeySpec="RSA_2048", KeyUsage="SIGN_VERIFY", Description=description)
        return str(output["KeyMetadata"]["Arn"])

    def _read(self, key_id: str, named: str) -> NewKey:
        output = self._call("get_public_key", KeyId=key_id)
        public = load_der_public_key(output["PublicKey"])
        if not isinstance(public, rsa.RSAPublicKey) or output.get("KeyUsage") != "SIGN_VERIFY":
            raise OperatorError(f"the key {key_id} does not sign: digests need an RSA_2048 key for SIGN_VERIFY")
        check_size(key_id, public.key_size)
        private = {_KEY: str(output["KeyId"])} | ({_NAMED: named} if named else {})
        der = public.public_bytes(Encoding.DER, PublicFormat.PKCS1)
        return NewKey(der, private, NAMED_VALIDITY if named else VALIDITY)

    def _call(self, operation: str, **parameters: Any) -> Any:
        import botocore.exceptions

        try:
            call: Callable[..., Any] = getattr(self._connected(), operation)
            return call(**parameters)
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError) as error:
            raise Unavailable(f"the KMS signer failed: {error}") from error

    def _connected(self) -> Any:
        with self._making:
            if self._client is None:
                self._client = _make_client(self._endpoint)
            return self._client


def _make_client(endpoint: KmsEndpoint) -> Any:
    import boto3
    from botocore.config import Config

    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
    )
    return boto3.session.Session().client(
        "kms",
        region_name=endpoint.region,
        endpoint_url=endpoint.url or None,
        aws_access_key_id=endpoint.access_key_id or None,
        aws_secret_access_key=endpoint.secret_access_key or None,
        config=config,
    )
