"""API destinations and the connections that they call with."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    op.create_table(
        "event_connections",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("state", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_secrets", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_event_connections"),
    )
    op.create_index(
        "ix_event_connections_account_id_region_name",
        "event_connections",
        ["account_id", "region", "name"],
        unique=True,
    )
    op.create_index("ix_event_connections_state", "event_connections", ["state"])
    op.create_table(
        "api_destinations",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_api_destinations"),
    )
    op.create_index(
        "ix_api_destinations_account_id_region_name", "api_destinations", ["account_id", "region", "name"], unique=True
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
