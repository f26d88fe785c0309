"""Events on standard error: sentences, and one bar with tokens per second and the time left."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import (
    Progress as Bar,
)
from rich.text import Text

from tunesmith.core.events import Event, Progress, Said, Step, Validated, Warned
from tunesmith.interfaces.terminal import visible

SPEED_STEPS = 50


@contextlib.contextmanager
def listening() -> Iterator[Callable[[Event], None]]:
    """Give a listener that shows events while the block runs.

    Where there is no terminal it prints plain lines and no bar.
    """
    console = _PatientConsole(stderr=True, highlight=False, soft_wrap=True)
    bar = Bar(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        yield _Listener(console, bar)


class _PatientConsole(Console):
    """A console that falls silent when its reader leaves; rich would end the process."""

    def on_broken_pipe(self) -> None:
        """Print nothing from now on."""
        self.quiet = True


class _Listener:
    """Shows each event as it comes."""

    def __init__(self, console: Console, bar: Bar) -> None:
        self._console = console
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}
        self._recent: deque[tuple[int, float]] = deque(maxlen=SPEED_STEPS)
        self._loss = 0.0

    def __call__(self, event: Event) -> None:
        """Show an event; where nobody can read it any more, be silent so that the work goes on."""
        if self._console.quiet:
            return
        try:
            self._show(event)
        except OSError:
            self._console.quiet = True

    def _show(self, event: Event) -> None:
        match event:
            case Said(text):
                self._say(text, style="dim")
            case Warned(text):
                self._say(f"warning: {text}", style="yellow")
            case Step():
                self._show_step(event)
            case Validated():
                mark = " (best so far)" if event.best else ""
                loss = f", loss {self._loss:.4f}" if self._loss else ""
                self._say(
                    f"{event.state}: validation {event.measure} {event.value:.4f}{mark}{loss}"
                )
            case Progress():
                self._move(event.stage, event.done, event.total, event.note)

    def _say(self, text: str, *, style: str = "") -> None:
        self._console.print(Text(visible(text), style=style))

    def _show_step(self, step: Step) -> None:
        self._recent.append((step.tokens, step.seconds))
        tokens = sum(count for count, _ in self._recent)
        seconds = sum(time for _, time in self._recent)
        self._loss = step.loss if not self._loss else 0.98 * self._loss + 0.02 * step.loss
        parts = "".join(f" · {name} {loss:.3f}" for name, loss in step.parts.items())
        note = f"loss {self._loss:.3f}{parts} · {tokens / max(seconds, 1e-9):,.0f} tokens/s"
        self._move("tuning", step.index, step.total, note)

    def _move(self, stage: str, done: int, total: int | None, note: str) -> None:
        if stage not in self._tasks:
            self._tasks[stage] = self._bar.add_task(stage, total=total, note="")
        self._bar.update(self._tasks[stage], completed=done, total=total, note=note)
        if total is not None and done >= total:
            self._bar.update(self._tasks[stage], visible=False)
