"""The audit log: what is written stays, and whatever was done to it since is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import DataError, GateError, NotFoundError, ResourceError
from tunesmith.store.audit import AuditLog, hash_line, last_event, part_paths
from tunesmith.store.audit_check import check_chain

LARGE = 1_000_000
WRITER = """
import sys
from pathlib import Path
from tunesmith.store.audit import AuditLog
log = AuditLog(Path(sys.argv[1]), largest_bytes=1_000_000)
for number in range(1_000_000):
    log.append("request", fields={"number": number}, sure=False)
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "audit.jsonl"


def write(path: Path, count: int = 6, largest_bytes: int = LARGE) -> str:
    """Write `count` lines and the one that begins a log; return the hash of the last."""
    log = AuditLog(path, largest_bytes=largest_bytes)
    for number in range(count):
        log.append("request", fields={"number": number}, sure=False)
    log.close()
    return log.last_hash


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def fault(path: Path, lines: list[bytes], expect: str | None = None) -> str:
    path.write_bytes(b"".join(lines))
    return check_chain(path, expect=expect).fault


def test_each_line_has_the_hash_of_the_one_before(path):
    last = write(path)
    lines = [line.rstrip(b"\n") for line in lines_of(path)]
    fields = [json.loads(line) for line in lines]
    assert [line["sequence"] for line in fields] == list(range(7))
    assert len(fields[0]["anchor"]) == 32
    assert [line["previous"] for line in fields[1:]] == [hash_line(line) for line in lines[:-1]]
    assert hash_line(lines[-1]) == last
    assert path.stat().st_mode & 0o777 == 0o600


def test_log_goes_on_where_it_ended(path):
    write(path)
    last = write(path, count=2)
    found = check_chain(path, expect=last)
    assert (found.fault, found.lines, found.first_sequence) == ("", 9, 0)


def test_two_logs_never_begin_alike(tmp_path):
    write(tmp_path / "a", count=0)
    write(tmp_path / "b", count=0)
    anchors = [json.loads((tmp_path / name).read_text())["anchor"] for name in "ab"]
    assert anchors[0] != anchors[1]


@pytest.mark.parametrize("number", range(1, 6))
def test_changed_line_is_named(path, number):
    write(path)
    lines = lines_of(path)
    lines[number] = lines[number].replace(b'"request"', b'"REQUEST"')
    assert fault(path, lines) == f"audit.jsonl:{number + 1} was changed"


@pytest.mark.parametrize("old", [b'"previous": "', b'"sequence": '])
def test_line_with_its_bond_or_sequence_changed_is_named(path, old):
    write(path)
    lines = lines_of(path)
    lines[3] = lines[3].replace(old, old + b"1")
    assert fault(path, lines).startswith("audit.jsonl:4 was changed")


def test_line_that_is_no_json_is_named(path):
    write(path)
    lines = lines_of(path)
    lines[3] = b"nothing\n"
    assert fault(path, lines).startswith("audit.jsonl:4 was changed: it is no line")


def test_removed_lines_are_named_by_their_sequence(path):
    write(path)
    lines = lines_of(path)
    assert fault(path, lines[:2] + lines[3:]) == (
        "lines were removed before audit.jsonl:3: sequence 2"
    )
    assert fault(path, lines[:2] + lines[4:]).endswith("sequence 2 to 3")


@pytest.mark.parametrize("place", [1, 3, 5])
def test_swapped_neighbours_are_named(path, place):
    write(path)
    lines = lines_of(path)
    lines[place], lines[place + 1] = lines[place + 1], lines[place]
    assert fault(path, lines) == f"audit.jsonl:{place + 1} was moved"


def test_line_that_was_put_further_down_is_named(path):
    write(path)
    lines = lines_of(path)
    assert fault(path, [*lines[:2], *lines[3:], lines[2]]) == (
        "the line of sequence 2 was moved: it stands further down than audit.jsonl:3"
    )


def test_inserted_lines_are_named(path):
    write(path)
    lines = lines_of(path)
    copy = [*lines[:4], lines[1], *lines[4:]]
    assert fault(path, copy) == "audit.jsonl:5 was inserted"
    forged = json.loads(lines[3])
    forged["number"] = 99
    added = [*lines[:3], json.dumps(forged).encode() + b"\n", *lines[3:]]
    assert fault(path, added) == "audit.jsonl:4 was inserted"


def test_lines_missing_at_the_end_are_seen_by_the_hash_that_was_kept(path):
    last = write(path)
    lines = lines_of(path)
    assert fault(path, lines[:-2]) == ""
    assert "lines are missing at the end" in fault(path, lines[:-2], last)
    assert fault(path, lines, last.upper()) == ""
    assert fault(path, [], last) == "a log must have a line; it has none"


