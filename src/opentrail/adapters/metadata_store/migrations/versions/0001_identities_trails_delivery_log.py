"""Identities, trails and the delivery log."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _create_identities()
    _create_trails()
    _create_delivery_log()


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")


def _create_identities() -> None:
    op.create_table(
        "users",
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("user_id", _text(), nullable=False),
        sa.Column("arn", _text(), nullable=False),
        sa.Column("path", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_users"),
        sa.UniqueConstraint("arn", name="uq_users_arn"),
    )
    op.create_table(
        "roles",
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("role_id", _text(), nullable=False),
        sa.Column("arn", _text(), nullable=False),
        sa.Column("path", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.Column("trust_policy", _text(), nullable=False),
        sa.Column("max_session_seconds", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "name", name="pk_roles"),
        sa.UniqueConstraint("arn", name="uq_roles_arn"),
    )
    op.create_table(
        "policies",
        sa.Column("principal_arn", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("document", _text(), nullable=False),
        sa.PrimaryKeyConstraint("principal_arn", "name", name="pk_policies"),
    )
    op.create_table(
        "credentials",
        sa.Column("access_key_id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("owner_arn", _text(), nullable=False),
        sa.Column("principal", _text(), nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", _text()),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("is_imported", sa.Boolean(), nullable=False),
        sa.Column("session_policy", _text(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", name="pk_credentials"),
    )
    op.create_index("ix_credentials_account_id", "credentials", ["account_id"])
    op.create_index("ix_credentials_owner_arn", "credentials", ["owner_arn"])
    op.create_index("ix_credentials_expires_at", "credentials", ["expires_at"])
    op.create_table(
        "learned_identities",
        sa.Column("access_key_id", _text(), nullable=False),
        sa.Column("token_hash", _text(), nullable=False),
        sa.Column("principal", _text(), nullable=False),
        sa.Column("expires_at", _text()),
        sa.Column("used_at", _text(), nullable=False),
        sa.PrimaryKeyConstraint("access_key_id", "token_hash", name="pk_learned_identities"),
    )
    op.create_index("ix_learned_identities_expires_at", "learned_identities", ["expires_at"])
    op.create_index("ix_learned_identities_used_at", "learned_identities", ["used_at"])


def _create_trails() -> None:
    op.create_table(
        "applied_settings",
        sa.Column("id", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("position", _text(), nullable=False),
        sa.Column("regions", _text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_applied_settings"),
        sa.CheckConstraint("id = 1", name=op.f("ck_applied_settings_one_row")),
    )
    op.create_table(
        "trails",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_trails"),
    )
    op.create_index("ix_trails_account_id", "trails", ["account_id"])
    op.create_table(
        "tags",
        sa.Column("resource_arn", _text(), nullable=False),
        sa.Column("tags", _text(), nullable=False),
        sa.PrimaryKeyConstraint("resource_arn", name="pk_tags"),
    )


def _create_delivery_log() -> None:
    op.create_table(
        "trail_snapshots",
        sa.Column("sha256", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_trail_snapshots"),
    )
    op.create_table(
        "readers",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("cursor", _text(), nullable=False),
        sa.Column("trail_sha256", _text()),
        sa.Column("regions", _text(), nullable=False),
        sa.PrimaryKeyConstraint("trail_arn", name="pk_readers"),
        sa.ForeignKeyConstraint(["trail_sha256"], ["trail_snapshots.sha256"], name="fk_readers_trail_sha256"),
    )
    _create_log_file_plans()
    _create_digest_plans()
    op.create_table(
        "trail_status",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("value", _text(), nullable=False),
        sa.PrimaryKeyConstraint("trail_arn", "region", "name", name="pk_trail_status"),
    )


def _create_log_file_plans() -> None:
    op.create_table(
        "log_file_plans",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("bucket", _text(), nullable=False),
        sa.Column("first_position", _text(), nullable=False),
        sa.Column("last_position", _text(), nullable=False),
        sa.Column("stamp", _text(), nullable=False),
        sa.Column("sha256", _text(), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("oldest_event_time", _text(), nullable=False),
        sa.Column("newest_event_time", _text(), nullable=False),
        sa.Column("trail_sha256", _text(), nullable=False),
        sa.Column("delivered_at", _text()),
        sa.PrimaryKeyConstraint("trail_arn", "key", name="pk_log_file_plans"),
        sa.ForeignKeyConstraint(["trail_sha256"], ["trail_snapshots.sha256"], name="fk_log_file_plans_trail_sha256"),
    )
    op.create_index(
        "ix_log_file_plans_trail_arn_region_delivered_at", "log_file_plans", ["trail_arn", "region", "delivered_at"]
    )
    is_open = sa.text("delivered_at IS NULL")
    op.create_index(
        "ix_log_file_plans_open",
        "log_file_plans",
        ["trail_arn", "first_position"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )


def _create_digest_plans() -> None:
    op.create_table(
        "digest_plans",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("end_time", _text(), nullable=False),
        sa.Column("start_time", _text(), nullable=False),
        sa.Column("bucket", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("signature", _text(), nullable=False),
        sa.Column("fingerprint", _text(), nullable=False),
        sa.Column("previous_key", _text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False),
        sa.Column("delivered_at", _text()),
        sa.PrimaryKeyConstraint("trail_arn", "region", "end_time", name="pk_digest_plans"),
    )
    is_open = sa.text("delivered_at IS NULL")
    op.create_index(
        "ix_digest_plans_open",
        "digest_plans",
        ["trail_arn", "end_time"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
