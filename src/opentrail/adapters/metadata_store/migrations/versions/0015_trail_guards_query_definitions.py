"""Guards of trails, and saved queries of log groups."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.create_table(
        "trail_guards",
        sa.Column("trail_arn", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("trail_arn", name="pk_trail_guards"),
    )
    op.create_table(
        "query_definitions",
        sa.Column("definition_id", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("definition_id", name="pk_query_definitions"),
    )
    op.create_index("ix_query_definitions_account_id_region", "query_definitions", ["account_id", "region"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
