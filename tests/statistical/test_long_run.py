"""Memory of a run does not grow with the biological time that it records."""

import subprocess
import sys
from pathlib import Path

import pytest

from spinn_mam.recording import Recording

#: Records all spikes and 200 potentials, and prints its peak memory (bytes).
RUN = """
import resource, sys
from pathlib import Path
from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.models import load_model

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)

network = Network.from_seed(load_model("pd14").network(0.02, 0.1), 1)
recording = simulate(network, None, float(sys.argv[1]), 500.0, 1, 1, folder=Path(sys.argv[2]), record_v=(100, 0, 100, 0, 0, 0, 0, 0))
print(peak())
"""


@pytest.mark.slow
def test_peak_memory_does_not_grow_with_biological_time(tmp_path: Path) -> None:
    peaks, sizes = [], []
    for t_sim in (10_000.0, 150_000.0):
        folder = tmp_path / f"{t_sim:g}"
        said = subprocess.run([sys.executable, "-c", RUN, str(t_sim), str(folder)], check=True, capture_output=True, text=True).stdout
        peaks.append(int(said))
        sizes.append(sum(file.stat().st_size for file in (folder / "recording").iterdir()))
        recording = Recording.load(folder / "recording")
        assert recording.duration_ms == t_sim
        assert sum(1 for second in recording.windows(1000.0) if second.n_spikes) > 0.9 * t_sim / 1000
    assert sizes[1] - sizes[0] > 100e6
    assert peaks[1] - peaks[0] < 0.1 * (sizes[1] - sizes[0])
