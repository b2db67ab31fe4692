"""The balanced network of the experiments: the same script on the emulator and on NEST fires alike."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_rates_and_irregularity_agree_with_nest(tmp_path: Path) -> None:
    found = {}
    for simulator in ("emulator", "nest"):
        command = [sys.executable, "-W", "ignore", str(ROOT / "experiments" / "balanced_network.py"), simulator]
        said = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout
        rate, cv = re.search(r"([\d.]+) spikes/s, CV of the intervals ([\d.]+)", said).groups()
        found[simulator] = float(rate), float(cv)
    # each draws synapses and sources of its own
    assert found["emulator"] == pytest.approx(found["nest"], rel=0.1)
