"""A service in a process of its own, on loopback and a free port, that ends with its test."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import tunesmith
from tunesmith.session import Session
from tunesmith.store.bundles import read_bundle, revise_bundle
from tunesmith.store.workspace import Workspace

STARTING_SECONDS = 180
REPLY = "订单 42 明天到 🚚👍, it is late. Sorry!"
SOON_SECONDS = 60
"""Far above what anything here takes where others keep the processor busy."""

FREE = ("--set", "limits.requests_a_minute=1000000")
LEAN = ("--spares", "0")
"""What a test does not ask for: a process more costs half a second of everybody's processor."""


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def fields(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Running:
    """A service that runs: its process, its ports, and its log."""

    process: subprocess.Popen
    log: Path
    home: Path
    port: int = 0
    admin_port: int | None = None

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Return the lines of the log, or those of one event."""
        if not self.log.exists():
            return []
        lines = [json.loads(line) for line in self.log.read_text("utf-8").splitlines()]
        return [line for line in lines if name in ("", line["event"])]

    def wait_for(self, name: str, count: int = 1) -> dict[str, Any]:
        """Wait until an event was logged so often, and return the last."""
        until = time.monotonic() + STARTING_SECONDS
        while time.monotonic() < until:
            if len(found := self.events(name)) >= count:
                return found[-1]
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise AssertionError(f"no {name} in {self.events()}, status {self.process.poll()}")

    def ask(
        self,
        path: str = "/v1/predict",
        body: Any = None,
        *,
        method: str = "",
        headers: dict[str, str] | None = None,
        port: int | None = None,
    ) -> Reply:
        """Send one request; a body that is no bytes goes as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60)
        with contextlib.closing(connection):
            data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
            given = {} if data is None else {"Content-Type": "application/json"}
            verb = method or ("GET" if data is None else "POST")
            connection.request(verb, path, data, {**given, **(headers or {})})
            reply = connection.getresponse()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, reply.read())

    @property
    def worker(self) -> int:
        """The process that computes."""
        return self.events("worker_ready")[-1]["process"]

    def stop(self) -> int:
        """End it as an operator does, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait(10)


@contextlib.contextmanager
def running(folder: Path, *words: str, event: str = "ready") -> Iterator[Running]:
    """Start a service and wait for an event of its log."""
    log, home = folder / "service.log", folder / "home"
    command = [sys.executable, "-m", "tunesmith", "serve", *words, "--port", "0", "--log", str(log)]
    command += LEAN if "--spares" not in words else ()
    environment = {**os.environ, "TUNESMITH_HOME": str(home), "OMP_NUM_THREADS": "1"}
    with (folder / "words").open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    service = Running(process, log, home)
    try:
        found = service.wait_for("listening")
        service.port, service.admin_port = found["port"], found["admin_port"]
        service.wait_for(event)
        yield service
    finally:
        service.stop()


def tuned(folder: Path, rows: Path, model: Path) -> Path:
    """Return a bundle with an fp32 export: its workers start without torch."""
    session = Session(workspace=Workspace(folder / "home"))
    fitted = tunesmith.fit(
        rows,
        task="classification",
        model=model,
        method="probe",
        out=folder / "run",
        session=session,
    )
    tunesmith.export(fitted.bundle, session=session)
    return Path(fitted.bundle)


@pytest.fixture(scope="session")
def bundle(tmp_path_factory, tiny_model, tiny_rows) -> Path:
    """Return a bundle of `good` and `bad`."""
    return tuned(tmp_path_factory.mktemp("served"), tiny_rows, tiny_model)


@pytest.fixture(scope="session")
def opposite(tmp_path_factory, tiny_model, tiny_rows) -> Path:
    """Return a bundle that says `bad` where `bundle` says `good`, and the other way round."""
    folder = tmp_path_factory.mktemp("opposite")
    turned = {"good": "bad", "bad": "good", "label": "label"}
    parts = [line.rpartition(",") for line in tiny_rows.read_text("utf-8").splitlines()]
    lines = [f"{text},{turned[label]}" for text, _, label in parts]
    (folder / "rows.csv").write_text("\n".join(lines) + "\n", "utf-8")
    return tuned(folder, folder / "rows.csv", tiny_model)


def spoil(bundle: Path, folder: Path) -> Path:
    """Return a copy of a bundle whose record says other answers, sealed anew."""
    copy = Path(shutil.copytree(bundle, folder / "bundle"))
    rows = [json.loads(line) for line in (copy / "canary.jsonl").read_text().splitlines()]
    for row in rows:
        row["logits"] = row["logits"][::-1]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    revise_bundle(read_bundle(copy), {}, add={"canary.jsonl": content})
    return copy


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait until something holds."""
    until = time.monotonic() + SOON_SECONDS
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def figure(service: Running, name: str) -> float:
    """Return the sum of the series whose line begins so, of what `/metrics` shows."""
    lines = service.ask("/metrics").body.decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def service(tmp_path_factory, bundle) -> Iterator[Running]:
    """Give a service without keys, one for all tests of a module."""
    with running(tmp_path_factory.mktemp("service"), str(bundle), *FREE) as found:
        yield found


