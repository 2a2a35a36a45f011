"""Notices of delivered files that are still to be sent."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "pending_notices",
        sa.Column("notice_id", _text(), nullable=False),
        sa.Column("receiver", _text(), nullable=False),
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("bucket", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("delivered_at", _text(), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name="pk_pending_notices"),
    )
    op.create_index(
        "ix_pending_notices_receiver_delivered_at_key", "pending_notices", ["receiver", "delivered_at", "key"]
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
