"""Targets that the operator's settings name: webhooks, commands, chat services, mailboxes.

The API refers to one by ``arn:aws:opentrail:REGION:ACCOUNT:target/NAME``, whatever the Region, and can say nothing else
about it: what runs, or is called, is the settings' alone.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from opentrail.arn import Arn, partition_of

NAMED_SERVICE = "opentrail"
"""The service in such an ARN."""

NAMED_KIND = "target/"

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_target_name(name: str) -> bool:
    """Say whether ``name`` can be a target's: lower-case letters, digits and hyphens, at most 63."""
    return _NAME.fullmatch(name) is not None


def named_target_arn(region: str, account_id: str, name: str) -> str:
    """Return the ARN by which rules, alarms and subscriptions of an account name a target."""
    return f"arn:{partition_of(region)}:{NAMED_SERVICE}:{region}:{account_id}:{NAMED_KIND}{name}"


def target_name(arn: Arn) -> str:
    """Return the name in a target's ARN, "" for the ARN of anything else."""
    if arn.service != NAMED_SERVICE or not arn.resource.startswith(NAMED_KIND):
        return ""
    return arn.resource.removeprefix(NAMED_KIND)


def target_name_in(text: str) -> str:
    """Return the name in a target's ARN, "" for any other text."""
    try:
        return target_name(Arn.parse(text))
    except ValueError:
        return ""


@dataclass(frozen=True, slots=True)
class NamedTargets:
    """Which targets there are, by name, and the accounts that may name each."""

    accounts: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def permits(self, arn: Arn) -> bool:
        """Say whether the settings have this target, for the account in its ARN."""
        return arn.account_id in self.accounts.get(target_name(arn), ())
