"""What witnesses gave for digests."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "witness_receipts",
        sa.Column("bucket", _text(), nullable=False),
        sa.Column("key", _text(), nullable=False),
        sa.Column("witness", _text(), nullable=False),
        sa.Column("kind", _text(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.Column("end_time", _text(), nullable=False),
        sa.Column("attested_at", _text(), nullable=False),
        sa.Column("evidence", sa.LargeBinary(), nullable=False),
        sa.Column("is_published", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "key", "witness", name="pk_witness_receipts"),
    )
    op.create_index(
        "ix_witness_receipts_unpublished",
        "witness_receipts",
        ["end_time"],
        sqlite_where=sa.text("is_published IS 0"),
        postgresql_where=sa.text("is_published IS false"),
    )
    op.create_index("ix_digest_plans_end_time", "digest_plans", ["end_time"])


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
