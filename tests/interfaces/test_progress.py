"""Events on standard error: plain lines where there is no terminal, and text shown as text."""

from __future__ import annotations

from tunesmith.core.events import Progress, Said, Step, Validated, Warned
from tunesmith.interfaces.progress import listening


def step(index: int, loss: float = 0.5) -> Step:
    return Step(index, loss, 1e-4, tokens=1000, seconds=0.1, epoch=0, total=3)


def test_sentences_are_plain_lines_on_standard_error(capsys):
    with listening() as listener:
        listener(Said("reading [bold]rows[/bold] :smile:.csv"))
        listener(Warned("a label [/red]\x1b[31m is rare"))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == [
        "reading [bold]rows[/bold] :smile:.csv",
        "warning: a label [/red]\\x1b[31m is rare",
    ]


def test_validation_shows_its_measure_and_the_smoothed_loss(capsys):
    with listening() as listener:
        listener(Validated(0, "accuracy", 0.25, best=False, state="the head alone"))
        listener(step(1, loss=0.5))
        listener(Validated(1, "accuracy", 0.75, best=True, state="step 1"))
    assert capsys.readouterr().err.splitlines() == [
        "the head alone: validation accuracy 0.2500",
        "step 1: validation accuracy 0.7500 (best so far), loss 0.5000",
    ]


def test_steps_and_progress_without_a_terminal_print_nothing(capsys):
    with listening() as listener:
        for index in range(1, 4):
            listener(step(index))
        listener(Progress("answering", 10, None))
        listener(Progress("reading", 10, 10, note="x"))
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")


def test_long_sentences_are_not_broken(capsys):
    with listening() as listener:
        listener(Said("word " * 60))
    assert capsys.readouterr().err.count("\n") == 1
