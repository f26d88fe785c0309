"""Schema 5: every measure of every model that was tuned or evaluated."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)


def upgrade(connection: Connection) -> None:
    """Make the table of results, a row a measure."""
    metadata = MetaData()
    results = Table(
        "results",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("run", String(12), nullable=False),
        Column("measured", String(32), nullable=False),
        Column("operation", String(32), nullable=False),
        Column("task", String(32), nullable=False),
        Column("method", String(32), nullable=False),
        Column("model", Text, nullable=False),
        Column("model_sha256", String(64)),
        Column("data", Text, nullable=False),
        Column("data_sha256", String(64), nullable=False),
        Column("split", String(32), nullable=False),
        Column("train_rows", Integer),
        Column("measure", String(64), nullable=False),
        Column("place", Integer, nullable=False),
        Column("is_headline", Integer, nullable=False),
        Column("value", Float, nullable=False),
        Column("unit", String(32), nullable=False),
        Column("count", Integer, nullable=False),
        Column("low", Float),
        Column("high", Float),
        Column("seconds", Float, nullable=False),
        Column("peak_bytes", BigInteger),
        Column("machine", Text, nullable=False),
        Column("bundle", Text, nullable=False),
        Column("fingerprint", String(64), nullable=False),
    )
    Index("results_data", results.c.data_sha256)
    Index("results_model", results.c.model_sha256)
    Index("results_run", results.c.run)
    metadata.create_all(connection)
