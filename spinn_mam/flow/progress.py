"""What a user sees of a run: stage names, progress and times; one line a stage where there is no terminal."""

from __future__ import annotations

import shutil
import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Without a terminal, a long stage says where it is this often (s).
LINE_EVERY_S = 15.0
#: A narrower terminal (columns) gets lines and no bar.
NARROWEST = 80


class Reporter:
    """Shows stages on a console.

    Parameters
    ----------
    console : rich.console.Console
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._head = ""
        self._said = 0.0

    def started(self, number: int, total: int, name: str, reason: str = "") -> None:
        """Begin a stage; ``reason`` says why it is made anew."""
        self._head = f"[{number}/{total}] {name}"
        if reason:
            self._line(f"{self._head}: made anew, {reason}", style="dim")
        self._said = time.monotonic()
        if self.console.is_terminal and shutil.get_terminal_size().columns >= NARROWEST:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._escaped(""), total=None)

    def progress(self, phase: str, done: float, total: float) -> None:
        """Show how far a phase of the stage is."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._escaped(f": {phase}"), completed=done, total=total)
        elif time.monotonic() - self._said > LINE_EVERY_S and total:
            self._said = time.monotonic()
            self._line(f"{self._head}: {phase} {100.0 * done / total:.0f} %")

    def finished(self, name: str, wall_time_s: float) -> None:
        """End a stage that was run."""
        self.stopped(name)
        self._line(f"{self._head}: {wall_time_s:.1f} s")

    def skipped(self, number: int, total: int, name: str) -> None:
        """Show a stage that needs no work."""
        self._line(f"[{number}/{total}] {name}: unchanged, skipped", style="dim")

    def stopped(self, name: str) -> None:
        """Take the bar away, whatever happened to stage ``name``."""
        del name
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _line(self, text: str, style: str | None = None) -> None:
        self.console.print(text, markup=False, highlight=False, style=style, soft_wrap=True)

    def _escaped(self, tail: str) -> str:
        return (self._head + tail).replace("[", "\\[")
