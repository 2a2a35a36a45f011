"""Errors of the operations on delegated administrators."""

from opentrail.errors import AwsError


class AccountNotFoundException(AwsError):
    """No such account in the organization."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"The account {account_id} is not part of the organization.")


class AccountRegisteredException(AwsError):
    """The account is a delegated administrator already."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"The account {account_id} is already registered as the CloudTrail delegated administrator.")


class AccountNotRegisteredException(AwsError):
    """The account is no delegated administrator."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"The account {account_id} is not registered as the CloudTrail delegated administrator.")


class CannotDelegateManagementAccountException(AwsError):
    """The management account looks after everything as it is."""

    def __init__(self) -> None:
        super().__init__("The management account of an organization cannot be its CloudTrail delegated administrator.")


class DelegatedAdminAccountLimitExceededException(AwsError):
    """There are as many delegated administrators as there may be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The organization has the maximum of {limit} CloudTrail delegated administrators.")


class NotOrganizationManagementAccountException(AwsError):
    """Only the management account may say who its delegated administrators are."""

    def __init__(self) -> None:
        super().__init__("The account making the request is not the organization's management account.")
