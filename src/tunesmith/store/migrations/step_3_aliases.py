"""Schema 3: aliases of bundles with their history; of one alias at most one row is in force."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, Integer, MetaData, String, Table, Text


def upgrade(connection: Connection) -> None:
    """Make the table of aliases. A row without `until` is in force."""
    metadata = MetaData()
    aliases = Table(
        "aliases",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("alias", String(64), nullable=False),
        Column("path", Text, nullable=False),
        Column("fingerprint", String(64), nullable=False),
        Column("run", String(12)),
        Column("since", String(32), nullable=False),
        Column("until", String(32)),
        Column("author", String(255), nullable=False),
        Column("reason", Text),
    )
    Index(
        "aliases_in_force",
        aliases.c.alias,
        unique=True,
        sqlite_where=aliases.c.until.is_(None),
        postgresql_where=aliases.c.until.is_(None),
    )
    metadata.create_all(connection)
