"""The spinnaker backend: the real sPyNNaker stack in a child process, on a board, spalloc, EBRAINS or the virtual board.

sPyNNaker keeps its state in globals and insists on a configuration in the home directory, so it always runs in a process
with a home, configuration and working directory of its own. It places and routes by itself; neurons a core, synapse cores and
ring-buffer shifts are the deployment's, and from these follow its slices and which synapse core takes which spikes.

A step of the cores acts on V in the step in which an input is due, NEST one step later, so a delay of NEST's is one step
shorter than sPyNNaker's; and a spike of step t has NEST's time stamp t + 1.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spinn_mam.backends.base import Capabilities, LocalRun, Network, Progress, RunConfig, RunHandle
from spinn_mam.backends.spinnaker import process
from spinn_mam.backends.spinnaker.checks import check_run
from spinn_mam.backends.spinnaker.job import SPIKES, SYNAPSES, Facts, Job
from spinn_mam.backends.spinnaker.targets import Target, configuration
from spinn_mam.deployment import Deployment
from spinn_mam.errors import MissingExtraError, RunFailedError, UsageError, Violation
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.machine.description import MachineDescription
from spinn_mam.nest_reference.simulation import expected_out_degrees
from spinn_mam.partitioning.delays import DELAY_OFFSET_STEPS
from spinn_mam.recording import ActivityCounts, Recording
from spinn_mam.virtual_board.faults import Faults

#: What a run on the virtual board shows, and what it does not.
UNTIMED = "functionally executed, timing not modelled"
#: Standard machines, smallest first: the virtual board has as many boards as the network needs, at most those of the board configuration.
STANDARD_MACHINES = ("spin5", "spin5-3", "spin5-6", "spin5-12", "spin5-24")
#: sPyNNaker's placement leaves cores free where the cores of a slice have to share a chip.
CHIPS_MARGIN = 1.3


@dataclass(frozen=True, slots=True)
class _Machine:
    """The machine of a run.

    Attributes
    ----------
    keys : mapping
        Of ``[Machine]``.
    provenance : callable
        What it says of the run.
    watch : callable
        Raises if it has failed.
    """

    keys: Mapping[str, str]
    provenance: Callable[[], dict[str, Any]] = dict
    watch: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class SpinnakerBackend:
    """Runs a network on sPyNNaker 7.4.1.

    Attributes
    ----------
    target : Target
    layout : str
        That deployments will have, for checks before there is one.
    folder : Path or None
        Where the child works; it stays, for those who want to look. None for a temporary folder.
    kept_log : Path
        Where its log goes if the run fails.
    faults : Faults
        What the virtual board is to get wrong.
    """

    target: Target
    layout: str = "combined"
    folder: Path | None = None
    kept_log: Path = Path(process.LOG)
    faults: Faults = field(default_factory=Faults)

    name: ClassVar[str] = "spinnaker"

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return Capabilities(
            neuron_models=("iaf_psc_exp",),
            longest_delay_steps=None,
            delay_offset_steps=DELAY_OFFSET_STEPS,
            bit_exact=True,
            needs_deployment=True,
            needs_hardware=self.target.is_hardware,
            connectivity=("shared", "law", "expander"),
        )

    def check(self, network: Network, run: RunConfig, deployment: Deployment | None) -> list[Violation]:
        """Find everything that speaks against the run, without touching hardware.

        Raises
        ------
        MissingExtraError
            If sPyNNaker, or the virtual board's CPU emulator, is not installed.
        """
        if util.find_spec("spynnaker") is None:
            raise MissingExtraError("the spinnaker backend", "spinnaker", "sPyNNaker")
        if self.target.is_virtual:
            from spinn_mam.virtual_board.binaries import check_unicorn

            check_unicorn()
        layout = self.layout if deployment is None else deployment.layout
        return check_run(network, run, deployment, layout=layout, offset=DELAY_OFFSET_STEPS, on_hardware=self.target.is_hardware)

    def start(self, network: Network, run: RunConfig, deployment: Deployment | None, progress: Progress | None = None) -> RunHandle:
        """Prepare a run; it happens when its result is asked for.

        Raises
        ------
        UsageError
            If there is no deployment.
        """
        if deployment is None:
            raise UsageError("the spinnaker backend needs a deployment: map the network first")
        return LocalRun(lambda: self._run(network, run, deployment, progress or (lambda phase, done, total: None)))

    def _run(self, network: Network, run: RunConfig, deployment: Deployment, progress: Progress) -> Recording:
        spec = network.spec
        n_warm, n_kept = round(run.warm_up / spec.dt), round(run.t_sim / spec.dt)
        job = Job(
            network=network,
            degree=run.connectivity,
            seed=run.seed,
            n_steps=n_warm + n_kept,
            neurons_per_core=tuple(deployment.neurons_per_core.tolist()),
            shifts=tuple((int(a), int(b)) for a, b in deployment.ring_buffer_shifts),
            synapse_cores=tuple(deployment.synapse_cores.tolist()),
            time_scale_factor=deployment.time_scale_factor,
            delay_offset_steps=DELAY_OFFSET_STEPS,
        )
        with self._work_folder() as folder, self._machine(deployment, run.threads, progress) as machine:
            job.save(folder)
            process.run_child(folder, configuration(machine.keys), self.kept_log, lambda phase: progress(phase.title, phase.done, 1.0), machine.watch)
            board = machine.provenance()
            facts = Facts.load(folder)
            with np.load(folder / SPIKES, allow_pickle=False) as stored:
                step, neuron = stored["step"] + 1, stored["neuron"]
            extra = self._read_back(job, folder)
            _tidy(folder)
        kept = (step >= n_warm + 1) & (step < n_warm + n_kept + 1)
        recording = Recording(
            spec.names,
            tuple(int(n) for n in spec.sizes),
            spec.dt,
            n_warm + 1,
            n_warm + n_kept + 1,
            step[kept],
            neuron[kept],
            _activity(job, neuron[kept], n_kept),
            self._provenance(job, facts, deployment) | extra | board,
        )
        if self.target.is_hardware and "simulate_s" in facts.times_s:
            recording.provenance["rtf"] = facts.times_s["simulate_s"] / (job.n_steps * spec.dt / 1000.0)
        return recording

    @contextmanager
    def _work_folder(self) -> Iterator[Path]:
        if self.folder is not None:
            self.folder.mkdir(parents=True)
            yield self.folder
            return
        with tempfile.TemporaryDirectory(prefix="spinn-mam-") as folder:
            yield Path(folder)

    @contextmanager
    def _machine(self, deployment: Deployment, threads: int, progress: Progress) -> Iterator[_Machine]:
        """Give the machine of the target; a virtual board runs as long as this is open."""
        if not self.target.is_virtual:
            yield _Machine(self.target.machine)
            return
        from spinn_mam.virtual_board.session import SETTINGS, VirtualBoard

        machine = virtual_machine(deployment)
        progress(f"start a virtual board: {machine.name}", 0.0, 0.0)
        with VirtualBoard(machine, threads=threads, faults=self.faults) as board:
            keys = {"machine_name": board.address, "version": str(board.version), **SETTINGS}
            yield _Machine(keys, lambda: _board_provenance(board), lambda: _check_board(board))

    def _read_back(self, job: Job, folder: Path) -> dict[str, Any]:
        if job.degree != "expander":
            return {}
        from spinn_mam.backends.spinnaker.readback import compare_synapses

        return compare_synapses(job, folder)

    def _provenance(self, job: Job, facts: Facts, deployment: Deployment) -> dict[str, Any]:
        provenance: dict[str, Any] = {
            "backend": self.name,
            "target": self.target.name,
            "arithmetic": "the machine's binaries",
            "poisson": "the machine's own sources",
            "layout": deployment.layout,
            "synapse_cores": list(job.synapse_cores),
            "seed": job.seed,
            "connectivity": job.degree,
            "connectivity_seed": job.network.connectivity.seed,
            "delay_offset_steps": job.delay_offset_steps,
            "ring_buffer_shifts": [list(pair) for pair in job.shifts],
            "time_scale_factor": job.time_scale_factor,
            "machine": facts.machine,
            "losses": facts.losses,
            "counts": facts.counts,
            **{name: facts.counts[name] for name in ("n_zero_weights", "n_saturated_weights") if name in facts.counts},
            "versions": facts.versions,
            "synaptic_events": "spikes times mean out-degree of their population",
            "peak_rss_bytes": facts.peak_rss_bytes,
            **facts.times_s,
        }
        if job.degree == "shared":
            provenance["connectivity_digest"] = job.network.connectivity.digest()
        if not self.target.is_hardware:
            provenance["timing"] = UNTIMED
        return provenance


def virtual_machine(deployment: Deployment) -> MachineDescription:
    """Choose the virtual board's size: the smallest standard machine that the network fits, or the deployment's if that is none or smaller.

    Parameters
    ----------
    deployment : Deployment
    """
    given = deployment.machine
    if given.name not in STANDARD_MACHINES:
        return given
    cores_a_chip = float(given.n_cores.mean())
    for name in STANDARD_MACHINES:
        machine = load_board_config(name)
        if machine.n_boards >= given.n_boards or machine.n_chips * cores_a_chip >= CHIPS_MARGIN * deployment.slices.n_slices:
            return machine if machine.n_boards < given.n_boards else given
    return given


def _activity(job: Job, neuron: npt.NDArray[np.int32], n_kept: int) -> ActivityCounts:
    spec = job.network.spec
    population = np.searchsorted(spec.offsets, neuron, side="right") - 1
    n_neurons = sum(p.size for p in spec.populations if not p.is_source)
    return ActivityCounts(
        n_spikes=len(neuron),
        n_synaptic_events=round(float(expected_out_degrees(spec)[population].sum())),
        n_neuron_updates=n_neurons * n_kept,
        duration_ms=n_kept * spec.dt,
    )


def _board_provenance(board: Any) -> dict[str, Any]:
    report = dataclasses.asdict(board.report())
    del report["crashed"]
    return {"board": report | {"binaries": {name: dict(load) for name, load in report["binaries"].items()}}}


def _check_board(board: Any) -> None:
    """Raise if a core of the virtual board has crashed, or the board itself: sPyNNaker would find out late, or never."""
    if board.crashed:
        raise RunFailedError(f"a core of the virtual board crashed; the log of sPyNNaker is kept\n{board.crashed[0]}")
    if not board.running:
        board.report()
        raise RunFailedError("the virtual board has ended by itself")


def _tidy(folder: Path) -> None:
    """Remove what nobody reads again, and the configuration, which may hold a password."""
    shutil.rmtree(folder / "home", ignore_errors=True)
    for name in (SPIKES, SYNAPSES):
        (folder / name).unlink(missing_ok=True)
