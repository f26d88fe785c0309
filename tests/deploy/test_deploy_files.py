"""What stands in `deploy/`, held to the service that it starts: flags, ports, paths, figures."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Gauge, Histogram
from typer.testing import CliRunner

from tunesmith.core.serving import ServiceLimits
from tunesmith.interfaces.cli import app
from tunesmith.operations.serve import ServeSpec
from tunesmith.stages.serve import processes, server
from tunesmith.stages.serve.metrics import Metrics

HEALTH, READY, FIGURES = "/healthz", "/readyz", "/metrics"
ENDINGS = {Counter: ("_total",), Gauge: ("",), Histogram: ("_bucket", "_sum", "_count")}
OTHERS = {"up"}
"""Series that Prometheus makes itself."""


@pytest.fixture(scope="module")
def folder(repository) -> Path:
    return repository / "deploy"


def documents(path: Path) -> list[Any]:
    found = [each for each in yaml.safe_load_all(path.read_text("utf-8")) if each]
    assert found, path
    return found


def manifest(folder: Path, name: str) -> Any:
    (found,) = documents(folder / "kubernetes" / "base" / f"{name}.yaml")
    return found


def instructions(folder: Path) -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile: what to do, and with what."""
    text = (folder / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(" ", 1)) for line in lines if line and not line.startswith("#")]


def arguments(folder: Path) -> dict[str, str]:
    found = [value.split("=", 1) for what, value in instructions(folder) if what == "ARG"]
    return {name: value for name, value in found}


def last(folder: Path, what: str) -> str:
    return [value for name, value in instructions(folder) if name == what][-1]


def commands(folder: Path) -> dict[str, list[str]]:
    """Return the words behind `tunesmith` of each file that starts a service."""
    compose = documents(folder / "compose.yaml")[0]["services"]["tunesmith"]["command"]
    return {
        "image": json.loads(last(folder, "CMD")),
        "compose": [re.sub(r"\$\{\w+:-(.*?)\}", r"\1", word) for word in compose],
        "kubernetes": container(folder)["args"],
    }


def container(folder: Path) -> dict[str, Any]:
    (found,) = manifest(folder, "deployment")["spec"]["template"]["spec"]["containers"]
    return found


@pytest.mark.parametrize("place", ["image", "compose", "kubernetes"])
def test_command_is_one_that_the_command_line_understands(folder, place):
    words = commands(folder)[place]
    result = CliRunner().invoke(app, [*words, "--print-spec"])
    assert result.exit_code == 0, result.stderr
    spec = ServeSpec(**yaml.safe_load(result.stdout))
    assert (spec.host, spec.port) == ("0.0.0.0", 8000)
    assert spec.keys == "/keys/keys.json"
    assert spec.bundles[0].endswith("/bundle")
    assert spec.admin_port is None  # it binds to the container's own loopback, out of all reach


