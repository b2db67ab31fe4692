"""The job: what the parent process tells the child, one JSON file, and how names of random streams become sPyNNaker's seeds.

Nothing of it is specific to a target: a target is the configuration file beside the job.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import special

from spinn_mam.backends.base import ConnectivityDegree, Network
from spinn_mam.backends.emulator.drive import uniforms
from spinn_mam.errors import DocumentError
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.network.spec import NetworkSpec, Population
from spinn_mam.network.streams import stream_key

FORMAT = "spinn_mam.spinnaker_job/1"
JOB, RESULT, ERROR = "job.json", "result.json", "error.json"
SPIKES, SYNAPSES = "spikes.npz", "synapses.npz"
#: sPyNNaker seeds ``numpy.random.RandomState``, which takes 32 bits.
SEED_BITS = 32


@dataclass(frozen=True, slots=True)
class Job:
    """A run as the child process gets it.

    Attributes
    ----------
    network : Network
    degree : str
        ``"shared"``, ``"law"`` or ``"expander"``.
    seed : int
        Of sources and initial potentials.
    n_steps : int
        Steps to run, warm-up included.
    neurons_per_core : tuple of int
        Of each population.
    shifts : tuple of (int, int)
        Ring-buffer shifts of each population, excitatory and inhibitory.
    synapse_cores : tuple of int
        Synapse cores a slice of each population; 0 for combined cores.
    time_scale_factor : float
    delay_offset_steps : int
        Added to each delay of the network.
    """

    network: Network
    degree: ConnectivityDegree
    seed: int
    n_steps: int
    neurons_per_core: tuple[int, ...]
    shifts: tuple[tuple[int, int], ...]
    synapse_cores: tuple[int, ...]
    time_scale_factor: float
    delay_offset_steps: int

    def save(self, folder: Path) -> None:
        """Write ``job.json``."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "network"}
        content = {
            "format": FORMAT,
            "network": self.network.spec.to_dict(),
            "connectivity_seed": self.network.connectivity.seed,
            **plain,
        }
        (folder / JOB).write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Read what :meth:`save` wrote.

        Raises
        ------
        DocumentError
            If it is not a job.
        """
        path = folder / JOB
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content.pop("format", None) != FORMAT:
            raise DocumentError(str(path), "format", f"expected '{FORMAT}'")
        spec = NetworkSpec.from_dict(content.pop("network"))
        network = Network.from_seed(spec, content.pop("connectivity_seed"))
        for name in ("neurons_per_core", "synapse_cores"):
            content[name] = tuple(content[name])
        content["shifts"] = tuple((int(a), int(b)) for a, b in content["shifts"])
        return cls(network=network, **content)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the child says of a finished run, ``result.json``.

    Attributes
    ----------
    times_s : dict of str to float
        Wall time of sPyNNaker's stages.
    losses : dict of str to int
        Counts of what was lost, late or clipped.
    counts : dict of str to int
        Other counts of the cores' provenance.
    machine : dict of str to int
        Boards, chips and cores there are and are used.
    cores : dict of str to list
        Of each population: (x, y, p, lo, hi) of its neuron cores.
    versions : dict of str to str
    peak_rss_bytes : int
    """

    times_s: dict[str, float]
    losses: dict[str, int]
    counts: dict[str, int]
    machine: dict[str, int]
    cores: dict[str, list[list[int]]]
    versions: dict[str, str]
    peak_rss_bytes: int

    def save(self, folder: Path) -> None:
        """Write ``result.json``, whole or not at all."""
        part = folder / (RESULT + ".part")
        part.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        part.replace(folder / RESULT)

    @classmethod
    def load(cls, folder: Path) -> Facts:
        """Read what :meth:`save` wrote."""
        return cls(**json.loads((folder / RESULT).read_text(encoding="utf-8")))


def pynn_seed(seed: int, *path: str) -> int:
    """Make a seed for sPyNNaker from a seed and a name.

    Parameters
    ----------
    seed : int
    *path : str
        Such as ``"drive"`` and a population's name.

    Examples
    --------
    >>> pynn_seed(1, "drive", "L4E") != pynn_seed(1, "drive", "L4I")
    True
    """
    return int(stream_key(seed, "spynnaker", *path)) >> (64 - SEED_BITS)


def synapse_seed(network: Network, index: int) -> int:
    """Make the seed that sPyNNaker generates the synapses onto population ``index`` from."""
    return pynn_seed(network.connectivity.seed, "synapses", network.spec.names[index])


def initial_potentials(population: Population, seed: int) -> npt.NDArray[np.float64]:
    """Draw a population's initial membrane potentials (mV), the emulator's: each a multiple of 2^-15 mV; shape (size,)."""
    uniform = uniforms(stream_key(seed, "V0", population.name), 0, population.size)
    potentials: npt.NDArray[np.float64] = np.rint((population.V0_mean + population.V0_sd * special.ndtri(uniform)) * ONE) / ONE
    return potentials
