"""The stages of a run, from the model document to the report; each is declared here with what its result depends on."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spinn_mam.analysis import compare_activity
from spinn_mam.backends.base import Backend, Network, RunConfig
from spinn_mam.backends.spinnaker.backend import SpinnakerBackend
from spinn_mam.backends.spinnaker.targets import board_version, make_target
from spinn_mam.comparison import Comparison, ReferenceStatistics, compare
from spinn_mam.deployment import Deployment
from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.model import EnergyEstimate, MappingFacts, run_phase_energy
from spinn_mam.errors import DoesNotFitError, UsageError
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.flow.engine import Results, Stage, file_digest
from spinn_mam.flow.settings import RunSettings
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.machine.description import MachineDescription
from spinn_mam.models import NetworkModel
from spinn_mam.nest_reference.library import find_reference
from spinn_mam.nest_reference.simulation import import_nest
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.check import check
from spinn_mam.partitioning.export import write_pacman_json
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.real_time.prediction import RealTime, predict_expected, predict_run
from spinn_mam.real_time.receivers import not_modelled
from spinn_mam.recording import Recording
from spinn_mam.recording.files import FORMAT
from spinn_mam.units import counted
from spinn_mam.virtual_board.faults import Faults

Report = Callable[[str, float, float], None]
#: All stages that a run can have; a stage's folder has its number here, whatever stages the run has.
STAGES = ("network", "mapping", "simulation", "comparison", "energy", "real-time")
#: In the folder of the simulation stage.
RECORDING = "recording"


def build_stages(settings: RunSettings, model: NetworkModel, spec: NetworkSpec) -> list[Stage]:
    """Declare the stages of a run.

    Parameters
    ----------
    settings : RunSettings
    model : NetworkModel
    spec : NetworkSpec
        What ``settings.load()`` gave.

    Returns
    -------
    list of Stage
        In order; a run on NEST, or on no machine, has no mapping, and so no energy and no real-time prediction.
    """
    network = Network.from_seed(spec, settings.seed)
    reference, reference_id, absent = _reference(settings, spec)
    if settings.reference is not None and reference is not None:
        _check_reference(settings, spec, reference)
    on_machine = settings.on_machine
    stages = [_network_stage(settings, model, network)]
    if on_machine:
        stages.append(_mapping_stage(settings, spec))
    stages.append(_simulation_stage(settings, network, on_machine))
    stages.append(_comparison_stage(settings, reference, reference_id, absent))
    if on_machine:
        stages += [_energy_stage(settings), _real_time_stage(settings)]
    return [dataclasses.replace(stage, number=STAGES.index(stage.name) + 1) for stage in stages]


def stage_folder(run: Path, name: str) -> Path:
    """Return the folder of a stage in a run folder; it need not exist."""
    return run / f"{STAGES.index(name) + 1:02d}-{name}"


def make_backend(name: str, folder: Path | None = None, synapses: str = "stored") -> Backend:
    """Make the backend of this name; what needs more is made by :func:`make_spinnaker`.

    Parameters
    ----------
    name : str
    folder : Path, optional
        Where a backend that can go on with an interrupted run keeps it.
    synapses : str
        Of the emulator: ``"stored"`` or ``"procedural"``.

    Raises
    ------
    UsageError
        If there is none.
    """
    if name == "emulator":
        from spinn_mam.backends.emulator.backend import EmulatorBackend

        return EmulatorBackend(folder, "procedural" if synapses == "procedural" else "stored")
    if name == "nest":
        from spinn_mam.backends.nest import NestBackend

        return NestBackend()
    raise UsageError(f"--backend {name}: use emulator or nest")


def make_spinnaker(settings: RunSettings, machine: MachineDescription) -> SpinnakerBackend:
    """Make the spinnaker backend that a run asks for.

    Raises
    ------
    UsageError
        If its target cannot be.
    """
    configurations = [Path(name) for name in settings.configurations]
    target = make_target(settings.target, version=board_version(machine), configurations=configurations)
    faults = Faults(settings.drop, settings.late, settings.shuffle, settings.seed)
    return SpinnakerBackend(target, settings.layout, faults=faults)


def _network_stage(settings: RunSettings, model: NetworkModel, network: Network) -> Stage:
    def make(folder: Path, results: Results, report: Report) -> Network:
        del results, report
        content = {
            "format": "spinn_mam.network/1",
            "digest": network.spec.digest(),
            "connectivity_digest": network.connectivity.digest(),
            "seed": settings.seed,
            "variants": model.document.chosen,
            "overrides": [{"key": o.key, "default": o.default, "value": o.value} for o in model.document.overrides],
            "network": network.spec.to_dict(),
        }
        write_json(folder / "network.json", content)
        return network

    return Stage("network", (), {"connectivity": network.connectivity.digest(), "document": model.document.data}, make, lambda folder: network)


def _mapping_stage(settings: RunSettings, spec: NetworkSpec) -> Stage:
    machine = load_board_config(settings.board_config)

    def compute(report: Report) -> Deployment:
        def mapped(factor: float) -> Deployment:
            return map_network(
                spec,
                machine,
                neurons_per_core=settings.neurons_per_core,
                time_scale_factor=factor,
                layout=settings.layout,
                synapse_cores=settings.synapse_cores,
                ring_buffer_shifts=ring_buffer_shifts(spec),
                rng=np.random.default_rng(settings.seed),
                progress=lambda stage: report(stage, 0.0, 0.0),
            )

        factor = settings.time_scale_factor
        deployment = mapped(factor) if not isinstance(factor, str) else with_safe_factor(spec, mapped, settings.layout, settings.seed)
        report("check", 0.0, 0.0)
        violations = check(deployment, spec)
        if violations:
            raise DoesNotFitError("mapping", violations)
        return deployment

    def make(folder: Path, results: Results, report: Report) -> Deployment:
        del results
        deployment = compute(report)
        deployment.save(folder)
        write_pacman_json(deployment, spec, folder / "pacman")
        return deployment

    def check_fit(folder: Path) -> str:
        del folder
        m = compute(lambda phase, done, total: None).metrics
        return f"fits: {m['cores']:,} cores on {counted(m['chips'], 'chip')} of {machine.name}"

    parameters = settings.parameters("neurons_per_core", "time_scale_factor", "layout", "synapse_cores", "seed") | {"machine": machine.digest()}
    return Stage("mapping", ("network",), parameters, make, Deployment.load, check=check_fit)


def _simulation_stage(settings: RunSettings, network: Network, on_machine: bool) -> Stage:
    spinnaker = make_spinnaker(settings, load_board_config(settings.board_config)) if settings.backend == "spinnaker" else None
    backend: Backend = spinnaker or make_backend(settings.backend, synapses=settings.synapses)
    as_it_goes = settings.backend == "emulator"  # it writes its recording itself, and can go on with it
    degree = settings.degree(network.spec)
    config = RunConfig(
        settings.t_sim,
        settings.warm_up,
        settings.seed,
        settings.threads,
        degree,  # type: ignore[arg-type]
        *settings.recorded(network.spec),
        settings.record_v_interval,
        settings.checkpoint_every,
    )

    def check_backend(folder: Path, deployment: Deployment | None = None) -> str:
        violations = in_folder(backend, folder).check(network, config, deployment)
        if violations:
            raise DoesNotFitError(f"{settings.backend} backend", violations)
        if settings.backend == "nest":
            import_nest()
        if backend.capabilities.bit_exact:
            for population in network.spec.populations:
                if population.neuron is not None:
                    lif_constants(population.neuron, population.I_e, network.spec.dt)  # raises if the number format cannot hold them
        return ""

    def in_folder(backend: Backend, folder: Path) -> Backend:
        if isinstance(backend, SpinnakerBackend):
            return dataclasses.replace(backend, folder=folder / "spynnaker", kept_log=folder.parent / "spynnaker.log")
        return make_backend(settings.backend, folder, settings.synapses)

    def make(folder: Path, results: Results, report: Report) -> Recording:
        deployment = results["mapping"] if on_machine else None
        check_backend(folder, deployment)
        recording = in_folder(backend, folder).start(network, config, deployment, report).result()
        if spinnaker is not None and spinnaker.faults.any:
            # what the faults do shows beside the same run without them, for equal synapses and sources
            report("the same without injected faults", 0.0, 0.0)
            sound = dataclasses.replace(spinnaker, folder=folder / "without-faults", faults=Faults())
            without = sound.start(network, config, deployment, report).result()
            recording.provenance["faults"] = compare_activity(recording, without)
        if not as_it_goes:
            recording.save(folder / RECORDING)
        return recording

    parameters = settings.parameters("backend", "t_sim", "warm_up", "seed") | {"connectivity": degree, "recording": FORMAT}
    if as_it_goes:
        parameters |= {"record": config.record, "record_v": config.record_v, "record_v_interval": config.record_v_interval}
    if spinnaker is not None:
        parameters |= settings.parameters("target", "drop", "late", "shuffle")
    if not backend.capabilities.bit_exact:
        parameters |= settings.parameters("threads")  # NEST's random streams depend on them
    needs = ("network", "mapping") if on_machine else ("network",)
    extent = "t_sim" if as_it_goes else None
    return Stage("simulation", needs, parameters, make, _load_recording, check=check_backend, extent=extent)


def _load_recording(folder: Path) -> Recording:
    """Open the recording of a stage whose files were checked."""
    return Recording.load(folder / RECORDING, verify=False)


def _comparison_stage(settings: RunSettings, reference: ReferenceStatistics | None, reference_id: str, absent: str) -> Stage:
    cache: dict[str, Comparison | str] = {}

    def compute(recording: Recording) -> Comparison | str:
        if "it" not in cache:
            try:
                cache["it"] = absent if reference is None else compare(recording, reference, settings.protocol)
            except UsageError as error:
                cache["it"] = str(error)
        return cache["it"]

    def make(folder: Path, results: Results, report: Report) -> Comparison | str:
        report("compare", 0.0, 0.0)
        recording = results["simulation"]
        comparison = compute(recording)
        content = {"absent": comparison} if isinstance(comparison, str) else comparison.to_metrics()
        write_json(folder / "comparison.json", {"format": "spinn_mam.comparison/1", "rates": recording.rates(), "accuracy": content})
        return comparison

    def load(folder: Path) -> Comparison | str:
        return compute(_load_recording(stage_folder(folder.parent, "simulation")))

    parameters = {"protocol": settings.protocol, "reference": reference_id}
    return Stage("comparison", ("simulation",), parameters, make, load)


def with_safe_factor(spec: NetworkSpec, mapped: Callable[[float], Deployment], layout: str, seed: int) -> Deployment:
    """Map a network and give the deployment the safe end of its predicted time-scale factor.

    The cores are those that memory and the user allow. The number of synapse cores depends on the factor: the one for real time is tried
    first, then slower ones until the network fits.

    Raises
    ------
    UsageError
        If the factor cannot be predicted.
    DoesNotFitError
        If the network does not fit.
    """
    deployment = None
    factors = [2.0**i for i in range(8)] if layout == "split" else [math.inf]
    for factor in factors:
        try:
            deployment = mapped(factor)
            break
        except DoesNotFitError:
            if factor == factors[-1]:
                raise
    assert deployment is not None
    why = not_modelled(spec, deployment)
    if why:
        raise UsageError(f"--time-scale-factor auto: the cores' time is not modelled, {why}; give a number")
    safe = predict_expected(spec, deployment, rng=np.random.default_rng(seed)).safe_factor
    return dataclasses.replace(deployment, time_scale_factor=float(safe))


def _real_time_stage(settings: RunSettings) -> Stage:
    def make(folder: Path, results: Results, report: Report) -> RealTime | str:
        report("real time", 0.0, 0.0)
        deployment, network = results["mapping"], results["network"]
        recording = results["simulation"]
        why = not_modelled(network.spec, deployment)
        if not why and recording.recorded != recording.sizes:
            why = "only the spikes of some neurons were recorded"
        if not why:
            prediction = predict_run(recording, network.connectivity, deployment, rng=np.random.default_rng(settings.seed))
            prediction.save(folder / "real_time.npz")
        metrics = {"absent": why} if why else prediction.to_metrics(deployment, network.spec)
        write_json(folder / "real_time.json", {"format": "spinn_mam.real_time/1", "real_time": metrics})
        return why or prediction

    def load(folder: Path) -> RealTime | str:
        if (folder / "real_time.npz").exists():
            return RealTime.load(folder / "real_time.npz")
        why = json.loads((folder / "real_time.json").read_text(encoding="utf-8"))["real_time"]["absent"]
        return str(why)

    return Stage("real-time", ("network", "mapping", "simulation"), settings.parameters("seed"), make, load)


def _energy_stage(settings: RunSettings) -> Stage:
    machine = load_board_config(settings.board_config)
    constants = load_power_constants("spin5" if machine.n_chips > 4 else "spin3")

    def compute(recording: Recording, deployment: Deployment) -> EnergyEstimate | None:
        if recording.activity is None:
            return None
        m = deployment.metrics
        facts = MappingFacts(int(m["boards"]), deployment.machine.n_chips, int(m["cores"]), float(m["link_traversals_per_spike"]))
        return run_phase_energy(recording.activity, facts, time_scale_factor=deployment.time_scale_factor, constants=constants)

    def make(folder: Path, results: Results, report: Report) -> EnergyEstimate | None:
        report("energy", 0.0, 0.0)
        energy = compute(results["simulation"], results["mapping"])
        write_json(folder / "energy.json", {"format": "spinn_mam.energy/1", "energy": {} if energy is None else energy.to_metrics()})
        return energy

    def load(folder: Path) -> EnergyEstimate | None:
        recording = _load_recording(stage_folder(folder.parent, "simulation"))
        return compute(recording, Deployment.load(stage_folder(folder.parent, "mapping")))

    return Stage("energy", ("mapping", "simulation"), {"constants": repr(constants)}, make, load)


def _reference(settings: RunSettings, spec: NetworkSpec) -> tuple[ReferenceStatistics | None, str, str]:
    if settings.reference is not None:
        given = Path(settings.reference).with_suffix(".json")
        reference = ReferenceStatistics.load(given)
        return reference, file_digest(given), ""
    path = find_reference(spec)
    if path is None:
        why = (
            f"no reference statistics ship for {spec.model} at N_scaling {spec.N_scaling:g}, K_scaling {spec.K_scaling:g} "
            f"with {spec.drive} drive and these parameters; make your own with spinn-mam reference and give it with --reference."
        )
        return None, "none", why
    reference = ReferenceStatistics.load(path)
    return reference, f"{path.name} {json.dumps(reference.provenance, sort_keys=True)}", ""


def _check_reference(settings: RunSettings, spec: NetworkSpec, reference: ReferenceStatistics) -> None:
    """Refuse, before anything is run, a reference that the user gave and that the run cannot be compared with."""
    sizes = {population.name: population.size for population in spec.populations}
    for name, size in zip(reference.names, reference.sizes, strict=True):
        if sizes.get(name) != size:
            there = f"{sizes[name]}" if name in sizes else "no such population"
            raise UsageError(
                f"--reference {settings.reference}: it has {size} neurons in {name}, this network has {there}: "
                "give a reference of the same model and scale, or none"
            )
    made = reference.provenance
    same = made.get("backend") == settings.backend == "emulator" and made.get("dynamics_digest") == spec.dynamics_digest()
    if same and settings.seed in reference.seeds:
        seeds = ", ".join(map(str, reference.seeds))
        raise UsageError(f"--seed {settings.seed} is a seed of the reference itself, which says nothing: give another than {seeds}")
    try:
        reference.window_for(settings.t_sim)
    except UsageError as error:
        raise UsageError(f"--reference {settings.reference}: {error} (--t-sim)") from None


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON for people and programs, whole or not at all."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
