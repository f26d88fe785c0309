from __future__ import annotations

from tunesmith.store.rankings import Rankings


def ranking(task: str, *ids: str) -> dict:
    return {"data_sha256": "a" * 64, "task": task, "ranking": [{"id": name} for name in ids]}


def test_ranking_of_the_same_rows_and_task_takes_the_place_of_the_last(tmp_path):
    rankings = Rankings(tmp_path / "rankings")
    rankings.keep(ranking("ner", "one", "two"))
    rankings.keep(ranking("matching", "one"))
    path = rankings.keep(ranking("ner", "two"))
    assert path.name == "aaaaaaaaaaaaaaaa-ner.json"
    assert [found["task"] for found, _ in rankings.of("one")] == ["matching"]
    assert [line for _, line in rankings.of("two")] == [{"id": "two"}]


def test_files_that_are_no_rankings_are_passed_over(tmp_path):
    (tmp_path / "x.json").write_text("{", "utf-8")
    (tmp_path / "y.json").write_text("[1]", "utf-8")
    assert list(Rankings(tmp_path).of("one")) == []
    assert list(Rankings(tmp_path / "nowhere").of("one")) == []
