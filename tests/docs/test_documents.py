"""README and documents: the two languages agree, and every command, flag and setting exists."""

from __future__ import annotations

import ast
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

import tunesmith
from tunesmith.core import errors
from tunesmith.core.boosters import BoostRecipe
from tunesmith.core.errors import TunesmithError
from tunesmith.core.examples import Place
from tunesmith.core.methods import METHODS
from tunesmith.core.spec import setting_paths
from tunesmith.interfaces.cli import app
from tunesmith.model.known.catalogue import packaged_entries
from tunesmith.operations import OPERATIONS
from tunesmith.tasks import TASKS

READMES = ("README.md", "README.zh-CN.md")
TASK_PAGES = {
    kind: (f"docs/tasks/{kind}.md", f"docs/tasks/{kind}.zh-CN.md") for kind in ("README", *TASKS)
}
SAMPLES = {
    "ner": "orders",
    "matching": "pairs",
    "relation": "relations",
    "qa": "reading",
    "choice": "choices",
    "summarization": "notes",
    "translation": "phrases",
    "generation": "replies",
}
"""The folder of `examples/` whose rows, one JSON object a line, a task's pages show."""
PLACEHOLDERS = {"path", "PATH"}
SETTINGS_FILE = "data: rows.csv\ntask: classification\n"


@dataclass(frozen=True)
class Block:
    """A fenced block: its language and its text."""

    language: str
    text: str


def document(repository: Path, name: str) -> str:
    text = (repository / name).read_text(encoding="utf-8")
    assert len(text) > 500, f"{name} is empty"
    return text


def blocks(text: str) -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    return [Block(language, body) for language, body in found]


