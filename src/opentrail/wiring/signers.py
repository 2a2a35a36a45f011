"""The signer that the settings name."""

from pathlib import Path

from opentrail.adapters.signer.kms import KmsEndpoint, KmsKeys
from opentrail.adapters.signer.local import SealedKeys
from opentrail.adapters.signer.pkcs11 import Pkcs11Keys, Token
from opentrail.adapters.signer.registered import KeyHolder, RegisteredSigner
from opentrail.sealing import Sealer
from opentrail.settings import Settings


def open_signer(settings: Settings, folder: Path, sealer: Sealer) -> RegisteredSigner:
    """Return the signer over the register in ``folder``. Keys of an earlier kind of signer stay listed there."""
    return RegisteredSigner(folder, _holder(settings, sealer))


def _holder(settings: Settings, sealer: Sealer) -> KeyHolder:
    if settings.signer__kind == "kms":
        endpoint = KmsEndpoint(
            url=settings.signer__url,
            region=settings.signer__region,
            access_key_id=settings.signer__access_key_id,
            secret_access_key=settings.signer__secret_access_key,
            named_keys=settings.signer__keys,
        )
        return KmsKeys(endpoint)
    if settings.signer__kind == "pkcs11":
        token = Token(
            settings.signer__module, settings.signer__token, settings.signer__pin, named_keys=settings.signer__keys
        )
        return Pkcs11Keys(token)
    return SealedKeys(sealer)
