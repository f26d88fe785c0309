"""Schema 1: a row a run."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Integer, MetaData, String, Table, Text


def upgrade(connection: Connection) -> None:
    """Make the table of runs."""
    metadata = MetaData()
    Table(
        "runs",
        metadata,
        Column("id", String(12), primary_key=True),
        Column("operation", String(32), nullable=False),
        Column("status", String(16), nullable=False),
        Column("started", String(32), nullable=False),
        Column("finished", String(32)),
        Column("out", Text),
        Column("process", Integer, nullable=False),
        Column("spec", Text, nullable=False),
        Column("result", Text),
        Column("problem", Text),
    )
    metadata.create_all(connection)