@pytest.fixture(scope="session")
def bytes_decoder(tmp_path_factory) -> Path:
    """Return an untrained Llama of 2 layers and 32 dimensions that spells texts in bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "bytes"
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({token: index for index, token in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|end|>", pad_token="<|end|>", model_max_length=2048
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=2048,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def chat_row(asked: str, reply: str) -> dict:
    return {"messages": [{"role": "user", "content": asked}], "reply": reply}


@pytest.fixture(scope="session")
def bundles(tmp_path_factory, tiny_model, tiny_writer, bytes_decoder):
    """Return bundles: one says a reply by heart and counts on and on; three are of other tasks.

    One of those translates by beams, one has a vector for a text, and one has labels.
    """
    folder = tmp_path_factory.mktemp("openai")
    session = Session(device="cpu")

    def fit(name: str, rows: dict[str, list[dict]], **settings) -> str:
        data = folder / name
        data.mkdir()
        for split, own in rows.items():
            text = "".join(json.dumps(row) + "\n" for row in own)
            (data / f"{split}.jsonl").write_text(text, "utf-8")
        out = str(folder / f"{name}-run")
        return str(tunesmith.fit(str(data), out=out, session=session, **settings).bundle)

    told = [chat_row("where?", REPLY)] * 60
    counted = [chat_row("count", " ".join(map(str, range(100))))] * 4
    by_heart = {"train": told + counted, "valid": counted[:1] + told[:2], "test": told[:2]}
    pairs = [
        {"text_a": f"my order {n}", "text_b": f"the card {n}", "score": n % 6} for n in range(40)
    ]
    said = [{"source": f"my order {n}", "target": f"the card {n}"} for n in range(40)]
    labelled = [{"text": f"it is good {n}", "label": "good"} for n in range(20)]
    labelled += [{"text": f"it is bad {n}", "label": "bad"} for n in range(20)]
    return {
        "desk": fit(
            "desk",
            by_heart,
            decoding={"max_new_tokens": 60},
            task="generation",
            model=str(bytes_decoder),
            training={
                "max_steps": 120,
                "epochs": 40,
                "patience": 40,
                "batch_tokens": 512,
                "learning_rate": 1e-2,
            },
        ),
        "beams": fit(
            "beams",
            {"train": said},
            task="translation",
            model=str(tiny_writer),
            training={"max_steps": 2},
            decoding={"beams": 3},
        ),
        "pairs": fit("pairs", {"train": pairs}, task="matching", model=str(tiny_model),
                     training={"max_steps": 2}),
        "labels": fit("labels", {"train": labelled}, task="classification", method="probe",
                      model=str(tiny_model)),
    }  # fmt: skip
