"""The Merkle tree hash of each planned log file's events; empty for files planned before."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    text = sa.String().with_variant(sa.String(collation="C"), "postgresql")
    op.add_column("log_file_plans", sa.Column("tree_hash", text, nullable=False, server_default=sa.text("''")))
