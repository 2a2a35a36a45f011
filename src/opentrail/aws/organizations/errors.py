"""The errors of Organizations' service model that our handlers raise: one class per shape, each text once."""

from opentrail.aws.common_errors import DetailedError
from opentrail.errors import AwsError


class AWSOrganizationsNotInUseException(AwsError):
    """The caller's account is in no organization."""

    def __init__(self) -> None:
        super().__init__("Your account is not a member of an organization.")


class AccessDeniedException(AwsError):
    """Only the management account and delegated administrators may ask this."""

    def __init__(self) -> None:
        super().__init__("You don't have permissions to access this resource.")


class AccountNotFoundException(AwsError):
    """The organization has no such account."""

    def __init__(self) -> None:
        super().__init__("You specified an account that doesn't exist.")


class AccountNotRegisteredException(AwsError):
    """The account is no delegated administrator."""

    def __init__(self) -> None:
        super().__init__("The provided account is not a registered delegated administrator for your organization.")


class InvalidInputException(DetailedError):
    """A parameter cannot be used; ``Reason`` says why."""

    @classmethod
    def bad_token(cls) -> "InvalidInputException":
        return cls("You specified an invalid value for NextToken.", Reason="INVALID_NEXT_TOKEN")
