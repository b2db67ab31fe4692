"""Pytest fixtures: a virtual board for each test that asks for one.

To use them, put this into the ``conftest.py`` at the top of a project::

    pytest_plugins = ["spinn_mam.virtual_board.pytest_plugin"]

A test then takes ``spinnaker_board`` (the board) or ``spynnaker_on_board`` (the board, and sPyNNaker in this process set to use it)::

    def test_spikes(spynnaker_on_board):
        import pyNN.spiNNaker as sim

        sim.setup(timestep=1.0)
        ...

and may say what it needs: ``@pytest.mark.spinnaker_board("spin5-3", threads=2)`` takes the arguments of ``VirtualBoard``.

Each test has a board of its own, so that none sees what another left in its memory; starting one takes about two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from spinn_mam.virtual_board.session import VirtualBoard


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker."""
    config.addinivalue_line("markers", "spinnaker_board(machine, threads=2, ...): arguments of the VirtualBoard of the fixture spinnaker_board")


@pytest.fixture
def spinnaker_board(request: pytest.FixtureRequest) -> Iterator[VirtualBoard]:
    """Start a virtual board; the test is skipped where the CPU emulator is not installed.

    After the test, a core that crashed and was not noticed is an error.
    """
    pytest.importorskip("unicorn")
    from spinn_mam.virtual_board.session import VirtualBoard

    marker = request.node.get_closest_marker("spinnaker_board")
    with VirtualBoard(*(marker.args if marker else ()), **(marker.kwargs if marker else {})) as board:
        yield board
    if board.crashed:
        pytest.fail("\n".join(map(str, board.crashed)), pytrace=False)


@pytest.fixture
def spynnaker_on_board(spinnaker_board: VirtualBoard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VirtualBoard:
    """Set sPyNNaker in this process to use the board, and return the board.

    The working directory is a temporary one with a ``spynnaker.cfg``; reports go there, and the user's configuration is not read.
    """
    site = tmp_path / "site"
    site.mkdir()
    (site / ".spynnaker.cfg").write_text("")
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(site))
    for name in ("XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    (tmp_path / "spynnaker.cfg").write_text(spinnaker_board.config)
    monkeypatch.chdir(tmp_path)
    return spinnaker_board
