"""Checks in environments of their own: ``nox``, or one of ``nox -s lint``, ``nox -s tests``, ``nox -s docs``."""

import nox

nox.options.sessions = ["lint", "tests", "docs"]
nox.options.reuse_existing_virtualenvs = True


def install(session: nox.Session) -> None:
    """Install the package with all extras, at the versions of the lock file."""
    session.install("-c", "requirements.lock", "-e", ".[all]")


@nox.session(python="3.11")
def lint(session: nox.Session) -> None:
    """Check style and types."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


@nox.session(python="3.11")
def tests(session: nox.Session) -> None:
    """Run the tests; arguments after ``--`` go to pytest."""
    install(session)
    session.run("pytest", *(session.posargs or ["-m", "not slow"]))


@nox.session(python="3.11")
def docs(session: nox.Session) -> None:
    """Build the documentation; warnings are errors."""
    install(session)
    session.run("sphinx-build", "-q", "-W", "-b", "html", "docs", "docs/_build")
