"""Encrypt, Decrypt, ReEncrypt, data keys and random bytes. What is secret is in answers alone, never on record."""

import os
from collections.abc import Mapping

from opentrail.aws.common_errors import AccessDenied, ValidationFailed
from opentrail.aws.kms.access import authorise_key, find_key, key_verdict, require_enabled
from opentrail.aws.kms.errors import (
    DryRunOperationException,
    IncorrectKeyException,
    InvalidCiphertextException,
    InvalidGrantTokenException,
    InvalidKeyUsageException,
    UnsupportedOperationException,
)
from opentrail.aws.kms.keys import SYMMETRIC
from opentrail.aws.service import ApiPorts, Call, Outcome
from opentrail.envelope import BlobBroken, BlobKey, encode_context, open_blob, read_blob, seal_blob
from opentrail.policy.key_use import context_conditions
from opentrail.protocol import Parameters
from opentrail.resource.key import Key

_BYTES_OF_SPEC = {"AES_256": 32, "AES_128": 16}

_NO_KEY = (
    "The ciphertext refers to a customer master key that does not exist, does not exist in this region, or you are not "
    "allowed to access."
)


async def encrypt(ports: ApiPorts, call: Call) -> Outcome:
    """Encrypt up to 4096 bytes under a key."""
    context = _context(call, "EncryptionContext")
    key = await _usable_key(ports, call, context)
    _check_algorithm(call, "EncryptionAlgorithm")
    _stop_dry_run(call)
    blob = await _seal(ports, key, call.parameters["Plaintext"], context)
    return Outcome({"CiphertextBlob": blob, "KeyId": key.arn, "EncryptionAlgorithm": SYMMETRIC})


async def decrypt(ports: ApiPorts, call: Call) -> Outcome:
    """Give back what a blob holds; the key need not be named, since the blob names it."""
    _refuse_recipient(call)
    context = _context(call, "EncryptionContext")
    key = await _key_of_blob(ports, call, "KeyId", "kms:Decrypt", context)
    _check_algorithm(call, "EncryptionAlgorithm")
    plaintext, material = await _open(ports, call, key, context)
    _stop_dry_run(call)
    return Outcome(
        {"KeyId": key.arn, "Plaintext": plaintext, "EncryptionAlgorithm": SYMMETRIC, "KeyMaterialId": material}
    )


async def re_encrypt(ports: ApiPorts, call: Call) -> Outcome:
    """Encrypt under another key or context what a blob holds, without showing it."""
    source_context = _context(call, "SourceEncryptionContext")
    context = _context(call, "DestinationEncryptionContext")
    source = await _key_of_blob(ports, call, "SourceKeyId", "kms:ReEncryptFrom", source_context)
    key = await _usable_key(ports, call, context, member="DestinationKeyId", action="kms:ReEncryptTo")
    _check_algorithm(call, "SourceEncryptionAlgorithm", "DestinationEncryptionAlgorithm")
    plaintext, source_material = await _open(ports, call, source, source_context)
    _stop_dry_run(call)
    return Outcome(
        {
            "CiphertextBlob": await _seal(ports, key, plaintext, context),
            "SourceKeyId": source.arn,
            "KeyId": key.arn,
            "SourceEncryptionAlgorithm": SYMMETRIC,
            "DestinationEncryptionAlgorithm": SYMMETRIC,
            "SourceKeyMaterialId": source_material,
            "DestinationKeyMaterialId": key.material_id,
        }
    )


async def generate_data_key(ports: ApiPorts, call: Call) -> Outcome:
    """Make a data key: in the clear, and sealed under a key."""
    _refuse_recipient(call)
    outcome, plaintext = await _data_key(ports, call)
    return Outcome({"Plaintext": plaintext, **outcome})


async def generate_data_key_without_plaintext(ports: ApiPorts, call: Call) -> Outcome:
    """Make a data key, sealed under a key only."""
    outcome, _ = await _data_key(ports, call)
    return Outcome(outcome)


async def generate_random(_ports: ApiPorts, call: Call) -> Outcome:
    """Give random bytes of the operating system."""
    _refuse_recipient(call)
    if "CustomKeyStoreId" in call.parameters:
        raise UnsupportedOperationException("This installation has no custom key stores.")
    if "NumberOfBytes" not in call.parameters:
        raise ValidationFailed("NumberOfBytes is required.")
    return Outcome({"Plaintext": os.urandom(call.parameters["NumberOfBytes"])})


