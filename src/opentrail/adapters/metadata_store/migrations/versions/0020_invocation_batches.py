"""Invocations of targets that take nothing, many in a row."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.create_table(
        "invocation_batches",
        sa.Column("destination", _text(), nullable=False),
        sa.Column("position", _text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("matched_at", _text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("destination", "position", name="pk_invocation_batches"),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
