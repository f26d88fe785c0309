"""Schema 4: the bundles and backbones that runs left, by fingerprint, with their parents."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, MetaData, String, Table, Text


def upgrade(connection: Connection) -> None:
    """Make the tables of what was made, and of what it was made from."""
    metadata = MetaData()
    bundles = Table(
        "bundles",
        metadata,
        Column("fingerprint", String(64), primary_key=True),
        Column("path", Text, primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("run", String(12), nullable=False),
        Column("made", String(32), nullable=False),
    )
    Index("bundles_run", bundles.c.run)
    parents = Table(
        "parents",
        metadata,
        Column("child", String(64), primary_key=True),
        Column("parent", String(64), primary_key=True),
    )
    Index("parents_parent", parents.c.parent)
    metadata.create_all(connection)
