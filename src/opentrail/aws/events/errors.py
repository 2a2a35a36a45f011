"""The errors of EventBridge's service model that our handlers raise: one class per shape, each text once."""

from opentrail.errors import AwsError


class InvalidEventPatternException(AwsError):
    """The event pattern breaks its language's rules (docs/languages/event-patterns.md)."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Event pattern is not valid. Reason: {reason}")


class ResourceNotFoundException(AwsError):
    """No such bus, rule, connection, API destination, archive, replay or tagged resource in this account and Region."""

    @classmethod
    def bus(cls, name: str) -> "ResourceNotFoundException":
        return cls(f"Event bus {name} does not exist.")

    @classmethod
    def rule(cls, name: str, bus_name: str) -> "ResourceNotFoundException":
        return cls(f"Rule {name} does not exist on EventBus {bus_name}.")

    @classmethod
    def connection(cls, name: str) -> "ResourceNotFoundException":
        return cls(f"Failed to describe the connection(s). Connection '{name}' does not exist.")

    @classmethod
    def api_destination(cls, name: str) -> "ResourceNotFoundException":
        return cls(f"Failed to describe the api-destination(s). An api-destination '{name}' does not exist.")

    @classmethod
    def archive(cls, name: str) -> "ResourceNotFoundException":
        return cls(f"Archive {name} does not exist.")

    @classmethod
    def replay(cls, name: str) -> "ResourceNotFoundException":
        return cls(f"Replay {name} does not exist.")

    @classmethod
    def resource(cls, arn: str) -> "ResourceNotFoundException":
        return cls(f"Resource {arn} does not exist.")


class ResourceAlreadyExistsException(AwsError):
    """The name is taken."""

    @classmethod
    def bus(cls, name: str) -> "ResourceAlreadyExistsException":
        return cls(f"Event bus {name} already exists.")

    @classmethod
    def connection(cls, name: str) -> "ResourceAlreadyExistsException":
        return cls(f"Connection {name} already exists.")

    @classmethod
    def api_destination(cls, name: str) -> "ResourceAlreadyExistsException":
        return cls(f"An api-destination '{name}' already exists.")

    @classmethod
    def archive(cls, name: str) -> "ResourceAlreadyExistsException":
        return cls(f"Archive {name} already exists.")

    @classmethod
    def replay(cls, name: str) -> "ResourceAlreadyExistsException":
        return cls(f"Replay {name} already exists.")

    @classmethod
    def rule(cls, name: str) -> "ResourceAlreadyExistsException":
        return cls(f"Rule {name} already exists.")


class ManagedRuleException(AwsError):
    """The rule belongs to an archive, which alone changes it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Rule {name} is managed by an AWS service and cannot be modified.")


class IllegalStatusException(AwsError):
    """The replay has ended, or is ending."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Replay {name} is not in a valid state for this operation.")


class PolicyLengthExceededException(AwsError):
    """The bus's policy would be longer than a policy may be."""

    def __init__(self) -> None:
        super().__init__("The policy is too long.")


class LimitExceededException(AwsError):
    """One more would be too many (docs/rules.md, section Bounds)."""

    def __init__(self) -> None:
        super().__init__("The requested resource exceeds the maximum number allowed.")
