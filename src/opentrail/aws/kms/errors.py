"""The errors of KMS's service model that our handlers raise: one class per shape, each text once."""

from opentrail.errors import AwsError


class NotFoundException(AwsError):
    """What was named is not there, or is no name of anything."""

    @classmethod
    def key(cls, arn: str) -> "NotFoundException":
        return cls(f"Key '{arn}' does not exist")

    @classmethod
    def alias(cls, arn: str) -> "NotFoundException":
        return cls(f"Alias {arn} is not found.")

    @classmethod
    def key_id(cls, given: str) -> "NotFoundException":
        return cls(f"Invalid keyId '{given[:300]}'")

    @classmethod
    def arn(cls, given: str) -> "NotFoundException":
        return cls(f"Invalid arn {given[:300]}")

    @classmethod
    def policy(cls) -> "NotFoundException":
        return cls("No such policy exists")


class DisabledException(AwsError):
    """The key is disabled."""

    def __init__(self, key_arn: str) -> None:
        super().__init__(f"{key_arn} is disabled.")


class KMSInvalidStateException(AwsError):
    """The key's state does not allow the operation."""

    @classmethod
    def pending_deletion(cls, key_arn: str) -> "KMSInvalidStateException":
        return cls(f"{key_arn} is pending deletion.")

    @classmethod
    def not_pending_deletion(cls, key_arn: str) -> "KMSInvalidStateException":
        return cls(f"{key_arn} is not pending deletion.")


class AlreadyExistsException(AwsError):
    """The alias is taken."""

    def __init__(self, alias_arn: str) -> None:
        super().__init__(f"An alias with the name {alias_arn} already exists")


class InvalidAliasNameException(AwsError):
    """The alias begins as those of AWS's own keys do."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is reserved: names that begin with alias/aws/ are those of AWS managed keys.")


class LimitExceededException(AwsError):
    """A quota is reached."""

    @classmethod
    def keys(cls, quota: int) -> "LimitExceededException":
        return cls(f"The account has {quota} KMS keys in this Region, which is the quota.")

    @classmethod
    def aliases(cls, key_arn: str, quota: int) -> "LimitExceededException":
        return cls(f"{key_arn} has {quota} aliases, which is the quota.")

    @classmethod
    def policy_size(cls, maximum: int) -> "LimitExceededException":
        return cls(f"The key policy is larger than {maximum} bytes.")

    @classmethod
    def rotations(cls, key_arn: str) -> "LimitExceededException":
        return cls(
            "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be "
            f"performed for this key: {key_arn}"
        )


class MalformedPolicyDocumentException(AwsError):
    """The text is no key policy, or one that would lock out who sets it."""

    @classmethod
    def lockout(cls) -> "MalformedPolicyDocumentException":
        return cls("The new key policy will not allow you to update the key policy in the future.")


class TagException(AwsError):
    """The tags cannot be set together, or not at all."""

    @classmethod
    def duplicate(cls) -> "TagException":
        return cls("Duplicate tag keys")

    @classmethod
    def reserved(cls) -> "TagException":
        return cls("Tags beginning with aws: are reserved")

    @classmethod
    def too_many(cls) -> "TagException":
        return cls("Too many tags")

    @classmethod
    def characters(cls) -> "TagException":
        return cls("Tag keys and values have letters, digits, spaces and + - = . _ : / @ only")


class InvalidMarkerException(AwsError):
    """The marker was not given out by this operation."""

    def __init__(self) -> None:
        super().__init__("The marker is not valid.")


class InvalidCiphertextException(AwsError):
    """The blob is none, was altered, or is bound to another encryption context."""

    def __init__(self) -> None:
        super().__init__("")


class IncorrectKeyException(AwsError):
    """The ciphertext was not made with the key that the caller named."""

    def __init__(self) -> None:
        super().__init__("The key ID in the request does not identify a CMK that can perform this operation.")


class InvalidKeyUsageException(AwsError):
    """The algorithm is not the key's."""

    def __init__(self, algorithm: str) -> None:
        super().__init__(f"Algorithm {algorithm} is incompatible with key spec SYMMETRIC_DEFAULT.")


class InvalidGrantTokenException(AwsError):
    """No grants are given out here, so no grant token is valid."""

    def __init__(self) -> None:
        super().__init__("The grant token is not valid.")


class DryRunOperationException(AwsError):
    """The call was asked for a trial, and would have succeeded."""

    def __init__(self) -> None:
        super().__init__("The request would have succeeded, but the DryRun option is set.")


class UnsupportedOperationException(AwsError):
    """The operation or this kind of key is not what this key ring has."""
