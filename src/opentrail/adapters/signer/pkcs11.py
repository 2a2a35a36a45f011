"""Signing keys on a PKCS#11 token (an HSM, a smart card, SoftHSM): RSA-2048; private keys never leave it.

Without named keys it makes one for each Region (sensitive, not extractable), and another when the last one ends. In a
key file ``pkcs11_key`` is the key's CKA_ID in hex, ``pkcs11_token`` the token's label, and ``pkcs11_named`` the label
by which the operator named the key, if so.
"""

import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from opentrail.adapters.signer.key_files import KeyFile
from opentrail.adapters.signer.registered import NAMED_VALIDITY, VALIDITY, NewKey
from opentrail.adapters.signer.remote_keys import KEY_BITS, check_size, checked_signature, next_named
from opentrail.errors import OperatorError
from opentrail.ports import Unavailable

_KEY, _TOKEN, _NAMED = "pkcs11_key", "pkcs11_token", "pkcs11_named"
_ID_BYTES = 16

_one_at_a_time = threading.Lock()
"""Who is logged in to a token is the process's state, not a session's."""

T = TypeVar("T")


@dataclass(frozen=True)
class Token:
    """The module's library, the token's label, its user PIN, and the labels of the keys that sign, if named."""

    module: str
    label: str
    pin: str
    named_keys: tuple[str, ...] = ()


class Pkcs11Keys:
    """Implements KeyHolder."""

    def __init__(self, token: Token) -> None:
        self._token = token
        self._has_failed = False

    def holds(self, private: Mapping[str, str]) -> bool:
        named = self._token.named_keys
        is_here = _KEY in private and private.get(_TOKEN) == self._token.label
        return is_here and (private.get(_NAMED, "") in named if named else _NAMED not in private)

    def make(self, region: str, registered: Collection[KeyFile]) -> NewKey:
        if not self._token.named_keys:
            return self._with_session(lambda session: self._generate(session, region))
        named = next_named(self._token.named_keys, _NAMED, registered)
        return self._with_session(lambda session: self._read(session, named))

    def sign(self, region: str, key: KeyFile, text: bytes) -> bytes:
        key_id = bytes.fromhex(key.private.get(_KEY, ""))
        return checked_signature(key, text, self._with_session(lambda session: _sign(session, key_id, text)))

    def _generate(self, session: Any, region: str) -> NewKey:
        import pkcs11
        from pkcs11.util.rsa import encode_rsa_public_key

        key_id = secrets.token_bytes(_ID_BYTES)
        public, _ = session.generate_keypair(
            pkcs11.KeyType.RSA,
            KEY_BITS,
            id=key_id,
            label=f"opentrail {region} {key_id.hex()[:8]}",
            store=True,
            private_template={
                pkcs11.Attribute.SENSITIVE: True,
                pkcs11.Attribute.EXTRACTABLE: False,
                pkcs11.Attribute.SIGN: True,
            },
        )
        private = {_KEY: key_id.hex(), _TOKEN: self._token.label}
        return NewKey(encode_rsa_public_key(public), private, VALIDITY)

    def _read(self, session: Any, named: str) -> NewKey:
        import pkcs11
        from pkcs11.util.rsa import encode_rsa_public_key

        public = session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, pkcs11.KeyType.RSA, label=named)
        check_size(named, public.key_length)
        private = {_KEY: bytes(public.id).hex(), _TOKEN: self._token.label, _NAMED: named}
        return NewKey(encode_rsa_public_key(public), private, NAMED_VALIDITY)

    def _with_session(self, work: Callable[[Any], T]) -> T:
        """Run ``work`` in a session of its own: a module that others in this process log in to must not be left so."""
        pkcs11 = _library()
        with _one_at_a_time:
            try:
                library = pkcs11.lib(self._token.module)
                if self._has_failed:
                    library.reinitialize()  # else a token that was plugged in, or made, since it was loaded is not seen
                    self._has_failed = False
                token = library.get_token(token_label=self._token.label)
                with token.open(rw=not self._token.named_keys, user_pin=self._token.pin) as session:
                    return work(session)
            except pkcs11.exceptions.PKCS11Error as error:
                self._has_failed = True
                what = str(error) or type(error).__name__
                raise Unavailable(f"the PKCS#11 token {self._token.label} failed: {what}") from error


def _sign(session: Any, key_id: bytes, text: bytes) -> bytes:
    import pkcs11

    private = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.KeyType.RSA, id=key_id)
    return bytes(private.sign(text, mechanism=pkcs11.Mechanism.SHA256_RSA_PKCS))


def _library() -> Any:
    try:
        import pkcs11
    except ImportError as error:
        raise OperatorError("signer.kind = pkcs11 needs an extra: pip install 'opentrail[pkcs11]'") from error
    return pkcs11
