"""RFC 3161 time-stamp services over HTTP: OpenSSL's own, and one whose clock a test can set.

Both have a root and a signing certificate made here; ``certificates`` is the root's PEM, for who is to trust them.
"""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

POLICY = "1.2.3.4.1"

Reply = Callable[[bytes], bytes]


@dataclass
class Authority:
    """A root and the certificate that signs time-stamps, valid for the years around now."""

    name: str = "Test"
    root_key: rsa.RSAPrivateKey = field(default_factory=lambda: _key())
    key: rsa.RSAPrivateKey = field(default_factory=lambda: _key())

    def __post_init__(self) -> None:
        root_name = _name(f"{self.name} Root")
        self.root = (
            _builder(root_name, root_name, self.root_key)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.root_key, hashes.SHA256())
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        self.certificate = (
            _builder(_name(f"{self.name} Time Stamps"), root_name, self.key)
            .add_extension(usage, critical=True)
            .sign(self.root_key, hashes.SHA256())
        )

    @property
    def certificates(self) -> bytes:
        return self.root.public_bytes(Encoding.PEM)


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject: x509.Name, issuer: x509.Name, key: rsa.RSAPrivateKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=3650))
        .not_valid_after(now + timedelta(days=3650))
    )


class OpenSslReplies:
    """Answers with ``openssl ts -reply``: the machine's own clock."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self._folder = folder
        self._one_at_a_time = threading.Lock()
        (folder / "key.pem").write_bytes(authority.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        (folder / "tsa.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        (folder / "serial").write_text("01\n")
        (folder / "ts.conf").write_text(
            "[tsa]\ndefault_tsa = service\n[service]\n"
            f"serial = {folder}/serial\nsigner_cert = {folder}/tsa.pem\nsigner_key = {folder}/key.pem\n"
            f"signer_digest = sha256\ndefault_policy = {POLICY}\ndigests = sha256\ness_cert_id_alg = sha256\n"
        )

    def __call__(self, query: bytes) -> bytes:
        command = ["openssl", "ts", "-reply", "-config", "ts.conf", "-queryfile", "query.tsq", "-out", "reply.tsr"]
        with self._one_at_a_time:
            (self._folder / "query.tsq").write_bytes(query)
            subprocess.run(command, cwd=self._folder, check=True, capture_output=True)
            return (self._folder / "reply.tsr").read_bytes()


class SetClockReplies:
    """Answers with tokens of its own making, at the time of ``now``."""

    def __init__(self, authority: Authority, now: Callable[[], datetime]) -> None:
        self._authority = authority
        self._now = now
        self._serial = 0

    def __call__(self, query: bytes) -> bytes:
        request = tsp.TimeStampReq.load(query)
        self._serial += 1
        info = {
            "version": "v1",
            "policy": POLICY,
            "message_imprint": request["message_imprint"],
            "serial_number": self._serial,
            "gen_time": self._now().replace(microsecond=0),
        }
        if request["nonce"].native is not None:
            info["nonce"] = request["nonce"].native
        return self._sign(tsp.TSTInfo(info).dump())

    def _sign(self, info: bytes) -> bytes:
        der = self._authority.certificate.public_bytes(Encoding.DER)
        certificate = asn1_x509.Certificate.load(der)
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [_sha256(info)]},
                {
                    "type": "signing_certificate_v2",
                    "values": [{"certs": [{"cert_hash": _sha256(der)}]}],
                },
            ]
        )
        signer = {
            "version": "v1",
            "sid": {
                "issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
            },
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "rsassa_pkcs1v15"},
            "signature": self._authority.key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256()),
        }
        signed = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [algos.DigestAlgorithm({"algorithm": "sha256"})],
                "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
                "certificates": [certificate],
                "signer_infos": [signer],
            }
        )
        token = cms.ContentInfo({"content_type": "signed_data", "content": signed})
        reply: bytes = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump()
        return reply


def refuse(_: bytes) -> bytes:
    """Answer that the request was rejected."""
    status: bytes = tsp.PKIStatusInfo({"status": "rejection", "status_string": ["not today"]}).dump()
    return bytes([0x30, len(status)]) + status  # asn1crypto wants the token that such an answer lacks


def _sha256(data: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize()


@dataclass
class TimeStampServer:
    """A running service; ``reply`` makes its answers and may be replaced, ``queries`` counts them."""

    url: str
    reply: Reply
    queries: int = 0


@contextmanager
def time_stamp_server(reply: Reply) -> Iterator[TimeStampServer]:
    """Serve ``reply`` on a free port of the loopback interface."""
    running = TimeStampServer("", reply)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            running.queries += 1
            answer = running.reply(query)
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *arguments: object) -> None:
            """Keep test output quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        running.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
