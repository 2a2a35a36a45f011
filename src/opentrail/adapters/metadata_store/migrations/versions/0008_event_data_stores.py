"""Event data stores, channels, their policies and the lake's readers."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for name in ("event_data_stores", "channels"):
        op.create_table(
            name,
            sa.Column("arn", _text(), nullable=False),
            sa.Column("account_id", _text(), nullable=False),
            sa.Column("settings", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("arn", name=f"pk_{name}"),
        )
        op.create_index(f"ix_{name}_account_id", name, ["account_id"])
    op.create_table(
        "lake_readers",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("cursor", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("arn", name="pk_lake_readers"),
    )
    op.create_table(
        "resource_policies",
        sa.Column("resource_arn", _text(), nullable=False),
        sa.Column("policy", _text(), nullable=False),
        sa.PrimaryKeyConstraint("resource_arn", name="pk_resource_policies"),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