def prose(text: str) -> str:
    """Return a document without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def documents(repository: Path) -> list[Path]:
    """Return every Markdown file of the repository."""
    found = [*repository.glob("*.md"), *(repository / "docs").rglob("*.md")]
    found += [*(repository / "examples").rglob("*.md"), *(repository / "deploy").glob("*.md")]
    assert len(found) > 12
    return found


def commands(text: str) -> list[str]:
    """Return every `tunesmith …` of the shell blocks, also those behind a pipe, a line each."""
    lines = [
        line
        for block in blocks(text)
        if block.language in {"sh", "bash", ""}
        for line in block.text.replace("\\\n", " ").splitlines()
    ]
    parts = [part.strip() for line in lines for part in re.split(r"\s\|\s", line)]
    return [part for part in parts if part.startswith("tunesmith ")]


def headings(text: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(text), re.MULTILINE)]


def test_readmes_have_the_same_sections(repository):
    english, chinese = (headings(document(repository, name)) for name in READMES)
    assert len(english) > 10
    assert english == chinese


def test_readmes_have_the_same_commands(repository):
    english, chinese = (
        [block for block in blocks(document(repository, name)) if block.language == "sh"]
        for name in READMES
    )
    assert len(english) > 8
    assert english == chinese


def test_readmes_have_the_same_tables_of_figures(repository):
    """Whatever the language, the same numbers: what stands between the marks of the benchmark."""
    figures = [
        re.findall(r"\d[\d.,]*", document(repository, name).partition("measured:begin")[2])
        for name in READMES
    ]
    assert figures[0][: len(figures[1])] == figures[1][: len(figures[0])]


@pytest.mark.parametrize("kind", TASK_PAGES)
def test_both_pages_of_a_task_have_the_same_sections_blocks_and_figures(repository, kind):
    english, chinese = (document(repository, name) for name in TASK_PAGES[kind])
    assert headings(english) == headings(chinese)
    assert blocks(english) == blocks(chinese)
    for pattern in (r"<!-- \w+: [^>]+ -->", r"\d\.\d+"):
        assert re.findall(pattern, prose(english)) == re.findall(pattern, prose(chinese))


@pytest.mark.parametrize(
    "page",
    [
        "joint",
        "boosters",
        "more_from_less",
        "reliability",
        "prompts",
        "runs",
        "search",
        "security",
        "serving",
        "zoo",
        "integrations",
    ],
)
def test_both_pages_of_a_subject_have_the_same_sections_and_blocks(repository, page):
    english, chinese = (document(repository, f"docs/{page}{end}.md") for end in ("", ".zh-CN"))
    assert headings(english) == headings(chinese)
    assert len(headings(english)) > 4
    assert blocks(english) == blocks(chinese)
    assert re.findall(r"\d+\.\d+", prose(english)) == re.findall(r"\d+\.\d+", prose(chinese))


def test_number_of_known_models_is_that_of_the_catalogue(repository):
    count = len(packaged_entries())
    for name in (*READMES, "docs/zoo.md", "docs/zoo.zh-CN.md"):
        text = document(repository, name)
        assert set(re.findall(r"(\d+)(?: pretrained| models of| 个预训练| 个模型)", text)) == {
            str(count)
        }, name


@pytest.mark.parametrize("kind", TASKS)
def test_page_of_a_task_names_its_roles_and_its_measure(repository, kind):
    task = TASKS[kind]()
    for name in TASK_PAGES[kind]:
        text = prose(document(repository, name))
        for role in (*task.input_roles, *task.gold_roles, *task.extra_roles, task.selection):
            assert f"`{role}`" in text, (name, role)


@pytest.mark.parametrize(("kind", "sample"), SAMPLES.items())
def test_row_that_a_page_shows_is_one_of_our_sample(repository, kind, sample):
    shown = next(
        b.text for b in blocks(document(repository, TASK_PAGES[kind][0])) if b.language == "json"
    )
    files = sorted((repository / "examples" / sample).glob("*.jsonl"))
    assert len(files) >= 2
    assert any(shown in path.read_text(encoding="utf-8") for path in files)


@pytest.mark.parametrize("sample", SAMPLES.values())
def test_samples_hold_rows_that_their_task_reads(repository, sample):
    kind = next(task for task, folder in SAMPLES.items() if folder == sample)
    task, texts = TASKS[kind](), []
    for path in sorted((repository / "examples" / sample).glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            example, problems = task.read(json.loads(line), place=Place(path.name, number))
            assert not problems
            assert example.gold is not None
            texts.append(example.inputs.text)
    assert len(texts) >= 60
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize(
    "name",
    [
        *READMES,
        "CONTRIBUTING.md",
        "docs/joint.md",
        "docs/boosters.md",
        "docs/more_from_less.md",
        "docs/reliability.md",
        "docs/prompts.md",
        "docs/runs.md",
        "docs/search.md",
        "docs/zoo.md",
        "docs/integrations.md",
        "docs/serving.md",
        *(pages[0] for pages in TASK_PAGES.values()),
    ],
)
def test_commands_of_a_document_can_be_parsed(repository, name, tmp_path, monkeypatch):
    found = commands(document(repository, name))
    is_task = name.startswith("docs/tasks/") and "README" not in name
    assert len(found) >= (8 if name in READMES else 4 if is_task else 0)
    monkeypatch.chdir(tmp_path)
    for command in found:
        words = [word for word in shlex.split(command)[1:] if word != "--print-spec"]
        for word in words:
            if word.endswith((".yaml", ".yml")):
                Path(word).parent.mkdir(parents=True, exist_ok=True)
                Path(word).write_text(SETTINGS_FILE)
        result = CliRunner().invoke(app, [*words, "--print-spec"])
        assert result.exit_code == 0, f"{command}\n{result.stderr}"


@pytest.mark.parametrize("name", READMES)
def test_commands_shown_with_their_answer_give_it(repository, name):
    shown = [block for block in blocks(document(repository, name)) if block.text.startswith("$ ")]
    assert len(shown) == 1
    for block in shown:
        command, _, answer = block.text.partition("\n")
        result = CliRunner().invoke(app, shlex.split(command.removeprefix("$ tunesmith ")))
        assert result.output == answer


def test_verbs_named_in_text_exist(repository):
    named = {
        verb
        for path in documents(repository)
        for verb in re.findall(r"`tunesmith ([a-z]+)", prose(path.read_text(encoding="utf-8")))
    }
    assert {"env", "runs", "fit"} <= named
    assert named <= set(OPERATIONS)


def test_flags_named_in_the_readmes_exist(repository):
    """Only our own: a flag of another program stands behind that program's name."""
    known = {
        flag
        for verb in OPERATIONS
        for flag in re.findall(r"--[a-z-]+", CliRunner().invoke(app, [verb, "--help"]).stdout)
    }
    for name in READMES:
        named = set(re.findall(r"`(--[a-z-]+)", prose(document(repository, name))))
        assert len(named) > 8
        assert named <= known