async def _data_key(ports: ApiPorts, call: Call) -> tuple[Parameters, bytes]:
    spec, size = call.parameters.get("KeySpec"), call.parameters.get("NumberOfBytes")
    context = _context(call, "EncryptionContext")
    key = await _usable_key(ports, call, context)
    if (spec is None) == (size is None):
        raise ValidationFailed("Please specify either number of bytes or key spec.")
    _stop_dry_run(call)
    plaintext = os.urandom(size or _BYTES_OF_SPEC[spec or ""])
    blob = await _seal(ports, key, plaintext, context)
    return {"CiphertextBlob": blob, "KeyId": key.arn, "KeyMaterialId": key.material_id}, plaintext


async def _usable_key(
    ports: ApiPorts, call: Call, context: Mapping[str, str], *, member: str = "KeyId", action: str = ""
) -> Key:
    """Return the key that ``member`` names, once the caller may use it and it may be used."""
    key = await find_key(
        ports,
        call,
        call.parameters[member],
        action=action,
        takes_alias=True,
        crosses_accounts=True,
        conditions=_conditions(context),
    )
    require_enabled(key)
    _refuse_grant_tokens(call)
    return key


async def _key_of_blob(ports: ApiPorts, call: Call, member: str, action: str, context: Mapping[str, str]) -> Key:
    """Return the key that the call's blob was made with, once the caller may use it and it may be used.

    A key that the caller names must be that one.
    """
    try:
        named = read_blob(_blob(call))
    except BlobBroken as error:
        raise InvalidCiphertextException from error
    if member in call.parameters:
        given = await _usable_key(ports, call, context, member=member, action=action)
        if given.key_id != named.key_id:
            raise IncorrectKeyException
        return given
    key = await ports.keys.find_by_id(named.key_id)
    if key is None or key.region != call.region:
        raise AccessDenied(_NO_KEY)
    if key.account_id != call.account_id:
        verdict = await key_verdict(ports, call, key, action, _conditions(context))
        if not verdict.is_allowed:
            raise AccessDenied(_NO_KEY)
    else:
        await authorise_key(ports, call, key, action, _conditions(context))
    require_enabled(key)
    _refuse_grant_tokens(call)
    return key


async def _seal(ports: ApiPorts, key: Key, plaintext: bytes, context: Mapping[str, str]) -> bytes:
    material = await ports.keys.material(key.key_id, key.version)
    assert material is not None, key.arn
    return seal_blob(material.secret, BlobKey(key.key_id, key.version), plaintext, context)


async def _open(ports: ApiPorts, call: Call, key: Key, context: Mapping[str, str]) -> tuple[bytes, str]:
    """Return what the call's blob holds, and the id of the material that it was made with."""
    version = read_blob(_blob(call)).version
    material = await ports.keys.material(key.key_id, version)
    if material is None:
        raise InvalidCiphertextException
    try:
        return open_blob(material.secret, _blob(call), context), material.id
    except BlobBroken as error:
        raise InvalidCiphertextException from error


def _blob(call: Call) -> bytes:
    if "CiphertextBlob" not in call.parameters:
        raise ValidationFailed(
            "1 validation error detected: Value null at 'ciphertextBlob' failed to satisfy constraint: Member must not "
            "be null"
        )
    blob: bytes = call.parameters["CiphertextBlob"]
    return blob


def _context(call: Call, member: str) -> dict[str, str]:
    context: dict[str, str] = call.parameters.get(member) or {}
    try:
        encode_context(context)
    except ValueError as error:
        raise ValidationFailed(f"{member}: {error}.") from error
    return context


def _conditions(context: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {**context_conditions(context), "kms:EncryptionAlgorithm": (SYMMETRIC,)}


def _check_algorithm(call: Call, *members: str) -> None:
    for member in members:
        algorithm = call.parameters.get(member, SYMMETRIC)
        if algorithm != SYMMETRIC:
            raise InvalidKeyUsageException(algorithm)


def _refuse_grant_tokens(call: Call) -> None:
    if call.parameters.get("GrantTokens"):
        raise InvalidGrantTokenException


def _refuse_recipient(call: Call) -> None:
    if "Recipient" in call.parameters:
        raise ValidationFailed("Recipient is not supported by this installation.")


def _stop_dry_run(call: Call) -> None:
    if call.parameters.get("DryRun", False):
        raise DryRunOperationException
