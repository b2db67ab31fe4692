"""One PyNN script on the emulator and, through sPyNNaker and the ARM binaries, on a virtual board: equal spikes and potentials."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

SCRIPT = Path(__file__).with_name("pynn_script.py")


def result(folder: Path, *command: str) -> dict[str, list]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        env=os.environ | {"HOME": str(folder), "PYTHONPATH": str(SCRIPT.parents[2])},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


@pytest.mark.parametrize("arguments", [("1.0", "150", "current"), pytest.param(("0.1", "300"), marks=pytest.mark.slow)], ids=" ".join)
def test_spikes_and_potentials_are_equal(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    board = result(tmp_path, "-m", "spinn_mam.cli", "board", "run", str(SCRIPT), "pyNN.spiNNaker", *arguments)
    emulator = result(tmp_path, str(SCRIPT), "spinn_mam.pynn", *arguments)
    assert sum(len(train) for name in ("a", "b") for train in board[name]) > 20
    assert emulator == board
