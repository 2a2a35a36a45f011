"""The key that signs topics' messages, as SNS does: RSA-2048 PKCS#1 v1.5 over SHA-1 (version 1) or SHA-256 (version 2).

Made once, with a certificate of its own that receivers fetch from ``SigningCertURL``. One private file keeps both, a
JSON object: ``certificate`` (PEM) and ``sealed_private_key`` (base64 of the sealed PKCS#8 DER; docs/formats/keys.md).
What an earlier version left beside it as a PEM file, not sealed, is taken up and removed.
"""

import asyncio
import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from opentrail.clock import Clock
from opentrail.errors import OperatorError
from opentrail.sealing import SealBroken, Sealer

KEY_BITS = 2048
CERTIFICATE_LIFE = timedelta(days=3650)
CONTEXT = "topic-signing-key"
"""What the sealed key is bound to."""

Write = Callable[[Path, bytes], None]
"""Stores a file's bytes privately and durably."""

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_OTHER = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


class MessageSigner:
    """Keeps its key at ``path``, sealed."""

    def __init__(self, path: Path, clock: Clock, sealer: Sealer, write: Write) -> None:
        self._path = path
        self._clock = clock
        self._sealer = sealer
        self._write = write
        self._opening = asyncio.Lock()
        self._opened: tuple[rsa.RSAPrivateKey, bytes] | None = None

    async def certificate(self) -> bytes:
        """Return the certificate as PEM. Raises OperatorError when the file is damaged."""
        return (await self._open())[1]

    async def certificate_name(self) -> str:
        """Return the last part of the certificate's URL, which tells certificates apart."""
        digest = hashlib.sha256(await self.certificate()).hexdigest()[:32]
        return f"SimpleNotificationService-{digest}.pem"

    async def sign(self, message: Mapping[str, str], version: str) -> str:
        """Return the signature of a message, in base64."""
        key, _ = await self._open()
        algorithm = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - version 1 is SHA-1
        return base64.b64encode(key.sign(text_to_sign(message), padding.PKCS1v15(), algorithm)).decode()

    async def _open(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        async with self._opening:
            if self._opened is None:
                self._opened = await asyncio.to_thread(self._read_or_make)
            return self._opened

    def _read_or_make(self) -> tuple[rsa.RSAPrivateKey, bytes]:
        if not self._path.exists():
            former = self._path.with_suffix(".pem")
            private, certificate = _from_pem(former) if former.exists() else self._made()
            self._write(self._path, _format(private, certificate, self._sealer))
            former.unlink(missing_ok=True)
        private, certificate = _read(self._path, self._sealer)
        key = serialization.load_der_private_key(private, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key, certificate

    def _made(self) -> tuple[bytes, bytes]:
        key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Opentrail topics")])
        now = self._clock.now()
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + CERTIFICATE_LIFE)
            .sign(key, hashes.SHA256())
        )
        return _der(key), certificate.public_bytes(serialization.Encoding.PEM)


def reseal(path: Path, sealer: Sealer, write: Write) -> int:
    """Seal the key at ``path`` anew, under the sealer's present key; return how many there are. Raises
    OperatorError."""
    if not path.exists():
        return 0
    private, certificate = _read(path, sealer)
    write(path, _format(private, certificate, sealer))
    return 1


def _format(private: bytes, certificate: bytes, sealer: Sealer) -> bytes:
    sealed = base64.b64encode(sealer.seal(private, CONTEXT)).decode()
    document = {"certificate": certificate.decode(), "sealed_private_key": sealed}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2)


def _read(path: Path, sealer: Sealer) -> tuple[bytes, bytes]:
    """Return the private key as DER and the certificate as PEM."""
    try:
        document = orjson.loads(path.read_bytes())
        private = sealer.unseal(base64.b64decode(document["sealed_private_key"]), CONTEXT)
        certificate = x509.load_pem_x509_certificate(document["certificate"].encode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SealBroken) as error:
        raise OperatorError(f"{path} is damaged: restore it, or remove it for a new key") from error
    return private, certificate.public_bytes(serialization.Encoding.PEM)


def _from_pem(path: Path) -> tuple[bytes, bytes]:
    kept = path.read_bytes()
    try:
        key = serialization.load_pem_private_key(kept, None)
        certificate = x509.load_pem_x509_certificate(kept)
    except ValueError as error:
        raise OperatorError(f"{path} is damaged: restore it, or remove it for a new key") from error
    assert isinstance(key, rsa.RSAPrivateKey)
    return _der(key), certificate.public_bytes(serialization.Encoding.PEM)


def _der(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def text_to_sign(message: Mapping[str, str]) -> bytes:
    """Return what a message's signature covers: names and values, a line each (reference: SNS, HTTP message)."""
    names = _NOTIFICATION if message["Type"] == "Notification" else _OTHER
    return "".join(f"{name}\n{message[name]}\n" for name in names if name in message).encode()