def test_entry_point_of_the_image_is_the_one_of_the_package(folder, repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    assert json.loads(last(folder, "ENTRYPOINT")) == list(project["scripts"])


def test_image_takes_extras_that_exist_and_torch_as_the_makefile_does(folder, repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    extras = set(arguments(folder)["EXTRAS"].split(","))
    assert {"serve", "onnx"} <= extras <= set(project["optional-dependencies"])
    makefile = (repository / "Makefile").read_text("utf-8")
    steps = [value for what, value in instructions(folder) if what == "RUN"]
    torch = next(at for at, step in enumerate(steps) if "$TORCH" in step)
    package = next(at for at, step in enumerate(steps) if "$EXTRAS" in step)
    assert torch < package
    (index,) = re.findall(r"--index-url (\S+)", steps[torch])
    assert f"CPU_INDEX := {index}\n" in makefile
    assert f"CPU_TORCH := {arguments(folder)['TORCH']}+cpu\n" in makefile
    assert "-c constraints.txt" in steps[package]


def test_image_is_of_a_python_that_the_package_takes(folder, repository):
    project = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["project"]
    least = tuple(map(int, re.findall(r"\d+", project["requires-python"])))
    tag = re.fullmatch(r"(\d+)\.(\d+)-slim", arguments(folder)["PYTHON"])
    assert tuple(map(int, tag.groups())) >= least
    bases = [value.split()[0] for what, value in instructions(folder) if what == "FROM"]
    assert bases == ["python:${PYTHON}"] * 2


def test_image_runs_as_nobody_special_and_asks_whether_it_lives(folder):
    user = last(folder, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert HEALTH in last(folder, "HEALTHCHECK")
    assert last(folder, "EXPOSE") == "8000"
    context = manifest(folder, "deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"{context['runAsUser']}:{context['runAsGroup']}" == user


def test_what_the_image_copies_exists_and_is_sent(folder, repository):
    copied = {
        word
        for what, value in instructions(folder)
        if what == "COPY" and "--from" not in value
        for word in value.split()[:-1]
    }
    kept = (folder / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    assert "*" in kept
    for name in (word.removeprefix("./") for word in copied):
        assert (repository / name).exists(), name
        assert f"!{name}" in kept
    assert len(copied) == 5


def test_package_takes_every_file_that_is_no_python_along(repository):
    """An image holds an installed package, not this folder."""
    tables = tomllib.loads((repository / "pyproject.toml").read_text("utf-8"))["tool"]
    root = repository / "src" / "tunesmith"
    taken = {
        path
        for pattern in tables["setuptools"]["package-data"]["tunesmith"]
        for path in root.glob(pattern)
    }
    files = [path for path in root.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    others = {path for path in files if path.suffix != ".py"}
    assert len(others) > 10
    assert others <= taken


def test_images_are_named_without_a_registry_and_with_a_version(folder):
    images = [
        service["image"] for service in documents(folder / "compose.yaml")[0]["services"].values()
    ]
    images.append(container(folder)["image"])
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"([a-z]+/)?[a-z-]+:v?\d[\w.-]*", image), image


def test_probes_ask_paths_of_the_service_at_its_port(folder):
    found = container(folder)
    (port,) = found["ports"]
    assert port["containerPort"] == 8000
    paths = {}
    for name in ("startupProbe", "livenessProbe", "readinessProbe"):
        asked = found[name]["httpGet"]
        assert asked["port"] == port["name"]
        paths[name] = asked["path"]
    assert paths == {"startupProbe": HEALTH, "livenessProbe": HEALTH, "readinessProbe": READY}
    (entry,) = manifest(folder, "service")["spec"]["ports"]
    assert entry["targetPort"] == port["name"]
    rule = manifest(folder, "network")["spec"]["ingress"][0]
    assert [each["port"] for each in rule["ports"]] == [port["name"]]
    (published,) = documents(folder / "compose.yaml")[0]["services"]["tunesmith"]["ports"]
    assert published == "127.0.0.1:8000:8000"


def test_service_has_the_time_to_answer_what_it_accepted(folder):
    pod = manifest(folder, "deployment")["spec"]["template"]["spec"]
    before = int(container(folder)["lifecycle"]["preStop"]["exec"]["command"][1])
    limits = ServiceLimits()
    ending = max(limits.deadline_ms, limits.writing_ms) / 1000 + server.STOPPING_SECONDS
    ending += 2 * processes.STOPPING_SECONDS
    assert pod["terminationGracePeriodSeconds"] > before + ending
    grace = documents(folder / "compose.yaml")[0]["services"]["tunesmith"]["stop_grace_period"]
    assert int(grace.removesuffix("s")) > ending


def test_containers_may_do_nothing_but_their_work(folder):
    pod = manifest(folder, "deployment")["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    found = container(folder)["securityContext"]
    assert found["readOnlyRootFilesystem"] is True
    assert found["allowPrivilegeEscalation"] is False
    assert found["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} == set(container(folder)["resources"]["requests"])
    for name, service in documents(folder / "compose.yaml")[0]["services"].items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert documents(folder / "compose.yaml")[0]["services"]["tunesmith"]["read_only"] is True


def test_mounts_are_of_volumes_and_keys_are_a_secret(folder):
    pod = manifest(folder, "deployment")["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in container(folder)["volumeMounts"]}
    assert set(mounts) == set(volumes)
    assert mounts == {"keys": "/keys", "temporary": "/tmp"}
    assert volumes["keys"]["secret"]["defaultMode"] == 0o440


def test_manifests_speak_of_the_same_pods_and_are_all_applied(folder):
    base = folder / "kubernetes" / "base"
    names = set(documents(base / "kustomization.yaml")[0]["resources"])
    assert names == {path.name for path in base.glob("*.yaml")} - {"kustomization.yaml"}
    deployment = manifest(folder, "deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in (
        deployment["spec"]["selector"]["matchLabels"],
        manifest(folder, "service")["spec"]["selector"],
        manifest(folder, "disruption")["spec"]["selector"]["matchLabels"],
        manifest(folder, "network")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    scaler = manifest(folder, "autoscaler")["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert 1 < scaler["minReplicas"] < scaler["maxReplicas"]
    assert manifest(folder, "disruption")["spec"]["minAvailable"] < scaler["minReplicas"]
    assert "replicas" not in deployment["spec"]  # applying it again must not undo the autoscaler


def series() -> dict[str, set[str]]:
    """Return the labels of every series that a service gives, by name."""
    found: dict[str, set[str]] = {name: {"job", "instance"} for name in OTHERS}
    for metric in vars(Metrics()).values():
        for kind, endings in ENDINGS.items():
            if isinstance(metric, kind):
                for ending in endings:
                    more = {"le"} if ending == "_bucket" else set()
                    labels = {*metric._labelnames, *more, "job", "instance"}
                    found[metric._name + ending] = labels
    return found


def expressions(folder: Path) -> list[str]:
    rules = documents(folder / "prometheus" / "alerts.yml")[0]["groups"][0]["rules"]
    dashboard = json.loads((folder / "grafana" / "dashboard.json").read_text("utf-8"))
    found = [rule["expr"] for rule in rules]
    found += [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert len(found) > 15
    return found


def test_alerts_and_dashboard_ask_for_series_and_labels_that_there_are(folder):
    known = series()
    asked = set()
    for expression in expressions(folder):
        names = set(re.findall(r"\b(tunesmith_\w+|up)\b", expression))
        assert names, expression
        assert names <= set(known), expression
        asked |= names
        for name, filters in re.findall(r"(tunesmith_\w+)\{(.*?)\}", expression):
            assert set(re.findall(r"(\w+)=", filters)) <= known[name], expression
        for group in re.findall(r"by \((.*?)\)", expression):
            labels = {label.strip() for label in group.split(",")}
            assert all(labels <= known[name] for name in names), expression
        assert expression.count("(") == expression.count(")")
    for word in ("ready", "request_seconds_bucket", "requests_total", "workers_lost_total"):
        assert f"tunesmith_{word}" in asked


def test_alerts_say_what_happened_and_when_it_matters(folder):
    rules = documents(folder / "prometheus" / "alerts.yml")[0]["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules) == 6
    for rule in rules:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} == set(rule["annotations"])
    (queue,) = (rule for rule in rules if rule["alert"] == "TunesmithQueueGrows")
    (bound,) = re.findall(r"> (\d+)", queue["expr"])
    assert int(bound) * 4 == ServiceLimits().queue_requests


def test_prometheus_scrapes_the_service_with_a_key_from_a_file(folder):
    (config,) = documents(folder / "prometheus" / "prometheus.yml")
    (scrape,) = config["scrape_configs"]
    assert scrape["metrics_path"] == FIGURES
    assert scrape["static_configs"] == [{"targets": ["tunesmith:8000"]}]
    key = scrape["authorization"]["credentials_file"]
    service = documents(folder / "compose.yaml")[0]["services"]["prometheus"]
    assert any(volume.split(":")[-2] == key for volume in service["volumes"])
    for name in config["rule_files"]:
        assert (folder / "prometheus" / name).exists()


def test_queue_that_scales_is_a_figure_of_the_service(folder):
    (scaler,) = documents(folder / "kubernetes" / "queue" / "autoscaler.yaml")
    names = [m["pods"]["metric"]["name"] for m in scaler["spec"]["metrics"] if m["type"] == "Pods"]
    assert names == ["tunesmith_queue_requests"]
    assert set(names) <= set(series())


def test_readmes_of_the_folder_name_every_file(folder):
    names = {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".md" and path.name != "kustomization.yaml"
    }
    assert len(names) > 10
    for readme in ("README.md", "README.zh-CN.md"):
        text = (folder / readme).read_text("utf-8")
        missing = {name for name in names if f"`{name}`" not in text}
        assert not missing, readme


def test_readmes_of_the_folder_have_the_same_sections_and_blocks_and_right_commands(folder):
    english, chinese = ((folder / f"README{end}.md").read_text("utf-8") for end in ("", ".zh-CN"))
    parts = [re.findall(r"^```\w*\n.*?^```$", text, re.S | re.M) for text in (english, chinese)]
    assert parts[0] == parts[1]
    assert len(parts[0]) == 5
    heads = [re.findall(r"^(#+) ", text, re.M) for text in (english, chinese)]
    assert heads[0] == heads[1]
    lines = [line for part in parts[0] for line in part.splitlines()]
    ours = [line.split()[1:] for line in lines if line.startswith("tunesmith ")]
    assert len(ours) == 2
    for words in ours:
        assert CliRunner().invoke(app, [*words, "--print-spec"]).exit_code == 0, words
