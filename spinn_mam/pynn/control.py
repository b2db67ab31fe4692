"""Setting up, running and ending: PyNN's functions of a simulator."""

from __future__ import annotations

from typing import Any

from pyNN import common, standardmodels
from pyNN.connectors import FixedProbabilityConnector
from pyNN.recording import get_io

from spinn_mam.errors import UsageError
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.pynn import cells, simulator, synapses
from spinn_mam.pynn.not_there import NotThereError
from spinn_mam.pynn.populations import Population
from spinn_mam.pynn.projections import Projection

#: Steps from a neuron's loop step to the time stamp of its spike. The delay counts from the stamp.
CONVENTIONS = {"machine": 0, "nest": 1}
#: What other backends of PyNN take in ``setup`` and has no meaning here: a script keeps it when it changes its simulator.
WITHOUT_MEANING = {
    # NEST
    "spike_precision",
    "verbosity",
    "recording_precision",
    "allow_offgrid_spikes",
    "t_flush",
    # NEURON
    "use_cvode",
    "rtol",
    "atol",
    "debug",
    # SpiNNaker
    "time_scale_factor",
    "n_chips_required",
    "n_boards_required",
}


def setup(timestep: float = 0.1, min_delay: float | str = "auto", **extra_params: Any) -> int:
    """Begin a new network; what was there is forgotten.

    Parameters
    ----------
    timestep : float
        ms, a whole number of microseconds.
    min_delay : float or "auto"
        Delay of synapses that give none (ms); "auto": one step.
    **extra_params
        ``max_delay`` (ms): larger delays are refused; "auto": none is.
        ``rng_seed`` (int, default 0): of Poisson sources.
        ``threads`` (int, default 1): results do not depend on it.
        ``delay_convention``: "machine" (default), with time stamps and delays as sPyNNaker gives them, or "nest".
        Options of other backends of PyNN are taken and have no meaning.

    Returns
    -------
    int
        0, the rank of the only process.
    """
    common.setup(timestep, min_delay, **extra_params)
    options: dict[str, Any] = {"max_delay": "auto", "rng_seed": 0, "threads": 1, "delay_convention": "machine"}
    unknown = set(extra_params) - set(options) - WITHOUT_MEANING
    if unknown:
        raise UsageError(f"setup() has no option {', '.join(sorted(unknown))}: it takes timestep, min_delay, {', '.join(options)}")
    options |= {key: value for key, value in extra_params.items() if key in options}
    microseconds = timestep * 1000.0
    if not timestep > 0 or abs(microseconds - round(microseconds)) > 1e-6 or to_s1615(timestep) <= 0:
        raise UsageError(f"timestep = {timestep:g} ms: the machine's time steps are whole microseconds, at least one")
    if options["delay_convention"] not in CONVENTIONS:
        raise UsageError(f"delay_convention = {options['delay_convention']!r} is none of {', '.join(CONVENTIONS)}")
    seed, threads = options["rng_seed"], options["threads"]
    if not isinstance(seed, int) or not 0 <= seed < 2**63 or not isinstance(threads, int) or threads < 1:
        raise UsageError(f"rng_seed = {seed!r} and threads = {threads!r} must be whole numbers, the seed 0 to 2^63 - 1, threads at least 1")
    state = simulator.state
    state.clear()
    state.dt, state.shortest, state.longest = float(timestep), min_delay, options["max_delay"]
    state.seed, state.threads, state.shift_of_stamps = seed, threads, CONVENTIONS[str(options["delay_convention"])]
    return 0


def end(compatible_output: bool = True) -> None:
    """Write the files that ``record`` was asked for; data can still be had until ``setup`` is called again."""
    for population, variables, filename in simulator.state.write_on_end:
        population.write_data(get_io(filename), variables)
    simulator.state.write_on_end = []


def provenance() -> dict[str, Any]:
    """Return what was computed how: arithmetic, seed, ring-buffer shifts, and counts of what did not fit the machine's numbers.

    Returns
    -------
    dict
        ``n_zero_weights``, ``n_saturated_weights``, ``n_saturated_slots`` and ``n_raised_delays`` are losses; zero is good.
    """
    return simulator.state.prepared().provenance()


def list_standard_models() -> list[str]:
    """List the standard cell types that are there."""
    found = [value for value in vars(cells).values() if isinstance(value, type) and issubclass(value, standardmodels.StandardCellType)]
    return sorted(cell.__name__ for cell in found)


def record_v(source: Any, filename: str) -> None:
    """Record membrane potentials to a file (PyNN's older form)."""
    record(["v"], source, filename)


def record_gsyn(source: Any, filename: str) -> None:
    """Refuse to record conductances: synapses are currents."""
    raise NotThereError("gsyn is not there: IF_curr_exp has synaptic currents, no conductances; record 'spikes' and 'v'")


run, run_until = common.build_run(simulator)
run_for = run
reset = common.build_reset(simulator)
get_current_time, get_time_step, get_min_delay, get_max_delay, num_processes, rank = common.build_state_queries(simulator)
create = common.build_create(Population)
connect = common.build_connect(Projection, FixedProbabilityConnector, synapses.StaticSynapse)
record = common.build_record(simulator)
