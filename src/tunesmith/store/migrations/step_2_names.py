"""Schema 2: names, notes and tags of runs, and the machine and folder they were typed in."""

from __future__ import annotations

from sqlalchemy import Column, Connection, Index, MetaData, String, Table, text


def upgrade(connection: Connection) -> None:
    """Add four columns to the runs, and the table of tags."""
    for column in ("name VARCHAR(64)", "note TEXT", "host VARCHAR(255)", "directory TEXT"):
        connection.execute(text(f"ALTER TABLE runs ADD COLUMN {column}"))
    connection.execute(text("CREATE UNIQUE INDEX runs_name ON runs (name)"))
    connection.execute(text("CREATE INDEX runs_started ON runs (started)"))
    metadata = MetaData()
    tags = Table(
        "tags",
        metadata,
        Column("run", String(12), primary_key=True),
        Column("tag", String(64), primary_key=True),
    )
    Index("tags_tag", tags.c.tag)
    metadata.create_all(connection)