def test_changed_last_line_is_seen_by_the_hash_that_was_kept(path):
    last = write(path)
    lines = lines_of(path)
    lines[-1] = lines[-1].replace(b'"request"', b'"REQUEST"')
    assert fault(path, lines) == ""
    assert "must have the hash" in fault(path, lines, last)


def test_torn_last_line_is_put_aside_and_the_chain_goes_on(path):
    write(path)
    with path.open("ab") as stream:
        stream.write(b'{"sequence": 7, "time"')
    assert check_chain(path).torn_bytes == 22
    write(path, count=1)
    found = check_chain(path)
    assert (found.fault, found.torn_bytes, found.lines) == ("", 0, 9)
    noted = last_event(path, "torn_line_put_aside")
    assert noted["bytes"] == 22
    assert (path.parent / noted["file"]).read_bytes() == b'{"sequence": 7, "time"'


def test_killed_writer_loses_no_line_that_it_said(path):
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE)
    said = [int(process.stdout.readline()) for _ in range(200)]
    os.kill(process.pid, signal.SIGKILL)
    said += [int(line) for line in process.stdout.read().split()]
    process.wait(20)
    write(path, count=0)
    found = check_chain(path)
    assert found.fault == ""
    assert found.lines >= len(said) + 1


def test_second_writer_is_refused_until_the_first_is_gone(path):
    log = AuditLog(path, largest_bytes=LARGE)
    with pytest.raises(ResourceError, match="must have one writer"):
        AuditLog(path, largest_bytes=LARGE)
    log.close()
    AuditLog(path, largest_bytes=LARGE, wait_seconds=1).close()


def test_log_that_ends_with_a_strange_line_is_not_gone_on_with(path):
    path.write_text("no line of ours\n")
    with pytest.raises(DataError, match="must end with a line of ours"):
        AuditLog(path, largest_bytes=LARGE)


def test_log_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(ResourceError, match="must be a file that can be written"):
        AuditLog(tmp_path, largest_bytes=LARGE)


def test_chain_is_carried_over_to_the_next_file(path):
    last = write(path, count=40, largest_bytes=1500)
    parts = part_paths(path)
    assert len(parts) > 3
    assert all(part.stat().st_size < 2500 for part in parts)
    found = check_chain(path, expect=last)
    assert (found.fault, len(found.files), found.first_sequence) == ("", len(parts), 0)
    assert json.loads(lines_of(path)[0])["event"] == "continued"
    parts[1].unlink()
    assert "lines were removed before audit.jsonl.000003:1" in check_chain(path).fault
    parts[0].unlink()
    later = check_chain(path, expect=last)
    assert later.fault == ""
    assert later.first_sequence > 0


def test_verify_tells_the_hash_to_keep_and_refuses_what_was_changed(path):
    last = write(path)
    result = tunesmith.verify(path)
    assert (result.lines, result.last_hash, result.is_anchored) == (7, last, False)
    assert tunesmith.verify(path, expect=last).is_anchored
    lines = lines_of(path)
    lines[2] = lines[2].replace(b'"number": 1', b'"number": 7')
    path.write_bytes(b"".join(lines))
    with pytest.raises(GateError, match=r"audit\.jsonl:3 was changed"):
        tunesmith.verify(path)
    assert GateError.exit_status == 9


def test_verify_of_nothing_says_so(path):
    with pytest.raises(NotFoundError, match="must be an audit log"):
        tunesmith.verify(path)


def test_changes_of_keys_are_written_down_without_secrets(tmp_path):
    keys = tmp_path / "keys.json"
    made = tunesmith.keys("add", "shop", keys=keys).key
    again = tunesmith.keys("rotate", "shop", keys=keys).key
    tunesmith.keys("revoke", "shop", keys=keys)
    tunesmith.keys(keys=keys)
    log = tmp_path / "keys.json.audit.jsonl"
    assert tunesmith.verify(log).lines == 4
    events = [json.loads(line) for line in lines_of(log)]
    assert [event["event"] for event in events[1:]] == ["keys_add", "keys_rotate", "keys_revoke"]
    assert events[1]["added"][0]["key"] == made.split("_")[1]
    assert events[2]["ending"][0]["key"] == made.split("_")[1]
    assert {each["name"] for each in events[3]["revoked"]} == {"shop"}
    assert made.split("_", 2)[2] not in log.read_text()
    assert again.split("_", 2)[2] not in log.read_text()


def test_keys_are_not_changed_where_that_cannot_be_written_down(tmp_path):
    with pytest.raises(ResourceError, match="audit log"):
        tunesmith.keys("add", "shop", keys=tmp_path / "keys.json", audit_log=tmp_path)
    assert not (tmp_path / "keys.json").exists()
