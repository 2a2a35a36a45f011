"""Users and roles that an upstream's answers described, and MFA devices of our own users."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "upstream_owners",
        sa.Column("kind", _text(), nullable=False),
        sa.Column("account_id", _text(), nullable=False),
        sa.Column("name", _text(), nullable=False),
        sa.Column("unique_id", _text(), nullable=False),
        sa.Column("arn", _text(), nullable=False),
        sa.Column("seen_at", _text(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "account_id", "name", name="pk_upstream_owners"),
    )
    op.create_index("ix_upstream_owners_seen_at", "upstream_owners", ["seen_at"])
    op.create_table(
        "mfa_devices",
        sa.Column("user_arn", _text(), nullable=False),
        sa.Column("serial_number", _text(), nullable=False),
        sa.Column("sealed_secret", sa.LargeBinary(), nullable=False),
        sa.Column("enabled_at", _text(), nullable=False),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("wrong_codes", sa.Integer(), nullable=False),
        sa.Column("wrong_at", _text()),
        sa.PrimaryKeyConstraint("user_arn", name="pk_mfa_devices"),
        sa.UniqueConstraint("serial_number", name="uq_mfa_devices_serial_number"),
    )


def _text() -> sa.types.TypeEngine[str]:
    return sa.String().with_variant(sa.String(collation="C"), "postgresql")
