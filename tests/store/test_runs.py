"""The run log: one run from start to end, lists, stopped processes, two writers, bad files."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tunesmith.core.errors import NotFoundError, ResourceError, SpecError
from tunesmith.store.database import Database
from tunesmith.store.migrations import NEWEST
from tunesmith.store.runs import RunLog, Wanted, now
from tunesmith.store.workspace import Workspace, default_workspace

WRITER = """
import sys
from pathlib import Path
from tunesmith.store.database import Database
from tunesmith.store.runs import RunLog
log = RunLog(Database(Path(sys.argv[1])))
for number in range(int(sys.argv[2])):
    identity = log.start("fit", {"number": number}, out=None)
    log.finish(identity, "done", result={"number": number})
print(log.start("fit", {}, out="left running"))
"""


@pytest.fixture
def log(place) -> Iterator[RunLog]:
    """Give an empty run log, in SQLite and in PostgreSQL."""
    database = Database(place)
    yield RunLog(database)
    database.close()


@pytest.fixture
def file_log(tmp_path: Path) -> RunLog:
    return RunLog(Database(tmp_path / "runs.sqlite"))


def test_run_started_is_shown_as_running(log):
    identity = log.start("fit", {"data": "行.csv", "seed": 1}, out="runs/x")
    run = log.show(identity)
    assert (run.id, run.operation, run.status, run.out) == (identity, "fit", "running", "runs/x")
    assert run.spec == {"data": "行.csv", "seed": 1}
    assert (run.finished, run.result, run.problem) == (None, None, None)
    assert run.started.endswith("+00:00")
    assert len(identity) == 8


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("done", {"result": {"measures": {"accuracy": 0.5}}}),
        ("failed", {"problem": {"error": "data", "problems": []}}),
        ("interrupted", {"problem": {"error": "interrupted", "problems": []}}),
    ],
)
def test_run_finished_is_shown_with_what_came_of_it(log, status, outcome):
    identity = log.start("fit", {}, out=None)
    log.finish(identity, status, **outcome)
    run = log.show(identity)
    assert run.status == status
    assert {"result": run.result, "problem": run.problem} == {
        "result": None,
        "problem": None,
        **outcome,
    }
    assert run.finished >= run.started
    assert run.to_json()["id"] == identity


def test_runs_are_listed_newest_first_up_to_the_limit(log):
    identities = [log.start("fit", {}, out=None) for _ in range(5)]
    assert [run.id for run in log.list(limit=20)] == identities[::-1]
    assert [run.id for run in log.list(limit=2)] == identities[:-3:-1]
    assert log.list(limit=0) == []


def test_run_is_shown_by_the_beginning_of_its_id(log):
    identity = log.start("fit", {}, out=None)
    assert log.show(identity[:5]).id == identity


@pytest.mark.parametrize("wanted", ["zz", "%", "_"])
def test_run_nobody_recorded_is_not_found(log, wanted):
    log.start("fit", {}, out=None)
    with pytest.raises(NotFoundError, match="got none"):
        log.show(wanted)


def test_run_that_several_ids_may_mean_is_not_found_with_their_ids(log):
    identities = [log.start("fit", {}, out=None) for _ in range(17)]
    first = next(a for a in "0123456789abcdef" if sum(i[0] == a for i in identities) > 1)
    with pytest.raises(NotFoundError) as caught:
        log.show(first)
    assert sum(identity in str(caught.value) for identity in identities) > 1


def test_run_whose_process_is_gone_is_shown_as_stopped(tmp_path):
    path = tmp_path / "runs.sqlite"
    command = [sys.executable, "-c", WRITER, str(path), "1"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    log = RunLog(Database(path))
    assert log.show(made.stdout.strip()).status == "stopped"
    assert sorted(run.status for run in log.list(limit=9)) == ["done", "stopped"]


def test_two_processes_that_make_and_fill_one_log_lose_nothing(tmp_path):
    path = tmp_path / "new" / "runs.sqlite"
    command = [sys.executable, "-c", WRITER, str(path), "30"]
    writers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    failures = [writer.communicate(timeout=60)[1] for writer in writers]
    assert failures == ["", ""]
    runs = RunLog(Database(path)).list(limit=100)
    assert sum(run.status == "done" for run in runs) == 60
    assert all(run.result == run.spec for run in runs if run.status == "done")
    assert sum(run.status == "stopped" for run in runs) == 2


def test_log_records_the_version_of_its_schema(tmp_path, file_log):
    file_log.start("fit", {}, out=None)
    with sqlite3.connect(tmp_path / "runs.sqlite") as connection:
        versions = connection.execute("SELECT version FROM schema_version").fetchall()
        journal = connection.execute("PRAGMA journal_mode").fetchone()
    assert versions == [(NEWEST,)]
    assert journal == ("wal",)


def test_file_that_is_no_database_is_refused_with_a_way_out(tmp_path):
    path = tmp_path / "runs.sqlite"
    path.write_text("not a database at all, but long enough to be read as the header of one")
    with pytest.raises(ResourceError, match="must be readable and writable") as caught:
        Database(path)
    assert caught.value.hint == "export TUNESMITH_HOME=FOLDER"
    assert path.read_text().startswith("not a database")


def test_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(ResourceError):
        Database(tmp_path / "home" / "runs.sqlite")


def test_log_that_breaks_while_in_use_is_said(tmp_path, file_log):
    with sqlite3.connect(tmp_path / "runs.sqlite") as connection:
        connection.execute("DROP TABLE runs")
    for use in (
        lambda: file_log.start("fit", {}, out=None),
        lambda: file_log.finish("x", "done"),
        lambda: file_log.list(limit=1),
        lambda: file_log.show("x"),
    ):
        with pytest.raises(ResourceError, match="must be readable and writable"):
            use()


def test_workspace_is_where_the_environment_says_and_made_when_needed(tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "home"))
    workspace = default_workspace()
    assert workspace == Workspace(tmp_path / "home")
    assert not workspace.root.exists()
    assert workspace.runs.list(limit=1) == []
    assert (tmp_path / "home" / "runs.sqlite").is_file()


def test_workspace_without_the_environment_is_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("TUNESMITH_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_workspace().root == tmp_path / ".tunesmith"


def test_run_is_shown_by_its_name_with_note_and_tags(log):
    identity = log.start("fit", {}, out=None)
    log.rename(identity, "best-so-far")
    log.annotate(identity, "改过标签")
    log.tag(identity, ["b", "a", "b"])
    run = log.show("best-so-far")
    assert (run.id, run.name, run.note, run.tags) == (
        identity,
        "best-so-far",
        "改过标签",
        ("a", "b"),
    )
    log.tag(identity, ["a"], remove=True)
    log.annotate(identity, "")
    assert log.show(identity).tags == ("b",)
    assert log.show(identity).note is None


def test_name_that_another_run_has_is_refused(log):
    first, second = (log.start("fit", {}, out=None) for _ in range(2))
    log.rename(first, "mine")
    with pytest.raises(SpecError, match="`mine` is taken"):
        log.rename(second, "mine")
    assert log.show("mine").id == first
    log.rename(first, "mine")


@pytest.mark.parametrize("word", ["", "a b", "-x", "x" * 65, "a/b"])
def test_name_or_tag_that_cannot_be_typed_is_refused(log, word):
    identity = log.start("fit", {}, out=None)
    with pytest.raises(SpecError, match="a name must be"):
        log.rename(identity, word)
    with pytest.raises(SpecError, match="a tag must be"):
        log.tag(identity, ["good", word])
    assert log.show(identity).tags == ()


def test_runs_are_listed_by_what_is_wanted(log):
    first = log.start("fit", {"data": "data/a.csv"}, out=None)
    second = log.start("evaluate", {"data": "data/b.csv"}, out=None)
    moment = now()
    third = log.start("fit", {"data": "data/b.csv"}, out=None)
    log.finish(second, "done")
    log.tag(third, ["good"])
    for wanted, identities in (
        (Wanted(), [third, second, first]),
        (Wanted(operation="fit"), [third, first]),
        (Wanted(status="done"), [second]),
        (Wanted(tag="good"), [third]),
        (Wanted(data="b.csv"), [third, second]),
        (Wanted(since=moment), [third]),
        (Wanted(operation="fit", data="a.csv"), [first]),
        (Wanted(tag="bad"), []),
    ):
        assert [run.id for run in log.list(wanted, limit=9)] == identities, wanted
    assert [run.id for run in log.list(Wanted(data="b.csv"), limit=1)] == [third]


def test_runs_that_are_deleted_are_gone_and_others_stay(log):
    kept, gone = (log.start("fit", {}, out=None) for _ in range(2))
    for identity in (kept, gone):
        log.tag(identity, ["t"])
    log.delete([gone])
    assert [(run.id, run.tags) for run in log.list(limit=9)] == [(kept, ("t",))]
    with pytest.raises(NotFoundError):
        log.show(gone)


def test_run_whose_id_is_taken_gets_another(log, monkeypatch):
    drawn = iter(["aaaaaaaa", "aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr("secrets.token_hex", lambda _: next(drawn))
    assert [log.start("fit", {}, out=None) for _ in range(2)] == ["aaaaaaaa", "bbbbbbbb"]


def test_run_of_another_machine_is_not_called_stopped(log, monkeypatch):
    monkeypatch.setattr("tunesmith.store.runs.host_name", lambda: "far-away")
    identity = log.start("fit", {}, out=None)
    monkeypatch.setattr("os.getpid", lambda: 2**22 + 1)
    stopped = log.start("fit", {}, out=None)
    assert log.show(stopped).status == "stopped"
    monkeypatch.undo()
    assert log.show(stopped).status == "running"
    assert log.show(identity).status == "running"


def test_paths_of_a_run_start_from_where_it_was_typed(log, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    identity = log.start("fit", {}, out="runs/x")
    monkeypatch.chdir("/")
    assert log.show(identity).folder == tmp_path / "runs/x"


def test_workspace_keeps_its_records_where_its_settings_say(tmp_path, monkeypatch):
    monkeypatch.delenv("TUNESMITH_DATABASE", raising=False)
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    url = f"sqlite:///{tmp_path / 'shared.sqlite'}"
    (tmp_path / "home" / "settings.yaml").write_text(f"database: {url}\n", "utf-8")
    default_workspace().runs.start("fit", {}, out=None)
    assert (tmp_path / "shared.sqlite").is_file()
    assert not (tmp_path / "home" / "runs.sqlite").exists()
    monkeypatch.setenv("TUNESMITH_DATABASE", f"sqlite:///{tmp_path / 'own.sqlite'}")
    assert default_workspace().runs.list(limit=1) == []
    assert (tmp_path / "own.sqlite").is_file()


def test_workspace_keeps_its_records_in_postgresql_by_url(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv("TUNESMITH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNESMITH_DATABASE", postgres_url)
    workspace = default_workspace()
    identity = workspace.runs.start("fit", {}, out=None)
    assert default_workspace().runs.show(identity).operation == "fit"
    assert not (tmp_path / "home").exists()
