"""KMS keys of log groups and of query results."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    op.add_column("log_groups", sa.Column("kms_key_arn", _text(), nullable=False, server_default=sa.text("''")))
    op.create_table(
        "log_result_keys",
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("region", _text(), nullable=False),
        sa.Column("kms_key_arn", _text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "region", name="pk_log_result_keys"),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
