"""The tables of the newest schema, as queries name them; `migrations` makes them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
)

METADATA = MetaData()
RUNS = Table(
    "runs",
    METADATA,
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
    Column("name", String(64)),
    Column("note", Text),
    Column("host", String(255)),
    Column("directory", Text),
)
TAGS = Table(
    "tags",
    METADATA,
    Column("run", String(12), primary_key=True),
    Column("tag", String(64), primary_key=True),
)
ALIASES = Table(
    "aliases",
    METADATA,
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
BUNDLES = Table(
    "bundles",
    METADATA,
    Column("fingerprint", String(64), primary_key=True),
    Column("path", Text, primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("run", String(12), nullable=False),
    Column("made", String(32), nullable=False),
)
PARENTS = Table(
    "parents",
    METADATA,
    Column("child", String(64), primary_key=True),
    Column("parent", String(64), primary_key=True),
)
RESULTS = Table(
    "results",
    METADATA,
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
