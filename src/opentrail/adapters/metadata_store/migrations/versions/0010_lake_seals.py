"""The newest seal of each event data store's table."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "lake_seals",
        sa.Column("arn", _text(), nullable=False),
        sa.Column("statement", _text(), nullable=False),
        sa.Column("fingerprint", _text(), nullable=False),
        sa.Column("signature", _text(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_lake_seals"),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
