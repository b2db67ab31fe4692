"""Who takes part in the benchmark of the emulator, and what a contender has to offer.

A contender is a module of this folder with a function ``build(job)`` that returns a :class:`Simulation`. It runs in a process of
its own. A new mode of the emulator is one more line in :data:`CONTENDERS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from spinn_mam.network.spec import NetworkSpec

#: The contender that all others are compared with.
BASE = "emulator"
#: Synapses of full-scale PD14, for which the costs below were measured.
FULL_SCALE = 298_880_970


@dataclass(frozen=True, slots=True)
class Job:
    """What a contender builds.

    Attributes
    ----------
    spec : NetworkSpec
    seed, threads : int
    folder : Path
        For files; empty at first, removed at the end.
    options : mapping
        Of the contender.
    """

    spec: NetworkSpec
    seed: int
    threads: int
    folder: Path
    options: Mapping[str, Any]


class Simulation(Protocol):
    """A network that is ready to run, in the contender's process."""

    def run(self, duration_ms: float) -> None:
        """Go on by some biological time (ms): the only part that is timed."""
        ...

    def cpu_s(self) -> float:
        """Return the processor time that was used so far (s)."""
        ...

    def spikes(self) -> list[int]:
        """Return the spikes of each population since the last call."""
        ...

    def memory(self) -> dict[str, int]:
        """Return ``peak_rss_bytes``, and ``network_bytes`` (arrays of synapses and state), as far as they are known."""
        ...


@dataclass(frozen=True, slots=True)
class Contender:
    """One that takes part.

    Attributes
    ----------
    name, title : str
    module : str
        In this folder.
    options : mapping
    threads : int
        0: as many as the user asks for.
    packages : tuple of (module, extra, distribution)
        What it needs.
    is_simulator : bool
        A simulator for any model: its segments are shorter.
    bytes_per_synapse : float
        To see whether it fits the memory.
    build_s, rtf : float
        Expected at full scale, to foretell how long the benchmark takes.
    """

    name: str
    title: str
    module: str
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    threads: int = 0
    packages: tuple[tuple[str, str, str], ...] = ()
    is_simulator: bool = False
    bytes_per_synapse: float = 5.0
    build_s: float = 5.0
    rtf: float = 2.0

    def missing(self) -> str:
        """Say what is not installed; empty if all is."""
        for module, extra, distribution in self.packages:
            if find_spec(module) is None:
                return f"the package '{distribution}' is not installed: run pip install 'spinn-mam[{extra}]'"
        return ""

    def bytes_needed(self, spec: NetworkSpec) -> float:
        """Memory for a network, with the process itself."""
        return 3e8 + self.bytes_per_synapse * spec.n_synapses


CONTENDERS = (
    Contender(BASE, "emulator", "emulated"),
    Contender("one-thread", "emulator, one thread", "emulated", threads=1, rtf=3.0),
    Contender(
        "procedural", "emulator, procedural synapses", "emulated", MappingProxyType({"synapses": "procedural"}), bytes_per_synapse=0.5, rtf=4.0
    ),
    Contender("machine-sources", "emulator, the machine's Poisson streams", "emulated", MappingProxyType({"sources": "machine"}), rtf=6.0),
    Contender(
        "nest",
        "NEST",
        "in_nest",
        packages=(("nest", "nest", "nest-simulator"),),
        is_simulator=True,
        bytes_per_synapse=50.0,
        build_s=150.0,
        rtf=100.0,
    ),
    Contender(
        "brian2",
        "Brian 2, C++ standalone",
        "in_brian2",
        packages=(("brian2", "bench", "brian2"),),
        is_simulator=True,
        bytes_per_synapse=40.0,
        build_s=150.0,
        rtf=100.0,
    ),
)