def test_settings_named_in_documents_exist(repository):
    known = {path for row in OPERATIONS.values() for path, _ in setting_paths(row.spec)}
    named = {
        (path.name, setting)
        for path in documents(repository)
        for text in [path.read_text(encoding="utf-8")]
        for part in [prose(text), *(b.text for b in blocks(text) if b.language == "sh")]
        for setting in re.findall(r"--set ([\w.]+)=", part)
    }
    named = {(file, re.sub(r"^also\.\w+", "also.NAME", setting)) for file, setting in named}
    named = {(file, setting.removeprefix("search.space.")) for file, setting in named}
    assert len(named) > 6
    assert {(file, s) for file, s in named if s not in known | PLACEHOLDERS} == set()


@pytest.mark.parametrize("name", READMES)
def test_exit_statuses_are_those_of_the_errors(repository, name):
    """The root of the errors stands for none: every failure is one of its classes."""
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", document(repository, name), re.MULTILINE)
    classes = [
        value
        for value in vars(errors).values()
        if isinstance(value, type)
        and issubclass(value, TunesmithError)
        and value is not TunesmithError
    ]
    statuses = [int(status) for status, _ in rows]
    assert statuses == sorted(statuses)
    assert set(statuses) == {0, *(error.exit_status for error in classes)}


@pytest.mark.parametrize("name", READMES)
def test_tables_name_every_task_role_and_method(repository, name):
    rows = [line for line in document(repository, name).splitlines() if line.startswith("| `")]
    for kind, task in TASKS.items():
        text = " ".join(line for line in rows if line.startswith(f"| `{kind}`"))
        for role in (*task.input_roles, *task.gold_roles, *task.extra_roles):
            assert f"`{role}`" in text, (kind, role)
    for method in METHODS:
        assert any(line.startswith(f"| `{method}`") for line in rows), method


def test_python_of_the_readmes_calls_what_exists(repository):
    trees = [
        ast.parse(block.text)
        for name in READMES
        for block in blocks(document(repository, name))
        if block.language == "python"
    ]
    assert len(trees) >= 2
    calls = [
        node
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("tunesmith.")
    ]
    assert len(calls) >= 3
    for call in calls:
        name = ast.unparse(call.func).removeprefix("tunesmith.")
        assert name in tunesmith.__all__
        given = {keyword.arg for keyword in call.keywords} - {"session"}
        assert given <= set(OPERATIONS[name].spec.model_fields)


def test_links_between_documents_lead_somewhere(repository):
    count = 0
    broken = []
    for path in documents(repository):
        for target in re.findall(r"\]\(([^)#\s]+)", prose(path.read_text(encoding="utf-8"))):
            if "://" not in target:
                count += 1
                if not (path.parent / target).exists():
                    broken.append(f"{path.name}: {target}")
    assert count > 8
    assert not broken


def test_source_tree_of_the_readmes_is_the_tree(repository):
    root = repository / "src" / "tunesmith"
    folders = {path.parent.name for path in root.rglob("__init__.py")} - {"tunesmith"}
    top = {path.name for path in root.iterdir() if path.is_dir()} - {"__pycache__"}
    for name in READMES:
        tree = next(
            b.text for b in blocks(document(repository, name)) if "src/tunesmith/" in b.text
        )
        shown = set(re.findall(r"[├└]── (\w+)/", tree))
        assert top <= shown <= folders


def test_contributing_is_short(repository):
    assert len(document(repository, "CONTRIBUTING.md").splitlines()) <= 60


def test_decisions_are_numbered_without_gaps(repository):
    names = sorted(path.name for path in (repository / "docs" / "decisions").glob("*.md"))
    numbers = [int(name[:4]) for name in names if re.fullmatch(r"\d{4}-[a-z0-9-]+\.md", name)]
    assert len(numbers) == len(names)
    assert numbers == list(range(1, len(names) + 1))


def test_page_of_the_boosters_names_each_setting_and_its_default(repository):
    rows = [line for line in document(repository, "docs/boosters.md").splitlines() if "|" in line]
    checked = 0
    for path, field in setting_paths(BoostRecipe):
        name, _, setting = path.partition(".")
        shown = [row for row in rows if row.startswith(f"| `{name}")]
        assert shown, name
        if setting and setting != "name":
            default = f"`{setting}` {field.default:g}"
            assert any(default in row for row in shown), default
            checked += 1
    assert checked > 15
