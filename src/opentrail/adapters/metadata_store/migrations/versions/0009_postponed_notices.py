"""How often a notice was refused by itself, and until when it waits for that."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.add_column("pending_notices", sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("pending_notices", sa.Column("postponed_until", text))
    op.drop_index("ix_pending_notices_receiver_delivered_at_key", "pending_notices")
    op.create_index(
        "ix_pending_notices_receiver_postponed_until_delivered_at",
        "pending_notices",
        ["receiver", "postponed_until", "delivered_at"],
    )
