"""The errors of the lake's queries: one class per shape, each text once."""

from opentrail.errors import AwsError


class InvalidQueryStatementException(AwsError):
    """The statement is refused; the message says where and why."""

    @classmethod
    def without_store(cls) -> "InvalidQueryStatementException":
        return cls("The query statement must name an event data store in its FROM clause.")


class MaxConcurrentQueriesException(AwsError):
    """The account has as many queries queued and running as it may have."""

    def __init__(self, quota: int) -> None:
        super().__init__(f"You are already running the maximum number of {quota} concurrent queries.")


class QueryIdNotFoundException(AwsError):
    """No such query of this account in this Region, or it is older than seven days."""

    def __init__(self, query_id: str) -> None:
        super().__init__(f"The query ID {query_id} does not exist or does not map to a query.")


class InactiveQueryException(AwsError):
    """The query has ended."""

    def __init__(self, query_id: str, status: str) -> None:
        super().__init__(f"The query {query_id} cannot be cancelled because it is in the {status} state.")


class InvalidQueryStatusException(AwsError):
    """No such query status."""

    def __init__(self, status: str) -> None:
        super().__init__(f"{status[:40]} is not a valid query status.")


class InvalidDateRangeException(AwsError):
    """The start lies behind the end."""

    def __init__(self) -> None:
        super().__init__("The start time must be earlier than the end time.")
