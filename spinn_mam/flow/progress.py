"""What a user sees of a run: stage names, progress and times; one line a stage where there is no terminal."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from spinn_mam.backends.base import BIOLOGICAL

#: Without a terminal, a long stage says where it is this often (s), later each time this share of its duration has passed.
LINE_EVERY_S, LINE_EVERY_SHARE = 15.0, 0.05
#: A narrower terminal (columns) gets lines and no bar.
NARROWEST = 80


@dataclass(frozen=True, slots=True)
class Phase:
    """A phase of a stage since it began, or was taken up.

    Attributes
    ----------
    name : str
    done_before : float
        What was done when it began here.
    started : float
        Monotonic time (s).
    """

    name: str
    done_before: float
    started: float

    def text(self, done: float, total: float, now: float) -> str:
        """Say how far the phase is, how fast and how long it will take.

        Examples
        --------
        >>> Phase("simulate", 20_000.0, 100.0).text(30_000.0, 3_630_000.0, 115.0)
        'simulate, 30.0 of 3630 s, real-time factor 1.50, 1 h 30 min left'
        >>> Phase("build", 0.0, 100.0).text(30.0, 120.0, 115.0)
        'build, 25 %, 45 s left'
        """
        if not total:
            return self.name
        biological = self.name in BIOLOGICAL
        words = [self.name, f"{done / 1000:.1f} of {total / 1000:g} s" if biological else f"{100.0 * done / total:.0f} %"]
        seconds, did = now - self.started, done - self.done_before
        if did > 0 and done < total:
            if biological:
                words.append(f"real-time factor {1000.0 * seconds / did:.2f}")
            words.append(f"{duration(seconds / did * (total - done))} left")
        return ", ".join(words)


def duration(seconds: float) -> str:
    """Write a time as people say it.

    Examples
    --------
    >>> duration(59.6), duration(3600 * 26)
    ('1 min 0 s', '26 h 0 min')
    """
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    return f"{hours} h {m} min" if hours else f"{m} min {s} s" if m else f"{s} s"


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
        self._said = self._began = 0.0
        self._phase = Phase("", 0.0, 0.0)

    def started(self, number: int, total: int, name: str, reason: str = "") -> None:
        """Begin a stage; ``reason`` says why, if it was there before."""
        self._head = f"[{number}/{total}] {name}"
        if reason:
            self._line(f"{self._head}: {reason}", style="dim")
        self._said = self._began = time.monotonic()
        self._phase = Phase("", 0.0, 0.0)
        if self.console.is_terminal and shutil.get_terminal_size().columns >= NARROWEST:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(bar_width=None), TimeElapsedColumn())
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task(self._escaped(""), total=None)

    def progress(self, phase: str, done: float, total: float) -> None:
        """Show how far a phase of the stage is."""
        now = time.monotonic()
        if phase != self._phase.name:
            self._phase = Phase(phase, done, now)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=self._escaped(f": {self._phase.text(done, total, now)}"), completed=done, total=total)
        elif now - self._said > max(LINE_EVERY_S, LINE_EVERY_SHARE * (now - self._began)) and total:
            self._said = now
            self._line(f"{self._head}: {self._phase.text(done, total, now)}")

    def said(self, text: str) -> None:
        """Show what a stage found on its way."""
        self._line(f"{self._head}: {text}" if self._head else text)

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
