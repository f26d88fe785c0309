"""The OpenAPI document is true: schemathesis asks every route, well and badly."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import positive_data_acceptance

from tunesmith.core.serving import ServiceLimits
from tunesmith.stages.serve.openapi import row_schema
from tunesmith.stages.serve.openapi_jobs import with_jobs
from tunesmith.stages.serve.pages import KINDS, read_page
from tunesmith.tasks import TASKS, make_task

from .conftest import running

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
BOUNDED = settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
RUNS = {
    ("GET", "/v1/runs"),
    ("POST", "/v1/runs"),
    ("GET", "/v1/runs/{run}"),
    ("DELETE", "/v1/runs/{run}"),
    ("GET", "/v1/runs/{run}/events"),
}
ROUTES = {
    ("POST", "/v1/predict"),
    ("POST", "/v1/embeddings"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/{model}"),
    ("POST", "/v1/models/{model}/reload"),
    ("GET", "/v1/operations"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    *(("GET", path) for path in KINDS),
}


def ask_all(service, headers: dict[str, str], *, below: str = "/") -> set[tuple[str, str]]:
    """Ask every route below a path with generated requests, and check each reply by default.

    What a spec must be stands in `/v1/operations`: to the document it is any object, so that one
    which is of the right form may be refused.
    """
    document = service.ask("/openapi.json").fields
    schema = schemathesis.openapi.from_dict(document, config=SchemathesisConfig())
    schema.config.update(base_url=f"http://127.0.0.1:{service.port}")
    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        if not operation.path.startswith(below):
            continue
        asked.add((operation.method.upper(), operation.path))
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except Exception as error:
                raise AssertionError(f"{operation.path} {mode}") from error
            excluded = [positive_data_acceptance] if operation.path == "/v1/runs" else []
            count = check(strategy, headers, excluded)
            assert count >= (5 if operation.path == "/v1/predict" else 0)
    return asked


def check(strategy, headers: dict[str, str], excluded: list) -> int:
    """Check what comes back for requests of a strategy, and return how many were sent."""
    from hypothesis import given
    from hypothesis.errors import Unsatisfiable

    @BOUNDED
    @given(case=strategy)
    def ask(case) -> None:
        case.call_and_validate(headers=headers, excluded_checks=excluded)
        sent.append(case)

    sent: list = []
    with contextlib.suppress(Unsatisfiable):  # a route without parameters cannot be asked badly
        ask()
    return len(sent)


def test_every_route_does_what_the_document_says(service):
    assert ask_all(service, {}) == ROUTES


def test_every_route_of_a_service_with_keys_does_what_the_document_says(tmp_path, bundle):
    import tunesmith

    path = tmp_path / "keys.json"
    key = tunesmith.keys("add", "tester", scope="admin", keys=path).key
    words = ["--keys", str(path), "--set", "limits.failed_keys_a_minute=100000"]
    with running(tmp_path, str(bundle), *words) as service:
        document = service.ask("/openapi.json").fields
        assert document["security"] == [{"key": []}, {"header": []}]
        assert ask_all(service, {"Authorization": f"Bearer {key}"}) == ROUTES


def test_service_without_jobs_has_no_such_routes(service):
    for path in ("/v1/runs", "/v1/runs/0a1b2c3d", "/v1/runs/0a1b2c3d/events"):
        assert service.ask(path).status == 404
    operations = service.ask("/v1/operations").fields["operations"]
    assert not any(row["as_run"] for row in operations)


def test_every_route_of_a_service_that_takes_jobs_does_what_the_document_says(tmp_path, bundle):
    import tunesmith

    path, root = tmp_path / "keys.json", tmp_path / "root"
    root.mkdir()
    key = tunesmith.keys("add", "tester", scope="operate", keys=path).key
    words = ["--keys", str(path), "--set", "limits.failed_keys_a_minute=100000"]
    headers = {"Authorization": f"Bearer {key}"}
    with running(tmp_path, str(bundle), *words, "--jobs", "--jobs-root", str(root)) as service:
        assert ask_all(service, headers, below="/v1/runs") == RUNS
        schema = schemathesis.openapi.from_dict(service.ask("/openapi.json").fields)
        schema.config.update(base_url=f"http://127.0.0.1:{service.port}")
        body = {"operation": "check", "spec": {"data": "rows.csv", "task": "ner"}}
        asked = schema["/v1/runs"]["POST"].Case(body=body, media_type="application/json")
        reply = asked.call_and_validate(headers=headers)
        assert reply.status_code == 202
        one = schema["/v1/runs/{run}"]["GET"].Case(
            path_parameters={"run": reply.json()["run"]["id"]}
        )
        assert one.call_and_validate(headers=headers).status_code == 200
        assert schema["/v1/runs"]["GET"].Case().call_and_validate(headers=headers).json()["runs"]


def test_document_names_the_models_and_limits_of_this_service(service):
    fields = service.ask("/openapi.json").fields
    request = fields["components"]["schemas"]["Predict"]
    assert request["properties"]["model"]["enum"] == ["default"]
    assert request["properties"]["rows"]["maxItems"] == ServiceLimits().rows
    assert all(field.get("description") for field in request["properties"].values())


@pytest.mark.parametrize("kind", TASKS)
def test_row_of_every_task_is_described(kind):
    schema = row_schema(make_task(kind, columns={}), ServiceLimits())
    forms = schema.get("anyOf", [schema])
    task = TASKS[kind]()
    assert forms[-1]["required"] == list(task.input_roles)


def test_page_loads_nothing_from_elsewhere_and_speaks_both_languages():
    contents = {path: read_page(path)[0].decode() for path in KINDS}
    for content in contents.values():
        assert not re.search(r"https?://", content)
    assert "<script>" not in contents["/docs"]
    assert "style=" not in contents["/docs"]
    words = re.search(r"const WORDS = (\{.*?\n\});", contents["/docs.js"], re.DOTALL)[1]
    names = [set(re.findall(r"(?:, |\n\s+)(\w+): \"", part)) for part in words.split('"zh-CN": {')]
    assert names[0] == names[1]
    assert names[0] >= set(re.findall(r'data-word="(\w+)"', contents["/docs"]))


def test_page_translates_every_sentence_of_the_document(service):
    document = with_jobs(service.ask("/openapi.json").fields, ["check"])
    page = read_page("/docs.js")[0].decode()
    said = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            said.add(operation["summary"])
            said |= {reply["description"] for reply in operation["responses"].values()}
    assert len(said) > 20
    assert [text for text in said if json.dumps(text) not in page] == []
