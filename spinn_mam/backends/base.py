"""What every backend is: it checks a run without touching hardware, starts it, and hands over a Recording."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from spinn_mam.deployment import Deployment
from spinn_mam.errors import Violation
from spinn_mam.network.connectivity import Connectivity
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording

#: Called with the name of a phase, what is done and what there is to do; in BIOLOGICAL phases these are biological times (ms).
Progress = Callable[[str, float, float], None]
BIOLOGICAL = ("warm-up", "simulate")
ConnectivityDegree = Literal["shared", "expander", "law"]


@dataclass(frozen=True, slots=True)
class Network:
    """A network and the seed that its synapses are drawn from.

    Attributes
    ----------
    spec : NetworkSpec
    connectivity : Connectivity
    """

    spec: NetworkSpec
    connectivity: Connectivity

    @classmethod
    def from_seed(cls, spec: NetworkSpec, seed: int) -> Network:
        """Make the network of a spec and a seed."""
        return cls(spec, Connectivity(spec, seed))


@dataclass(frozen=True, slots=True)
class RunConfig:
    """How to run a network.

    Attributes
    ----------
    t_sim, warm_up : float
        Kept and discarded biological time (ms).
    seed : int
        Seed of sources and initial potentials (the synapses' seed is the network's).
    threads : int
    connectivity : str
        ``"shared"`` (our own synapses everywhere), ``"expander"`` or ``"law"``.
    record, record_v : tuple of int, optional
        Neurons of each population, its first ones, whose spikes (default: all) and whose membrane potentials (default: none) are
        recorded. Backends other than the emulator record all spikes and no potentials.
    record_v_interval : float
        Time between two samples of the potentials (ms).
    checkpoint_every : float, optional
        Biological time (s) after which a run that can be resumed is saved; default: each minute of wall-clock time.
    """

    t_sim: float
    warm_up: float
    seed: int
    threads: int
    connectivity: ConnectivityDegree
    record: tuple[int, ...] | None = None
    record_v: tuple[int, ...] | None = None
    record_v_interval: float = 1.0
    checkpoint_every: float | None = None


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do.

    Attributes
    ----------
    neuron_models : tuple of str
    longest_delay_steps : int or None
        None without a limit.
    delay_offset_steps : int
        What its adapter adds to NEST's delay to get its own.
    bit_exact : bool
        Whether it computes what SpiNNaker's cores compute.
    needs_deployment, needs_hardware : bool
    connectivity : tuple of str
        Degrees of connectivity it can run.
    """

    neuron_models: tuple[str, ...]
    longest_delay_steps: int | None
    delay_offset_steps: int
    bit_exact: bool
    needs_deployment: bool
    needs_hardware: bool
    connectivity: tuple[ConnectivityDegree, ...]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run is.

    Attributes
    ----------
    state : str
    phase : str
        Such as ``"build"`` or ``"simulate"``.
    done : float
        Share of the phase, 0 to 1.
    """

    state: Literal["pending", "running", "finished", "failed"]
    phase: str = ""
    done: float = 0.0


class RunHandle(Protocol):
    """A started run; its JSON outlives the process."""

    def status(self) -> RunStatus:
        """Return where the run is."""
        ...

    def result(self, timeout_s: float | None = None) -> Recording:
        """Wait for the recording.

        Raises
        ------
        RunFailedError
            If the run failed.
        """
        ...


class Backend(Protocol):
    """Something that can run a network."""

    @property
    def name(self) -> str:
        """Name on the command line."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    def check(self, network: Network, run: RunConfig, deployment: Deployment | None) -> list[Violation]:
        """Find everything that speaks against the run, without touching hardware."""
        ...

    def start(self, network: Network, run: RunConfig, deployment: Deployment | None, progress: Progress | None = None) -> RunHandle:
        """Start the run."""
        ...


@dataclass(slots=True)
class LocalRun:
    """Handle of a run in this process: it happens when its result is asked for.

    Attributes
    ----------
    compute : callable
        Runs the network and returns the Recording.
    """

    compute: Callable[[], Recording]
    _recording: Recording | None = None

    def status(self) -> RunStatus:
        """Return where the run is."""
        return RunStatus("pending" if self._recording is None else "finished")

    def result(self, timeout_s: float | None = None) -> Recording:
        """Run, the first time, and return the recording; a local run cannot be timed out, so ``timeout_s`` is ignored."""
        del timeout_s
        if self._recording is None:
            self._recording = self.compute()
        return self._recording
