"""Log groups, their streams and filters, and the readers that deliver trails to them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.create_table(
        "log_groups",
        sa.Column("group_id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("group_class", _text(), nullable=False),
        sa.Column("is_deletion_protected", sa.Boolean(), nullable=False),
        sa.Column("tags", _text(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name="pk_log_groups"),
    )
    op.create_index("ix_log_groups_place", "log_groups", ["account_id", "region", "name"], unique=True)
    op.create_table(
        "log_streams",
        _group_id("log_streams"),
        sa.Column("name", _text(), nullable=False),
        sa.Column("stream_id", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "name", name="pk_log_streams"),
    )
    op.create_table(
        "log_filters",
        _group_id("log_filters"),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("created_at", _text(), nullable=False),
        sa.Column("settings", _text(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "kind", "name", name="pk_log_filters"),
    )
    op.create_table(
        "log_readers",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("cursor", _text(), nullable=False),
        sa.Column("trail", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trail_arn", name="pk_log_readers"),
    )


def _group_id(table: str) -> sa.Column[str]:
    reference = sa.ForeignKey("log_groups.group_id", name=f"fk_{table}_group_id")
    return sa.Column("group_id", _text(), reference, nullable=False)


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
