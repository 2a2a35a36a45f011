"""Archives of event buses and their replays."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.create_table(
        "event_archives",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_event_archives"),
    )
    op.create_index("ix_event_archives_account_id_region", "event_archives", ["account_id", "region"])
    op.create_table(
        "event_replays",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("ended_at", _text()),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_event_replays"),
    )
    op.create_index("ix_event_replays_account_id_region", "event_replays", ["account_id", "region"])
    op.create_index("ix_event_replays_ended_at", "event_replays", ["ended_at"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
