"""Digest chains of each account: an organization trail has one for every account and Region."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KEPT = "region, end_time, start_time, bucket, key, body, signature, fingerprint, previous_key, is_final, delivered_at"


def upgrade() -> None:
    _index_plans_by_account()
    for index in ("ix_digest_plans_open", "ix_digest_plans_end_time"):
        op.drop_index(index, "digest_plans")
    op.rename_table("digest_plans", "digest_plans_before")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_constraint("pk_digest_plans", "digest_plans_before", type_="primary")
    _create_digest_plans()
    _copy_digest_plans()
    op.drop_table("digest_plans_before")


def _index_plans_by_account() -> None:
    op.drop_index("ix_log_file_plans_trail_arn_region_delivered_at", "log_file_plans")
    op.create_index(
        "ix_log_file_plans_trail_arn_account_id_region_delivered_at",
        "log_file_plans",
        ["trail_arn", "account_id", "region", "delivered_at"],
    )


def _create_digest_plans() -> None:
    op.create_table(
        "digest_plans",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
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
        sa.PrimaryKeyConstraint("trail_arn", "account_id", "region", "end_time", name="pk_digest_plans"),
    )
    is_open = sa.text("delivered_at IS NULL")
    op.create_index(
        "ix_digest_plans_open",
        "digest_plans",
        ["trail_arn", "end_time"],
        sqlite_where=is_open,
        postgresql_where=is_open,
    )
    op.create_index("ix_digest_plans_end_time", "digest_plans", ["end_time"])


def _copy_digest_plans() -> None:
    """Give every digest so far the account that its trail's ARN names: nobody else's were there."""
    connection = op.get_bind()
    arns = connection.execute(sa.text("SELECT DISTINCT trail_arn FROM digest_plans_before")).scalars().all()
    copy = sa.text(
        f"INSERT INTO digest_plans (trail_arn, account_id, {_KEPT}) "  # noqa: S608 - constant column names
        f"SELECT trail_arn, :account_id, {_KEPT} FROM digest_plans_before WHERE trail_arn = :trail_arn"
    )
    for arn in arns:
        connection.execute(copy, {"account_id": arn.split(":")[4], "trail_arn": arn})


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
