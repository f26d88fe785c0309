"""Figures of versions that answer no more are dropped after a while, those of others stay."""

from __future__ import annotations

from tunesmith.stages.serve.metrics import KEPT_VERSIONS, Metrics


def shown(metrics: Metrics) -> str:
    return metrics.show().decode()


def replace(metrics: Metrics, old: int, new: int) -> None:
    """Put a version in the place of another, as a fleet tells it."""
    metrics.note_served("desk", f"v{new}.", "live", serves=True)
    metrics.answers.labels("desk", f"v{new}.", "live", "good").inc()
    metrics.batch_seconds.labels("desk", f"v{new}.").observe(0.1)
    metrics.note_served("desk", f"v{old}.", "live", serves=False)
    metrics.forget_past([("desk", f"v{new}.")])


def test_service_that_is_replaced_every_day_does_not_grow():
    metrics = Metrics()
    replace(metrics, 0, 0)
    sizes = []
    for number in range(3 * KEPT_VERSIONS):
        replace(metrics, number, number + 1)
        sizes.append(shown(metrics).count("\n"))
    assert len(set(sizes[KEPT_VERSIONS + 1 :])) == 1
    assert f'version="v{3 * KEPT_VERSIONS}."' in shown(metrics)
    assert 'version="v1."' not in shown(metrics)


def test_version_that_answers_again_keeps_its_figures():
    metrics = Metrics()
    for number in range(2 * KEPT_VERSIONS):
        replace(metrics, number % 2, (number + 1) % 2)
    counted = [line for line in shown(metrics).splitlines() if "answers_total{" in line]
    assert sum(float(line.rsplit(" ", 1)[1]) for line in counted) == 2 * KEPT_VERSIONS
