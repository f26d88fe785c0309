"""What a service masks, and what it writes into its audit log."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

import tunesmith
from tunesmith.core.errors import ResourceError, SpecError
from tunesmith.core.masking import PATTERNED
from tunesmith.stages.serve.auditing import Auditor
from tunesmith.stages.serve.keys import ANYBODY
from tunesmith.stages.serve.logs import EventLog, masked
from tunesmith.stages.serve.problems import Refusal
from tunesmith.store.audit import AuditLog, part_paths

from .conftest import FREE, running

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
PRIVATE = "my order is late, ana@example.com, 138 0000 1234"
SHOWN = "my order is late, [EMAIL], [MOBILE]"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, bundle):
    """Give a service with a key, an audit log, and masks; and the header that opens it."""
    folder = tmp_path_factory.mktemp("guarded")
    key = tunesmith.keys("add", "shop", keys=folder / "keys.json").key
    words = ["--keys", str(folder / "keys.json"), "--audit-log", str(folder / "audit.jsonl")]
    with running(folder, str(bundle), *words, "--mask", "email,mobile", *FREE) as service:
        yield service, {"X-API-Key": key}


def audited(service, event: str) -> list[dict]:
    lines = (service.log.parent / "audit.jsonl").read_text("utf-8").splitlines()
    return [fields for fields in map(json.loads, lines) if fields["event"] == event]


def test_masked_row_is_answered_as_its_masked_text_and_says_what_was_masked(guarded):
    service, key = guarded
    rows = [PRIVATE, SHOWN, "192.0.2.1 is late"]
    reply = service.ask(body={"rows": rows, "all_scores": True}, headers=key)
    private, shown, other = reply.fields["answers"]
    assert private.pop("masked") == {"email": 1, "mobile": 1}
    assert (shown.pop("masked"), other.pop("masked")) == ({}, {})
    assert private == shown
    assert other != shown


def test_audit_log_has_each_request_and_no_text(guarded):
    service, key = guarded
    before = len(audited(service, "request"))
    headers = {**key, "X-Request-Id": "13800001234"}
    assert service.ask(body={"rows": [PRIVATE, "card"]}, headers=headers).status == 200
    assert service.ask(body={"rows": []}, headers=key).status == 422
    answered, refused = audited(service, "request")[before:]
    identity = key["X-API-Key"].split("_")[1]
    assert (answered["key"], answered["rows"], answered["status"]) == (identity, 2, 200)
    assert answered["model"] == "default"
    assert len(answered["version"]) == 64
    assert answered["request_id"] == "[MOBILE]"
    assert refused["status"] == 422
    text = (service.log.parent / "audit.jsonl").read_text("utf-8")
    assert "ana@example.com" not in text
    assert "order is late" not in text
    assert key["X-API-Key"].split("_", 2)[2] not in text


def test_keys_that_are_admitted_refused_and_changed_are_written_down(guarded):
    service, key = guarded
    identity = key["X-API-Key"].split("_")[1]
    assert service.ask("/v1/models", headers=key).status == 200
    assert [event["key"] for event in audited(service, "key_admitted")] == [identity]
    wrong = f"ts_{identity}_wrong"
    assert service.ask("/v1/models", headers={"X-API-Key": wrong}).status == 401
    assert service.ask("/v1/models", headers={"X-API-Key": "ts_ana@example.com_x"}).status == 401
    assert [event["key"] for event in audited(service, "key_refused")][-2:] == [identity, ""]
    made = tunesmith.keys("add", "desk", keys=service.log.parent / "keys.json").key
    assert service.ask("/v1/models", headers=key).status == 200
    (change,) = audited(service, "keys_changed")
    assert [each["key"] for each in change["added"]] == [made.split("_")[1]]


def test_ordinary_log_is_masked_and_has_the_hash_of_the_audit_log(guarded):
    service, key = guarded
    service.ask("/v1/models", headers={**key, "X-Request-Id": "13900004321"})
    logged = service.log.read_text("utf-8")
    assert "13900004321" not in logged
    assert '"request_id": "[MOBILE]"' in logged
    assert "ana@example.com" not in logged
    (anchor,) = service.events("audit_anchor")
    lines = (service.log.parent / "audit.jsonl").read_bytes().splitlines()
    fields = json.loads(lines[anchor["sequence"] + 1])
    assert fields["previous"] == anchor["hash"]


def test_second_service_is_refused_the_audit_log(guarded, bundle):
    service, _ = guarded
    with pytest.raises(ResourceError, match="must have one writer"):
        tunesmith.serve(bundle, audit_log=service.log.parent / "audit.jsonl", port=0)


def test_killed_service_leaves_a_chain_that_the_next_goes_on_with(tmp_path, bundle):
    words = [str(bundle), "--audit-log", str(tmp_path / "audit.jsonl"), *FREE]
    with running(tmp_path, *words) as service:
        assert service.ask(body={"row": "card"}).status == 200
        os.kill(service.process.pid, signal.SIGKILL)
        service.process.wait(20)
    with (tmp_path / "audit.jsonl").open("a") as stream:
        stream.write('{"torn')
    (tmp_path / "service.log").unlink()
    with running(tmp_path, *words, "--set", "limits.rows=9") as service:
        assert service.ask(body={"row": "card"}).status == 200
        assert service.stop() == 0
        anchor = service.events("audit_anchor")[-1]
    result = tunesmith.verify(tmp_path / "audit.jsonl", expect=anchor["hash"])
    assert result.torn_bytes == 0
    events = [json.loads(line)["event"] for line in (tmp_path / "audit.jsonl").open()]
    assert events == [
        *("begun", "started", "request", "torn_line_put_aside", "started", "limits_changed"),
        *("request", "stopped"),
    ]
    changed = audited(service, "limits_changed")[0]
    assert (changed["before"]["rows"], changed["now"]["rows"]) == (256, 9)


def test_limits_are_known_at_the_next_start_after_many_files(tmp_path):
    path, limits = tmp_path / "audit.jsonl", {"rows": 3}
    with (tmp_path / "log").open("w") as stream:
        for rows in (3, 3, 4):
            log = AuditLog(path, largest_bytes=1_000)
            Auditor(log).started(EventLog(stream), models={}, limits={**limits, "rows": rows})
            for _ in range(30):
                log.append("request", sure=False)
            log.close()
    lines = [json.loads(line) for part in part_paths(path) for line in part.open()]
    changes = [line for line in lines if line["event"] == "limits_changed"]
    assert [(line["before"], line["now"]) for line in changes] == [({"rows": 3}, {"rows": 4})]
    assert sum(line["event"] == "continued" for line in lines) > 3


class FullDisk(AuditLog):
    """An audit log on a disk that can be full."""

    is_full = False

    def append(self, event, *, fields=None, sure=True):
        """Add a line, where there is room."""
        if self.is_full:
            raise ResourceError("no room")
        return super().append(event, fields=fields, sure=sure)


def test_nobody_is_let_in_while_the_audit_log_cannot_be_written(tmp_path):
    log = FullDisk(tmp_path / "audit.jsonl", largest_bytes=100_000)
    auditor = Auditor(log)
    fields = {"route": "/v1/predict", "status": 200, "request_id": "a"}
    with (tmp_path / "log").open("w+") as stream:
        events = EventLog(stream)
        auditor.require_writable()
        log.is_full = True
        for _ in range(2):
            auditor.note(events, caller=ANYBODY, headers={}, fields=fields)
        with pytest.raises(Refusal) as caught:
            auditor.require_writable()
        assert caught.value.status == 503
        log.is_full = False
        auditor.require_writable()
        auditor.note(events, caller=ANYBODY, headers={}, fields=fields)
        log.close()
        stream.seek(0)
        assert stream.read().count("audit_failed") == 1
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").open()]
    assert [line["event"] for line in lines] == ["begun", "writable_again", "request"]


def test_log_masks_texts_in_fields_of_any_depth_but_no_address():
    fields = {"reason": "no a@example.com", "more": [{"card": "4111 1111 1111 1111"}], "n": 3}
    assert masked(fields) == {"reason": "no [EMAIL]", "more": [{"card": "[CARD]"}], "n": 3}
    assert masked("http://127.0.0.1:8000") == "http://127.0.0.1:8000"


def test_bundle_that_tags_no_people_cannot_find_names(bundle, tmp_path):
    with pytest.raises(SpecError, match="must be a bundle for ner with a label for people"):
        tunesmith.serve(bundle, mask_names=bundle, check=True, log=tmp_path / "log")


def test_canary_rows_that_are_masked_are_left_out_of_the_replay(bundle, tmp_path):
    result = tunesmith.serve(bundle, mask="all", check=True, log=tmp_path / "log")
    assert result.models
    assert Path(tmp_path / "log").read_text().count("canary_replayed") == 1


def test_kinds_to_mask_are_named_once_and_all_means_all():
    from tunesmith.operations.serve import ServeSpec

    spec = ServeSpec(bundles="b", mask=["phone,email", "email"])
    assert spec.mask == ("email", "phone")
    assert ServeSpec(bundles="b", mask="all").mask == PATTERNED
