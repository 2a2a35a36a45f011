"""SNS topics and their subscriptions."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.create_table(
        "topics",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_topics"),
    )
    op.create_index("ix_topics_account_id_region", "topics", ["account_id", "region"])
    op.create_table(
        "subscriptions",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("topic_arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_subscriptions"),
    )
    op.create_index("ix_subscriptions_topic_arn", "subscriptions", ["topic_arn"])
    op.create_index("ix_subscriptions_account_id_region", "subscriptions", ["account_id", "region"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
