"""The terminal: how wide results are, and whoever stops the program."""

from __future__ import annotations

import signal

from rich.console import Console

#: A narrower terminal (columns) wraps the lines of tables, so that no number is cut off.
NARROWEST = 80


class Stopped(BaseException):
    """A signal asks the program to stop; like Ctrl-C it is no error of anybody.

    Parameters
    ----------
    signal_number : int
    """

    def __init__(self, signal_number: int) -> None:
        self.signal_number = signal_number
        super().__init__(signal.Signals(signal_number).name)


class _Output(Console):
    def on_broken_pipe(self) -> None:
        raise Stopped(signal.SIGPIPE)


def console() -> Console:
    """Make the console for results."""
    out = _Output(highlight=False)
    out.width = max(out.width, NARROWEST)
    return out
