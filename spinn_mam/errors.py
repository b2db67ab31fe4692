"""Errors a user can meet, each with its exit code and its numbers as fields.

The message of every error says what is wrong, where, what is needed against what there is, and what to do.
The command line prints it without a traceback and exits with ``exit_code``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar


class SpinnMamError(Exception):
    """Base of all errors that are not bugs of this package."""

    exit_code: ClassVar[int] = 1


class UsageError(SpinnMamError):
    """An argument, a configuration file or a model document is wrong."""

    exit_code = 2


class DocumentError(UsageError):
    """A document (model, board configuration, run folder file) is not valid.

    Parameters
    ----------
    document : str
        Path or name of the document.
    where : str
        Key in the document, dotted; empty for the whole document.
    problem : str
        What is wrong and what would be right.
    """

    def __init__(self, document: str, where: str, problem: str) -> None:
        self.document = document
        self.where = where
        self.problem = problem
        at = f" at '{where}'" if where else ""
        super().__init__(f"{document}{at}: {problem}")


class UnitError(UsageError):
    """A quantity has the wrong dimension or an unknown unit."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule, found by a checker.

    Attributes
    ----------
    rule : str
        Short name of the rule, for example ``"sdram"``.
    where : str
        Where it is broken, for example ``"chip (3, 4)"``.
    message : str
        Need against have, and what to do.
    excess : float
        How far beyond the limit, as need / have; sorts violations, worst first.
    advice : str
        What to do, if whoever knows more of the user's wishes may say it in another way.
    """

    rule: str
    where: str
    message: str
    excess: float = 1.0
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.message}{self.advice and ' '}{self.advice}"


class DoesNotFitError(SpinnMamError):
    """The network, or a part of it, does not fit the machine.

    Parameters
    ----------
    stage : str
        The stage that found it.
    violations : sequence of Violation
        All of them; the message lists the worst first.
    most : int
        How many the message lists.
    """

    exit_code = 3

    def __init__(self, stage: str, violations: Sequence[Violation], most: int = 20) -> None:
        self.stage = stage
        self.violations = sorted(violations, key=lambda v: -v.excess)
        shown = self.violations[:most]
        more = len(self.violations) - len(shown)
        n = len(self.violations)
        lines = [f"{stage}: {n} violation{'s' if n != 1 else ''}"]
        lines += [f"  {v}" for v in shown]
        if more:
            lines.append(f"  ... and {more} more")
        super().__init__("\n".join(lines))


class BackendUnavailableError(SpinnMamError):
    """A backend, an optional package or a machine is not there."""

    exit_code = 4


class MissingExtraError(BackendUnavailableError):
    """An optional dependency is not installed.

    Parameters
    ----------
    what : str
        What the user asked for.
    extra : str
        The extra of this package that brings it.
    package : str
        The missing package.
    """

    def __init__(self, what: str, extra: str, package: str) -> None:
        self.what = what
        self.extra = extra
        self.package = package
        super().__init__(f"{what} needs the package '{package}', which is not installed: run pip install 'spinn-mam[{extra}]'")


class RunFailedError(SpinnMamError):
    """A run started and did not finish."""

    exit_code = 5


class AccuracyError(SpinnMamError):
    """A finished run does not agree with its reference."""

    exit_code = 6


@dataclass(slots=True)
class Findings:
    """Collects violations so that a stage reports all of them, not the first."""

    stage: str
    violations: list[Violation] = field(default_factory=list)

    def add(self, rule: str, where: str, message: str, excess: float = 1.0, advice: str = "") -> None:
        """Note one violation."""
        self.violations.append(Violation(rule, where, message, excess, advice))

    def raise_if_any(self) -> None:
        """Raise DoesNotFitError if anything was found."""
        if self.violations:
            raise DoesNotFitError(self.stage, self.violations)


def interrupted(verb: str) -> str:
    """Say what is kept of a command that was interrupted, and how to go on."""
    if verb == "run":
        return "interrupted: nothing that was finished is lost; to go on, give the same command with the run folder as --out"
    if verb == "reference":
        return "interrupted: nothing that was finished is lost; to go on, give the same command"
    return "interrupted: what was not written yet is lost"
