"""What the doctor finds: a fault of a known kind, where, in a sentence, and how to mend it."""

from dataclasses import asdict, dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Every kind of fault that is looked for."""

    NO_TRAIL = "no-trail"
    LOGGING_STOPPED = "logging-stopped"
    SELECTS_NOTHING = "selects-nothing"
    NO_VALIDATION = "no-log-file-validation"
    REGION_NOT_COVERED = "region-not-covered"
    GLOBAL_EVENTS_MISSED = "global-events-missed"
    BUCKET_MISSING = "bucket-missing"
    BUCKET_POLICY = "bucket-policy"
    BUCKET_SILENT = "bucket-does-not-answer"
    KEY_MISSING = "key-missing"
    KEY_DISABLED = "key-disabled"
    KEY_POLICY = "key-policy"
    ROLE = "role"
    TOPIC = "topic"
    DELIVERY_FAILING = "delivery-failing"
    DELIVERY_LATE = "delivery-late"
    DIGEST_BEHIND = "digest-behind"
    WITNESS_BEHIND = "witness-behind"
    TARGET_COMMAND = "target-command"
    TARGET_FAILING = "target-failing"
    JOURNAL_FULL = "journal-near-its-bound"
    DISK_SPACE = "disk-space"
    DISK_INODES = "disk-inodes"
    CLOCK = "clock"
    ENDPOINT = "endpoint-unreachable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. ``where`` is the trail's name (its ARN if it is another account's), a Region, or the part of the
    installation; ``mend`` a command, or what to do where no command does it; ``account_id`` the other account whose
    users may type it."""

    fault: Fault
    where: str
    problem: str
    mend: str
    account_id: str = ""

    def to_json(self) -> dict[str, str]:
        """Return it as the operator is told it: an AWS client's command goes through the gateway."""
        told = {name: str(value) for name, value in asdict(self).items() if name != "account_id"}
        if self.mend.startswith("aws "):
            who = f" --as {self.account_id}/USER" if self.account_id else ""
            told["mend"] = f"opentrail exec{who} -- {self.mend}"
        return told
