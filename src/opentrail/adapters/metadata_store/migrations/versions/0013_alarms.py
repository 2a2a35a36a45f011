"""Alarms, the state each is in, and their history."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_table(
        "alarms",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("configured_at", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_alarms"),
    )
    op.create_table(
        "alarm_history",
        sa.Column("item_id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("alarm_name", _text(), nullable=False),
        sa.Column("alarm_kind", _text(), nullable=False),
        sa.Column("at", _text(), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("summary", _text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("item_id", name="pk_alarm_history"),
    )
    op.create_index("ix_alarm_history_account_id_region_at", "alarm_history", ["account_id", "region", "at"])
    op.create_index("ix_alarm_history_at", "alarm_history", ["at"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
