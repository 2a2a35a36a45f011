"""The one schema of the metadata database. In words: docs/formats/metadata.md; how it came to be: migrations."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy import text as sql
from sqlalchemy.schema import SchemaItem

from opentrail.adapters.metadata_store.columns import Moment, account_and_region, text

NAMING_CONVENTION = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}

metadata = MetaData(naming_convention=NAMING_CONVENTION)


def _resources(name: str, *more: SchemaItem) -> Table:
    """Return a table of an account's resources in a Region, each under its ARN."""
    return Table(
        name,
        metadata,
        Column("arn", text(), nullable=False),
        *account_and_region(),
        *more,
        Column("settings", LargeBinary, nullable=False),
        PrimaryKeyConstraint("arn"),
        Index(None, "account_id", "region"),
    )


users = Table(
    "users",
    metadata,
    Column("account_id", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("user_id", text(), nullable=False),
    Column("arn", text(), nullable=False),
    Column("path", text(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    PrimaryKeyConstraint("account_id", "name"),
    UniqueConstraint("arn"),
)

roles = Table(
    "roles",
    metadata,
    Column("account_id", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("role_id", text(), nullable=False),
    Column("arn", text(), nullable=False),
    Column("path", text(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("trust_policy", text(), nullable=False),
    Column("max_session_seconds", Integer, nullable=False),
    PrimaryKeyConstraint("account_id", "name"),
    UniqueConstraint("arn"),
)

policies = Table(
    "policies",
    metadata,
    Column("principal_arn", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("document", text(), nullable=False),
    PrimaryKeyConstraint("principal_arn", "name"),
)

credentials = Table(
    "credentials",
    metadata,
    Column("access_key_id", text(), nullable=False),
    Column("account_id", text(), nullable=False),
    Column("owner_arn", text(), nullable=False),
    Column("principal", text(), nullable=False),
    Column("sealed_secrets", LargeBinary, nullable=False),
    Column("expires_at", Moment()),
    Column("is_active", Boolean, nullable=False),
    Column("is_imported", Boolean, nullable=False),
    Column("session_policy", text(), nullable=False),
    PrimaryKeyConstraint("access_key_id"),
    Index(None, "account_id"),
    Index(None, "owner_arn"),
    Index(None, "expires_at"),
)

learned_identities = Table(
    "learned_identities",
    metadata,
    Column("access_key_id", text(), nullable=False),
    Column("token_hash", text(), nullable=False),
    Column("principal", text(), nullable=False),
    Column("expires_at", Moment()),
    Column("used_at", Moment(), nullable=False),
    PrimaryKeyConstraint("access_key_id", "token_hash"),
    Index(None, "expires_at"),
    Index(None, "used_at"),
)

upstream_owners = Table(
    "upstream_owners",
    metadata,
    Column("kind", text(), nullable=False),
    Column("account_id", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("unique_id", text(), nullable=False),
    Column("arn", text(), nullable=False),
    Column("seen_at", Moment(), nullable=False),
    PrimaryKeyConstraint("kind", "account_id", "name"),
    Index(None, "seen_at"),
)

mfa_devices = Table(
    "mfa_devices",
    metadata,
    Column("user_arn", text(), nullable=False),
    Column("serial_number", text(), nullable=False),
    Column("sealed_secret", LargeBinary, nullable=False),
    Column("enabled_at", Moment(), nullable=False),
    Column("last_step", BigInteger, nullable=False),
    Column("wrong_codes", Integer, nullable=False),
    Column("wrong_at", Moment()),
    PrimaryKeyConstraint("user_arn"),
    UniqueConstraint("serial_number"),
)

applied_settings = Table(
    "applied_settings",
    metadata,
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("position", text(), nullable=False),
    Column("regions", text(), nullable=False),
    PrimaryKeyConstraint("id"),
    CheckConstraint("id = 1", name="one_row"),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", text(), nullable=False),
    *account_and_region(),
    Column("created_at", Moment(), nullable=False),
    Column("policy", text(), nullable=False),
    Column("state", text(), nullable=False),
    Column("description", text(), nullable=False),
    Column("tags", text(), nullable=False),
    Column("deletion_at", Moment()),
    Column("rotation_period_days", Integer, nullable=False),
    Column("next_rotation_at", Moment()),
    Column("version", Integer, nullable=False),
    PrimaryKeyConstraint("key_id"),
    Index(None, "account_id", "region", "key_id"),
    Index(None, "deletion_at"),
    Index(None, "next_rotation_at"),
)

key_versions = Table(
    "key_versions",
    metadata,
    Column("key_id", text(), ForeignKey("keys.key_id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed_material", LargeBinary, nullable=False),
    Column("material_id", text(), nullable=False),
    Column("rotated_at", Moment(), nullable=False),
    Column("is_on_demand", Boolean, nullable=False),
    PrimaryKeyConstraint("key_id", "version"),
)

key_aliases = Table(
    "key_aliases",
    metadata,
    *account_and_region(),
    Column("name", text(), nullable=False),
    Column("key_id", text(), ForeignKey("keys.key_id"), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("updated_at", Moment(), nullable=False),
    PrimaryKeyConstraint("account_id", "region", "name"),
    Index(None, "key_id"),
)

trails = Table(
    "trails",
    metadata,
    Column("arn", text(), nullable=False),
    Column("account_id", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "account_id"),
)

tags = Table(
    "tags",
    metadata,
    Column("resource_arn", text(), nullable=False),
    Column("tags", text(), nullable=False),
    PrimaryKeyConstraint("resource_arn"),
)

event_data_stores = Table(
    "event_data_stores",
    metadata,
    Column("arn", text(), nullable=False),
    Column("account_id", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "account_id"),
)

channels = Table(
    "channels",
    metadata,
    Column("arn", text(), nullable=False),
    Column("account_id", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "account_id"),
)

lake_readers = Table(
    "lake_readers",
    metadata,
    Column("arn", text(), nullable=False),
    Column("cursor", text(), nullable=False),
    Column("settings", LargeBinary),
    PrimaryKeyConstraint("arn"),
)

lake_seals = Table(
    "lake_seals",
    metadata,
    Column("arn", text(), nullable=False),
    Column("statement", text(), nullable=False),
    Column("fingerprint", text(), nullable=False),
    Column("signature", text(), nullable=False),
    PrimaryKeyConstraint("arn"),
)

resource_policies = Table(
    "resource_policies",
    metadata,
    Column("resource_arn", text(), nullable=False),
    Column("policy", text(), nullable=False),
    PrimaryKeyConstraint("resource_arn"),
)

log_groups = Table(
    "log_groups",
    metadata,
    Column("group_id", text(), nullable=False),
    *account_and_region(),
    Column("name", text(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("retention_days", Integer, nullable=False),
    Column("group_class", text(), nullable=False),
    Column("is_deletion_protected", Boolean, nullable=False),
    Column("tags", text(), nullable=False),
    Column("kms_key_arn", text(), nullable=False, server_default=sql("''")),
    PrimaryKeyConstraint("group_id"),
    Index("ix_log_groups_place", "account_id", "region", "name", unique=True),
)

log_result_keys = Table(
    "log_result_keys",
    metadata,
    *account_and_region(),
    Column("kms_key_arn", text(), nullable=False),
    PrimaryKeyConstraint("account_id", "region"),
)

log_streams = Table(
    "log_streams",
    metadata,
    Column("group_id", text(), ForeignKey("log_groups.group_id"), nullable=False),
    Column("name", text(), nullable=False),
    Column("stream_id", text(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    PrimaryKeyConstraint("group_id", "name"),
)

log_filters = Table(
    "log_filters",
    metadata,
    Column("group_id", text(), ForeignKey("log_groups.group_id"), nullable=False),
    Column("kind", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("created_at", Moment(), nullable=False),
    Column("settings", text(), nullable=False),
    PrimaryKeyConstraint("group_id", "kind", "name"),
)

log_readers = Table(
    "log_readers",
    metadata,
    Column("trail_arn", text(), nullable=False),
    Column("cursor", text(), nullable=False),
    Column("trail", LargeBinary, nullable=False),
    PrimaryKeyConstraint("trail_arn"),
)

trail_snapshots = Table(
    "trail_snapshots",
    metadata,
    Column("sha256", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("sha256"),
)

readers = Table(
    "readers",
    metadata,
    Column("trail_arn", text(), nullable=False),
    Column("cursor", text(), nullable=False),
    Column("trail_sha256", text(), ForeignKey("trail_snapshots.sha256")),
    Column("regions", text(), nullable=False),
    PrimaryKeyConstraint("trail_arn"),
)

log_file_plans = Table(
    "log_file_plans",
    metadata,
    Column("trail_arn", text(), nullable=False),
    Column("key", text(), nullable=False),
    Column("region", text(), nullable=False),
    Column("account_id", text(), nullable=False),
    Column("bucket", text(), nullable=False),
    Column("first_position", text(), nullable=False),
    Column("last_position", text(), nullable=False),
    Column("stamp", Moment(), nullable=False),
    Column("sha256", text(), nullable=False),
    Column("event_count", Integer, nullable=False),
    Column("oldest_event_time", text(), nullable=False),
    Column("newest_event_time", text(), nullable=False),
    Column("trail_sha256", text(), ForeignKey("trail_snapshots.sha256"), nullable=False),
    Column("delivered_at", Moment()),
    Column("tree_hash", text(), nullable=False, server_default=sql("''")),
    PrimaryKeyConstraint("trail_arn", "key"),
    Index(None, "trail_arn", "account_id", "region", "delivered_at"),
)
Index(
    "ix_log_file_plans_open",
    log_file_plans.c.trail_arn,
    log_file_plans.c.first_position,
    sqlite_where=log_file_plans.c.delivered_at.is_(None),
    postgresql_where=log_file_plans.c.delivered_at.is_(None),
)

digest_plans = Table(
    "digest_plans",
    metadata,
    Column("trail_arn", text(), nullable=False),
    *account_and_region(),
    Column("end_time", Moment(), nullable=False),
    Column("start_time", Moment(), nullable=False),
    Column("bucket", text(), nullable=False),
    Column("key", text(), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("signature", text(), nullable=False),
    Column("fingerprint", text(), nullable=False),
    Column("previous_key", text(), nullable=False),
    Column("is_final", Boolean, nullable=False),
    Column("delivered_at", Moment()),
    PrimaryKeyConstraint("trail_arn", "account_id", "region", "end_time"),
)
Index(
    "ix_digest_plans_open",
    digest_plans.c.trail_arn,
    digest_plans.c.end_time,
    sqlite_where=digest_plans.c.delivered_at.is_(None),
    postgresql_where=digest_plans.c.delivered_at.is_(None),
)

Index("ix_digest_plans_end_time", digest_plans.c.end_time)

witness_receipts = Table(
    "witness_receipts",
    metadata,
    Column("bucket", text(), nullable=False),
    Column("key", text(), nullable=False),
    Column("witness", text(), nullable=False),
    Column("kind", text(), nullable=False),
    Column("statement", LargeBinary, nullable=False),
    Column("end_time", Moment(), nullable=False),
    Column("attested_at", Moment(), nullable=False),
    Column("evidence", LargeBinary, nullable=False),
    Column("is_published", Boolean, nullable=False),
    PrimaryKeyConstraint("bucket", "key", "witness"),
)
Index(
    "ix_witness_receipts_unpublished",
    witness_receipts.c.end_time,
    sqlite_where=witness_receipts.c.is_published.is_(False),
    postgresql_where=witness_receipts.c.is_published.is_(False),
)

pending_notices = Table(
    "pending_notices",
    metadata,
    Column("notice_id", text(), nullable=False),
    Column("receiver", text(), nullable=False),
    Column("trail_arn", text(), nullable=False),
    Column("region", text(), nullable=False),
    Column("bucket", text(), nullable=False),
    Column("key", text(), nullable=False),
    Column("delivered_at", Moment(), nullable=False),
    Column("failures", Integer, nullable=False, server_default=sql("0")),
    Column("postponed_until", Moment()),
    PrimaryKeyConstraint("notice_id"),
    Index(None, "receiver", "postponed_until", "delivered_at"),
)

trail_status = Table(
    "trail_status",
    metadata,
    Column("trail_arn", text(), nullable=False),
    Column("region", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("value", text(), nullable=False),
    PrimaryKeyConstraint("trail_arn", "region", "name"),
)

event_buses = _resources("event_buses", Column("name", text(), nullable=False))

event_rules = Table(
    "event_rules",
    metadata,
    Column("arn", text(), nullable=False),
    Column("bus_arn", text(), nullable=False),
    Column("name", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "bus_arn", "name"),
)

rules_in_force = Table(
    "rules_in_force",
    metadata,
    Column("arn", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
)

rules_reader = Table(
    "rules_reader",
    metadata,
    Column("id", Integer, nullable=False, autoincrement=False),
    Column("cursor", text(), nullable=False),
    CheckConstraint("id = 1", name="one_row"),
    PrimaryKeyConstraint("id"),
)

invocations = Table(
    "invocations",
    metadata,
    Column("invocation_id", text(), nullable=False),
    Column("destination", text(), nullable=False),
    Column("rule_arn", text(), nullable=False),
    Column("target_id", text(), nullable=False),
    Column("target", LargeBinary, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("matched_at", Moment(), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failure", text(), nullable=False),
    Column("postponed_until", Moment()),
    PrimaryKeyConstraint("invocation_id"),
    Index(None, "destination", "postponed_until", "matched_at"),
)

invocation_batches = Table(
    "invocation_batches",
    metadata,
    Column("destination", text(), nullable=False),
    Column("position", text(), nullable=False),
    Column("number", Integer, nullable=False),
    Column("matched_at", Moment(), nullable=False),
    Column("body", LargeBinary, nullable=False),
    PrimaryKeyConstraint("destination", "position"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("arn", text(), nullable=False),
    *account_and_region(),
    Column("name", text(), nullable=False),
    Column("kind", text(), nullable=False),
    Column("configured_at", Moment(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    Column("state", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
)

alarm_history = Table(
    "alarm_history",
    metadata,
    Column("item_id", text(), nullable=False),
    *account_and_region(),
    Column("alarm_name", text(), nullable=False),
    Column("alarm_kind", text(), nullable=False),
    Column("at", Moment(), nullable=False),
    Column("kind", text(), nullable=False),
    Column("summary", text(), nullable=False),
    Column("data", LargeBinary, nullable=False),
    PrimaryKeyConstraint("item_id"),
    Index(None, "account_id", "region", "at"),
    Index(None, "at"),
)

topics = _resources("topics")

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("arn", text(), nullable=False),
    Column("topic_arn", text(), nullable=False),
    *account_and_region(),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "topic_arn"),
    Index(None, "account_id", "region"),
)

trail_guards = Table(
    "trail_guards",
    metadata,
    Column("trail_arn", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("trail_arn"),
)

query_definitions = Table(
    "query_definitions",
    metadata,
    Column("definition_id", text(), nullable=False),
    *account_and_region(),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("definition_id"),
    Index(None, "account_id", "region"),
)

event_connections = Table(
    "event_connections",
    metadata,
    Column("arn", text(), nullable=False),
    *account_and_region(),
    Column("name", text(), nullable=False),
    Column("state", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    Column("sealed_secrets", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "account_id", "region", "name", unique=True),
    Index(None, "state"),
)

api_destinations = Table(
    "api_destinations",
    metadata,
    Column("arn", text(), nullable=False),
    *account_and_region(),
    Column("name", text(), nullable=False),
    Column("settings", LargeBinary, nullable=False),
    PrimaryKeyConstraint("arn"),
    Index(None, "account_id", "region", "name", unique=True),
)

log_policies = Table(
    "log_policies",
    metadata,
    *account_and_region(),
    Column("name", text(), nullable=False),
    Column("document", text(), nullable=False),
    Column("modified_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("account_id", "region", "name"),
)

event_archives = _resources("event_archives")

event_replays = _resources("event_replays", Column("ended_at", Moment()), Index(None, "ended_at"))
