"""What a run was asked to be, checked before anything is done."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spinn_mam.comparison import PROTOCOLS
from spinn_mam.errors import UsageError
from spinn_mam.models import NetworkModel, load_model
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import parse_selection

#: Backends of this version, the default first.
BACKENDS = ("emulator", "nest", "spinnaker")
SYNAPSES = ("stored", "procedural")
LAYOUTS = ("combined", "split")
#: Neurons a core where nobody says: as in van Albada et al. (2018), doi:10.3389/fnins.2018.00291; and the most that leave 128 delay slots.
NEURONS_PER_CORE = {"combined": 80, "split": 64}
#: Degrees of connectivity that each backend can run, the default first.
DEGREES = {"emulator": ("shared", "expander"), "nest": ("shared", "law"), "spinnaker": ("shared", "law", "expander")}
DRIVES = ("poisson", "dc")
#: Instead of the name of a machine.
NO_MACHINE = "none"
#: Above this many synapses NEST and sPyNNaker draw their own from the same law.
LAW_ABOVE = 10_000_000
#: Cores of a chip beside the system's, a monitor, a neuron core and its Poisson core.
MAX_SYNAPSE_CORES = 14
#: Time steps are counted in 32 bits.
MAX_STEPS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class RunSettings:
    """A run, as the command line gives it.

    Attributes
    ----------
    model : str
        Name or path of a model document.
    settings : tuple of str
        ``KEY=VALUE`` each.
    drive : str or None
        ``"poisson"`` or ``"dc"``; None leaves it to the document.
    n_scaling, k_scaling : float
    backend : str
    t_sim, warm_up : float
        Kept and discarded biological time (ms).
    seed : int
    threads : int
    board_config : str
        Name or path; ``"none"`` for the emulator without a machine: no mapping, energy or real-time prediction.
    layout : str
        How neurons and synapses are laid out on cores.
    neurons_per_core : int or None
        None leaves it to the budgets.
    synapse_cores : int or None
        Of each neuron slice in the split layout; None leaves it to the budgets.
    time_scale_factor : float or str
        Wall-clock time over biological time on the machine.
    connectivity : str or None
        None: the recipe's own synapses, but NEST and sPyNNaker draw their own above 1e7.
    protocol : str
        Of the accuracy check.
    reference : str or None
        Path of reference statistics; None: the ones that ship, if there are any for this network.
    target : str
        Where sPyNNaker runs: ``"virtual"``, ``"spalloc"``, ``"ebrains"`` or a board's host name or address.
    configurations : tuple of str
        The user's own sPyNNaker configurations, which spalloc and ebrains take their server from.
    drop, late : float
        Probability that the virtual board loses a packet, or delivers it a tick late.
    shuffle : bool
        Whether the virtual board delivers packets of a tick in random order.
    record, record_v : str
        Neurons whose spikes and whose membrane potentials the emulator records, see :func:`spinn_mam.recording.parse_selection`.
    record_v_interval : float
        Time between two samples of the potentials (ms).
    checkpoint_every : float or None
        Biological time between two checkpoints (s); None: a minute of wall-clock time.
    synapses : str
        Whether the emulator stores them, or counts of them only: ``"stored"`` or ``"procedural"``. The result does not depend on it.
    """

    model: str
    settings: tuple[str, ...] = ()
    drive: str | None = None
    n_scaling: float = 1.0
    k_scaling: float = 1.0
    backend: str = "emulator"
    t_sim: float = 10_000.0
    warm_up: float = 500.0
    seed: int = 1
    threads: int = 2
    board_config: str = "spin5-6"
    layout: str = "combined"
    neurons_per_core: int | None = 80
    synapse_cores: int | None = None
    time_scale_factor: float | str = 20.0
    connectivity: str | None = None
    protocol: str = "senk26"
    reference: str | None = None
    target: str = "virtual"
    configurations: tuple[str, ...] = ()
    drop: float = 0.0
    late: float = 0.0
    shuffle: bool = False
    record: str = "all"
    record_v: str = "none"
    record_v_interval: float = 1.0
    checkpoint_every: float | None = None
    synapses: str = "stored"

    def load(self) -> tuple[NetworkModel, NetworkSpec]:
        """Load the model and derive its network, after checking every value.

        Raises
        ------
        UsageError
            If a value is out of range; DocumentError if the model document is wrong.
        """
        one_of("--backend", self.backend, BACKENDS)
        one_of("--layout", self.layout, LAYOUTS)
        one_of("--protocol", self.protocol, tuple(PROTOCOLS))
        one_of("--synapses", self.synapses, SYNAPSES)
        if self.synapses != "stored" and self.backend != "emulator":
            raise UsageError(f"--synapses {self.synapses}: only the emulator has procedural synapses; use --backend emulator")
        if self.drive is not None:
            one_of("--drive", self.drive, DRIVES)
        if self.connectivity is not None:
            one_of("--connectivity", self.connectivity, DEGREES[self.backend])
        self._check_machine()
        in_range("--t-sim", self.t_sim, 0.0, math.inf, "above 0 (ms)", open_low=True)
        in_range("--warm-up", self.warm_up, 0.0, math.inf, "at least 0 (ms)")
        in_range("--threads", self.threads, 1, 1024, "1 to 1024")
        in_range("--seed", self.seed, 0, 2**63 - 1, "0 to 2^63 - 1")
        if isinstance(self.time_scale_factor, str):
            if self.time_scale_factor != "auto":
                raise UsageError(f"--time-scale-factor {self.time_scale_factor}: give a number above 0, or auto")
        else:
            in_range("--time-scale-factor", self.time_scale_factor, 0.0, math.inf, "above 0", open_low=True)
        if self.neurons_per_core is not None:
            in_range("--neurons-per-core", self.neurons_per_core, 1, 256, "1 to 256")
        for flag, scale in (("--n-scaling", self.n_scaling), ("--k-scaling", self.k_scaling)):
            in_range(flag, scale, 0.0, 1.0, "above 0 and at most 1", open_low=True)
        model = load_model(self.model, self.settings, {} if self.drive is None else {"drive": self.drive})
        spec = model.network(self.n_scaling, self.k_scaling)
        self._check_recording(spec)
        for flag, value in (("--t-sim", self.t_sim), ("--warm-up", self.warm_up), ("--record-v-interval", self.record_v_interval)):
            steps = value / spec.dt
            if abs(steps - round(steps)) > 1e-6:
                near = round(steps) or 1
                raise UsageError(f"{flag} {value:g} ms is not a whole number of time steps of {spec.dt:g} ms: use {near * spec.dt:.10g}")
        steps = (self.t_sim + self.warm_up) / spec.dt
        if steps > MAX_STEPS:
            raise UsageError(f"--t-sim and --warm-up: {steps:.3g} time steps of {spec.dt:g} ms, at most {MAX_STEPS:.3g} are possible: simulate less")
        return model, spec

    @property
    def on_machine(self) -> bool:
        """Whether the network is mapped onto a machine."""
        return self.backend != "nest" and self.board_config != NO_MACHINE

    def _check_machine(self) -> None:
        """Refuse flags of the machine that the backend does not have."""
        if self.board_config == NO_MACHINE and self.backend != "nest":
            if self.backend != "emulator":
                raise UsageError(f"--board-config {NO_MACHINE}: only the emulator runs without a machine")
            if self.layout != "combined" or self.connectivity == "expander":
                raise UsageError(f"--board-config {NO_MACHINE}: split cores and the machine's own synapses depend on a mapping; name a machine")
        for flag, value in (("--drop", self.drop), ("--late", self.late)):
            in_range(flag, value, 0.0, 1.0, "a probability, 0 to 1")
        if self.backend != "spinnaker":
            if self.target != "virtual":
                raise UsageError(f"--target {self.target}: only --backend spinnaker has targets")
            if self.backend == "nest" and self.layout != "combined":
                raise UsageError(f"--layout {self.layout}: NEST has no cores; use --backend emulator or spinnaker")
        if self.synapse_cores is not None:
            if self.layout != "split":
                raise UsageError("--synapse-cores: combined cores have none; use it with --layout split")
            in_range("--synapse-cores", self.synapse_cores, 1, MAX_SYNAPSE_CORES, f"1 to {MAX_SYNAPSE_CORES}, or 0 to leave it to the budgets")
        if (self.drop or self.late or self.shuffle) and (self.backend, self.target) != ("spinnaker", "virtual"):
            raise UsageError("--drop, --late and --shuffle are for the virtual board: use --backend spinnaker --target virtual")

    def _check_recording(self, spec: NetworkSpec) -> None:
        """Refuse selections that cannot be, and those of backends that have none."""
        in_range("--record-v-interval", self.record_v_interval, 0.0, math.inf, "above 0 (ms)", open_low=True)
        if self.checkpoint_every is not None:
            in_range("--checkpoint-every", self.checkpoint_every, 0.0, math.inf, "above 0 (s)", open_low=True)
        if self.backend != "emulator" and (self.record != "all" or self.record_v != "none" or self.checkpoint_every is not None):
            raise UsageError(f"--record, --record-v and --checkpoint-every are for --backend emulator; {self.backend} records all spikes")
        self.recorded(spec)

    def recorded(self, spec: NetworkSpec) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return how many neurons of each population are recorded: their spikes, and their membrane potentials."""
        sizes = [p.size for p in spec.populations]
        with_v = [0 if p.is_source else p.size for p in spec.populations]
        return parse_selection("--record", self.record, spec.names, sizes), parse_selection("--record-v", self.record_v, spec.names, with_v)

    def degree(self, spec: NetworkSpec) -> str:
        """Return how the synapses of this run are the network's: ``"shared"``, ``"law"`` or ``"expander"``."""
        if self.connectivity is not None:
            return self.connectivity
        return "law" if self.backend != "emulator" and spec.n_synapses > LAW_ABOVE else "shared"

    def parameters(self, *names: str) -> dict[str, Any]:
        """Return some of the settings as plain data."""
        return {name: getattr(self, name) for name in names}


def one_of(flag: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a value that is not one of the choices."""
    if value not in choices:
        raise UsageError(f"{flag} {value}: use one of {', '.join(choices)}")


def in_range(flag: str, value: float, low: float, high: float, text: str, *, open_low: bool = False) -> None:
    """Refuse a value outside its range."""
    if not low <= value <= high or not math.isfinite(value) or (open_low and value == low):
        raise UsageError(f"{flag} {value:g} is out of range: it must be {text}")


def factor_of(text: str) -> float | str:
    """Return the time-scale factor that a command line gives: a number, or the text if it is none."""
    try:
        return float(text)
    except ValueError:
        return text
