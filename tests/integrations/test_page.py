"""The Python of the page on integrations runs as it stands."""

from __future__ import annotations

import re

import pytest


@pytest.fixture
def place(classifier_bundle, embedder_bundle, tmp_path, monkeypatch):
    """Return a folder with the bundles that the page names."""
    (tmp_path / "runs").mkdir()
    for name, bundle in (("tuned", classifier_bundle), ("pairs", embedder_bundle)):
        (tmp_path / "runs" / name).symlink_to(bundle.parent)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("number", range(4))
def test_lines_of_the_page_run_as_they_stand(repository, place, capsys, number):
    page = (repository / "docs" / "integrations.md").read_text("utf-8")
    found = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    assert len(found) == 4
    assert place.is_dir()
    exec(compile(found[number], "docs/integrations.md", "exec"), {})
    assert capsys.readouterr().out
