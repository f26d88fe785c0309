"""Aliases: history, one bundle in force at a time, the check of the fingerprint, many writers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tunesmith.core.errors import DataError, NotFoundError, SpecError
from tunesmith.core.measures import Measure
from tunesmith.store.aliases import Aliases
from tunesmith.store.bundle_records import BundleRecords
from tunesmith.store.database import Database
from tunesmith.store.results import Measured, Results
from tunesmith.store.runs import RunLog

GIVER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from tunesmith.store.aliases import Aliases
from tunesmith.store.database import Database
place, name = sys.argv[1:]
aliases = Aliases(Database(Path(place) if "://" not in place else place))
for number in range(20):
    aliases.give("@one", SimpleNamespace(path=Path("/b"), fingerprint=f"{name}{number}"))
"""


@dataclass(frozen=True)
class FakeBundle:
    """What aliases know of a bundle: where it stands, and what names its content."""

    path: Path
    fingerprint: str


@pytest.fixture
def database(place) -> Iterator[Database]:
    database = Database(place)
    yield database
    database.close()


@pytest.fixture
def aliases(database) -> Aliases:
    return Aliases(database)


def test_alias_stands_for_its_last_bundle_and_keeps_its_history(aliases, tmp_path):
    first, second = (FakeBundle(tmp_path / name, f"f{name}") for name in "ab")
    aliases.give("@production", first, run="aaaa1111")
    aliases.give("production", second, reason="better")
    found = aliases.find("@production")
    assert (found.path, found.fingerprint, found.until) == (str(tmp_path / "b"), "fb", None)
    assert [own.alias for own in aliases.in_force()] == ["production"]
    newest, oldest = aliases.history("@production")
    assert (oldest.fingerprint, oldest.run, oldest.until) == ("fa", "aaaa1111", newest.since)
    assert (newest.reason, newest.to_json()["alias"]) == ("better", "@production")
    assert "@" in newest.author


def test_alias_that_was_taken_back_stands_for_nothing(aliases, tmp_path):
    aliases.give("@old", FakeBundle(tmp_path, "f"))
    assert aliases.take("@old").path == str(tmp_path)
    with pytest.raises(NotFoundError, match="there is none yet"):
        aliases.find("@old")
    assert [own.until is None for own in aliases.history("old")] == [False]
    aliases.give("@old", FakeBundle(tmp_path, "g"))
    assert aliases.find("@old").fingerprint == "g"


def test_alias_that_nobody_gave_names_the_nearest(aliases, tmp_path):
    for name in ("production", "production-zh", "staging"):
        aliases.give(name, FakeBundle(tmp_path, "f"))
    with pytest.raises(NotFoundError, match="the nearest are @production, @production-zh"):
        aliases.find("@prodution")
    with pytest.raises(NotFoundError, match="there are 3"):
        aliases.find("@xyz")


@pytest.mark.parametrize("name", ["@", "@a b", "@../x", "@-x"])
def test_alias_that_cannot_be_typed_is_refused(aliases, tmp_path, name):
    with pytest.raises(SpecError, match="an alias must be"):
        aliases.give(name, FakeBundle(tmp_path, "f"))


def test_bundle_that_is_another_than_the_named_one_is_refused(aliases, tmp_path):
    given = aliases.give("@x", FakeBundle(tmp_path, "f" * 64))
    given.require(FakeBundle(tmp_path, "f" * 64))
    with pytest.raises(DataError, match="ffffffffffffffff…; got eeeeeeeeeeeeeeee…"):
        given.require(FakeBundle(tmp_path, "e" * 64))


def test_aliases_follow_a_bundle_that_changed_in_its_place_only(aliases, tmp_path):
    here, there = FakeBundle(tmp_path / "a", "old"), FakeBundle(tmp_path / "b", "old")
    aliases.give("@here", here)
    aliases.give("@there", there)
    moved = aliases.follow("old", FakeBundle(tmp_path / "a", "new"), reason="export")
    assert [own.alias for own in moved] == ["here"]
    assert aliases.find("@here").fingerprint == "new"
    assert aliases.find("@there").fingerprint == "old"
    assert [own.alias for own in aliases.needing(tmp_path / "b")] == ["there"]


def test_processes_that_give_one_alias_leave_one_in_force(place, aliases):
    command = [sys.executable, "-c", GIVER, str(place)]
    givers = [
        subprocess.Popen([*command, name], stderr=subprocess.PIPE, text=True) for name in "abc"
    ]
    assert [giver.communicate(timeout=120)[1] for giver in givers] == ["", "", ""]
    history = aliases.history("one")
    assert len(history) == 60
    assert sum(own.until is None for own in history) == 1


def test_lineage_is_kept_by_fingerprint_and_goes_with_its_run(database, tmp_path):
    made, log = BundleRecords(database), RunLog(database)
    run = log.start("fit", {}, out=None)
    made.add(run, "child", tmp_path / "child", kind="bundle", parents=["p", "q", "p", "child"])
    made.add("other", "p", tmp_path / "p", kind="backbone")
    assert made.parents_of("child") == ["p", "q"]
    assert made.children_of("p") == ["child"]
    (own,) = made.of("p")
    assert (own.kind, own.path, own.run) == ("backbone", str(tmp_path / "p"), "other")
    assert [own.fingerprint for own in made.within(tmp_path / "child")] == ["child"]
    made.add(run, "child", tmp_path / "child", kind="bundle", parents=["q"])
    assert made.parents_of("child") == ["q"]
    assert len(made.of_run(run)) == 1
    log.delete([run])
    assert made.of("child") == []
    assert made.children_of("q") == []
    assert len(made.of("p")) == 1


def test_results_are_kept_whole_and_found_by_what_is_asked(database):
    results = Results(database)
    score = Measure(0.9, "ratio", 100, 0.8, 0.95)
    first = Measured(
        operation="fit",
        task="classification",
        method="full",
        model="minilm",
        model_sha256="m" * 64,
        data="/d/test.csv",
        data_sha256="d" * 64,
        split="test",
        train_rows=1000,
        measure="accuracy",
        place=0,
        is_headline=True,
        score=score,
        seconds=12.5,
        peak_bytes=2**40,
        machine="here",
        bundle="/b",
        fingerprint="f" * 64,
    )
    bare = Measured(
        **{name: getattr(first, name) for name in first.__slots__}
        | {"measure": "ece", "place": 1, "is_headline": False, "peak_bytes": None}
        | {"score": Measure(0.1, "ratio", 100), "model_sha256": None, "train_rows": None}
    )
    results.add("aaaa1111", [first, bare])
    results.add("bbbb2222", [])
    found = results.find()
    assert [own.measure for own in found] == ["accuracy", "ece"]
    assert {**found[0].to_json(), "measured": ""} == {**first.to_json(), "run": "aaaa1111"}
    assert found[1].score == Measure(0.1, "ratio", 100)
    assert found[0].is_headline is True
    assert [own.measure for own in results.find(data_sha256="dddd")] == ["accuracy", "ece"]
    assert [own.measure for own in results.find(model="m" * 64)] == ["accuracy"]
    assert [own.measure for own in results.find(headline_only=True)] == ["accuracy"]
    assert results.find(data_sha256="%") == []
    assert results.tasks() == ["classification"]
