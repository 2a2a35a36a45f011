"""Amazon Resource Names: ``arn:partition:service:region:account:resource``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arn:
    """An ARN in its six parts. ``str()`` gives the text back unchanged."""

    partition: str
    service: str
    region: str
    account_id: str
    resource: str

    def __str__(self) -> str:
        return f"arn:{self.partition}:{self.service}:{self.region}:{self.account_id}:{self.resource}"

    @classmethod
    def parse(cls, text: str) -> "Arn":
        """Split ``text``; raises ValueError when it is not an ARN."""
        parts = text.split(":", 5)
        if len(parts) != 6 or parts[0] != "arn" or not parts[1] or not parts[2] or not parts[5]:
            raise ValueError(f"not an ARN: {text[:200]}")
        return cls(*parts[1:])


def partition_of(region: str) -> str:
    """Return the AWS partition that a Region's name belongs to; unknown names are in ``aws``."""
    if region.startswith("cn-"):
        return "aws-cn"
    if region.startswith("us-gov-"):
        return "aws-us-gov"
    return "aws"


def root_arn(account_id: str) -> str:
    """Return the ARN of an account's Root identity."""
    return f"arn:aws:iam::{account_id}:root"


def is_root_arn(arn: str) -> bool:
    """Say whether an ARN is of an account's Root identity."""
    parts = arn.split(":")
    return len(parts) == 6 and arn == root_arn(parts[4])


def trail_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN of the trail ``name`` whose home is ``region``."""
    return f"arn:{partition_of(region)}:cloudtrail:{region}:{account_id}:trail/{name}"
