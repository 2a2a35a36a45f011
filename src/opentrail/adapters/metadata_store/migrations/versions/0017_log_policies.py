"""Resource policies of CloudWatch Logs."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    op.create_table(
        "log_policies",
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("document", _text(), nullable=False),
        sa.Column("modified_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region", "name", name="pk_log_policies"),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
