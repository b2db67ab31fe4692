"""What a user sees of a run: stage names, progress and times; one line a stage where there is no terminal."""

from __future__ import annotations

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

#: Without a terminal, a long stage says where it is this often (s).
LINE_EVERY_S = 15.0


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

    def started(self, number: int, total: int, name: str) -> None:
        """Begin a stage."""
        self._head = f"[{number}/{total}] {name}"
        self._said = time.monotonic()
        if self.console.is_terminal:
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
            self.console.print(f"{self._head}: {phase} {100.0 * done / total:.0f} %", markup=False, highlight=False)

    def finished(self, name: str, wall_time_s: float) -> None:
        """End a stage that was run."""
        self.stopped(name)
        self.console.print(f"{self._head}: {wall_time_s:.1f} s", markup=False, highlight=False)

    def skipped(self, number: int, total: int, name: str) -> None:
        """Show a stage that needs no work."""
        self.console.print(f"[{number}/{total}] {name}: unchanged, skipped", markup=False, highlight=False, style="dim")

    def stopped(self, name: str) -> None:
        """Take the bar away, whatever happened to stage ``name``."""
        del name
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _escaped(self, tail: str) -> str:
        return (self._head + tail).replace("[", "\\[")
