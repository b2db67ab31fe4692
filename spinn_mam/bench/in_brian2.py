"""Brian 2 in C++ standalone mode as a contender.

Problem
    The same network by law, in the code that Brian 2 generates: exact integration in double precision, heterogeneous delays,
    independent Poisson input, in segments, and without 300 million synapses as files.

Method
    One group of all neurons; one ``Synapses`` for each distribution of weights and delays. How many synapses each neuron has
    onto each population is drawn here, so that their total is that of the spec; the compiled program draws targets, weights and
    delays. After an empty run, which sets everything up, a loop in ``main`` reads a duration from standard input, runs it, and
    prints processor time and spikes.

    In Brian 2 a spike of step t with a delay of d steps acts on the potential in step t + d + 1, which is NEST's convention. A
    neuron rests for as many steps as its refractory time says, the step of the spike among them, where NEST's rests for one more.

Cost
    Some 36 bytes a synapse.

Reference
    Stimberg, Brette and Goodman (2019), doi:10.7554/eLife.47314. The microcircuit in Brian 2: Shimoura et al. (2018),
    doi:10.5281/zenodo.1244116.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Any

import numpy as np

from spinn_mam.bench.contender import Job
from spinn_mam.bench.host import peak_rss_bytes
from spinn_mam.errors import BackendUnavailableError, RunFailedError, UsageError
from spinn_mam.network.spec import Distribution, NetworkSpec, Projection

EQUATIONS = """
dv/dt = (E_L - v) / tau_m + (I_ex + I_in + I_e) / C_m : volt (unless refractory)
dI_ex/dt = -I_ex / tau_ex : amp
dI_in/dt = -I_in / tau_in : amp
I_e : amp (constant)
V0_mean : volt (constant)
V0_sd : volt (constant)
drive_mean : 1 (constant)
drive_weight : amp (constant)
n_out : integer
"""
#: A normal number, drawn again until it lies within its bounds.
REDRAWN = """
double redrawn(double mean, double sd, double lower, double upper, int index)
{
    double x;
    do { x = mean + sd * _randn(index); } while (x < lower || x > upper);
    return x;
}
"""
#: In the program's ``main``: runs a segment for each line of its input; leaves at its end without writing the arrays to disk.
SEGMENTS = """
{
    const int bounds[] = {%(bounds)s};
    std::string line;
    size_t seen = 0;
    std::cout << "ready" << std::endl;
    while (std::getline(std::cin, line)) {
        net.run(std::stod(line), NULL, 10.0);
        std::vector<long> counts(%(n)d, 0);
        for (; seen < %(spikes)s.size(); seen++)
            counts[std::upper_bound(bounds, bounds + %(n)d + 1, %(spikes)s[seen]) - bounds - 1]++;
        std::cout << double(std::clock()) / CLOCKS_PER_SEC;
        for (long count : counts)
            std::cout << " " << count;
        std::cout << std::endl;
    }
    std::_Exit(0);
}
"""


class InBrian2:
    """A compiled simulation that waits for durations.

    Parameters
    ----------
    job : Job
    """

    def __init__(self, job: Job) -> None:
        generate(job)
        self._program = subprocess.Popen(
            [str(job.folder / "main")], cwd=job.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._cpu_s, self._spikes = 0.0, [0] * len(job.spec.populations)
        if self._read() != "ready":
            raise RunFailedError("the program that Brian 2 generated does not start")

    def run(self, duration_ms: float) -> None:
        """Go on, with all spikes recorded in memory."""
        assert self._program.stdin is not None
        self._program.stdin.write(f"{duration_ms / 1000.0!r}\n")
        cpu_s, *spikes = self._read().split()
        self._cpu_s, self._spikes = float(cpu_s), [int(n) for n in spikes]

    def cpu_s(self) -> float:
        """Return the processor time of the program up to the end of its last segment (s)."""
        return self._cpu_s

    def spikes(self) -> list[int]:
        """Return the spikes of each population in the last segment."""
        return self._spikes

    def memory(self) -> dict[str, int]:
        """Return the peak of the program."""
        peak = peak_rss_bytes(self._program.pid)
        return {} if peak is None else {"peak_rss_bytes": peak}

    def _read(self) -> str:
        assert self._program.stdout is not None
        line = self._program.stdout.readline()
        if not line:
            raise RunFailedError(f"the program that Brian 2 generated ended with {self._program.wait()}")
        return line.strip()


def build(job: Job) -> InBrian2:
    """Generate, compile and start the program; it builds the network."""
    return InBrian2(job)


def prepare_once(job: Job) -> None:
    """See whether there is a compiler, and load Brian 2.

    Raises
    ------
    BackendUnavailableError
        If there is none.
    UsageError
        If the network is not one that :func:`generate` can make.
    """
    for program in ("make", os.environ.get("CXX", "g++")):
        if shutil.which(program) is None:
            raise BackendUnavailableError(f"there is no '{program}' to compile what Brian 2 generates")
    if len({p.neuron for p in job.spec.populations}) != 1:
        raise UsageError("its implementation of the microcircuit has neurons of one kind and no sources")
    import_brian2()


def import_brian2() -> Any:
    """Import Brian 2, also its version 2.9, which asks for an attribute of arrays that NumPy 2.4 no longer has.

    Brian 2 itself removed the use of it (its pull request 1705), with no release since. Only this process is changed.
    """
    import ctypes
    import gc

    if "ptp" not in np.ndarray.__dict__:
        gc.get_referents(np.ndarray.__dict__)[0]["ptp"] = lambda array, *args, **options: np.ptp(array, *args, **options)
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(np.ndarray))
    import brian2

    return brian2


def generate(job: Job) -> None:
    """Write and compile the program in the job's folder."""
    b = import_brian2()
    b.set_device("cpp_standalone", build_on_run=False)
    standalone = b.prefs.devices.cpp_standalone
    standalone.openmp_threads = job.threads if job.threads > 1 else 0
    standalone.extra_make_args_unix = [f"-j{os.cpu_count() or 1}"]
    spec = job.spec
    b.defaultclock.dt = spec.dt * b.ms
    b.seed(job.seed)
    neurons = _neurons(b, spec)
    drive = neurons.run_regularly("I_ex += drive_weight * poisson(drive_mean)", when="synapses")
    monitor = b.SpikeMonitor(neurons)
    net = b.Network([neurons, drive, monitor, *_synapses(b, spec, neurons, job.seed)], name="net")
    net.run(0 * b.ms)
    values = {
        "bounds": ", ".join(str(n) for n in spec.offsets),
        "n": len(spec.populations),
        "spikes": b.device.get_array_name(monitor.variables["i"], access_data=False),
    }
    b.device.insert_code("main", SEGMENTS % values)
    b.device.build(directory=str(job.folder), compile=True, run=False)


def _neurons(b: Any, spec: NetworkSpec) -> Any:
    q = spec.populations[0].neuron
    assert q is not None
    constants = {"C_m": q.C_m * b.pF, "tau_m": q.tau_m * b.ms, "tau_ex": q.tau_syn_ex * b.ms, "tau_in": q.tau_syn_in * b.ms}
    neurons = b.NeuronGroup(
        int(spec.sizes.sum()),
        EQUATIONS,
        threshold="v >= V_th",
        reset="v = V_reset",
        refractory=(q.t_ref + spec.dt) * b.ms,
        method="exact",
        namespace=constants | {"E_L": q.E_L * b.mV, "V_th": q.V_th * b.mV, "V_reset": q.V_reset * b.mV},
    )
    drives = [p.drive for p in spec.populations]

    def each(values: list[float]) -> Any:
        return np.repeat(values, spec.sizes)

    neurons.I_e = each([p.I_e for p in spec.populations]) * b.pA
    neurons.V0_mean = each([p.V0_mean for p in spec.populations]) * b.mV
    neurons.V0_sd = each([p.V0_sd for p in spec.populations]) * b.mV
    neurons.drive_mean = each([d.rate * spec.dt / 1000.0 if d else 0.0 for d in drives])
    neurons.drive_weight = each([d.weight if d else 0.0 for d in drives]) * b.pA
    neurons.v = "V0_mean + V0_sd * randn()"
    return neurons


def _synapses(b: Any, spec: NetworkSpec, neurons: Any, seed: int) -> list[Any]:
    redrawn: Any = b.check_units(mean=1, sd=1, lower=1, upper=1, result=1)(_only_in_cpp)
    redrawn = b.implementation("cpp", REDRAWN, dependencies={"_randn": b.DEFAULT_FUNCTIONS["randn"]})(redrawn)
    redrawn.auto_vectorise, redrawn.stateless = True, False
    rng = np.random.default_rng(seed)
    laws: dict[tuple[Distribution, Distribution], list[Projection]] = {}
    for projection in spec.projections:
        if projection.n_synapses > 0:
            laws.setdefault((projection.weight, projection.delay), []).append(projection)
    found = []
    for (weight, delay), projections in laws.items():
        current = "I_ex" if weight.mean >= 0 else "I_in"
        synapses = b.Synapses(neurons, neurons, "w : amp (constant)", on_pre=f"{current} += w", namespace={"redrawn": redrawn})
        for target in sorted({p.target for p in projections}):
            neurons.n_out = _out_degrees(spec, [p for p in projections if p.target == target], rng)
            first, size = int(spec.offsets[target]), spec.populations[target].size
            synapses.connect(j=f"{first} + int(rand() * {size}) for _k in range(n_out_pre)")
        synapses.w = f"redrawn({_arguments(weight)}) * pA"
        synapses.delay = f"redrawn({_arguments(delay)}) * ms"
        found.append(synapses)
    return found


def _only_in_cpp(mean: float, sd: float, lower: float, upper: float) -> float:
    raise NotImplementedError


def _out_degrees(spec: NetworkSpec, projections: list[Projection], rng: np.random.Generator) -> Any:
    """Deal the synapses of projections from different populations over their sources."""
    n_out = np.zeros(int(spec.sizes.sum()), np.int32)
    for p in projections:
        size = spec.populations[p.source].size
        first = int(spec.offsets[p.source])
        n_out[first : first + size] += rng.multinomial(p.n_synapses, np.full(size, 1.0 / size)).astype(np.int32)
    return n_out


def _arguments(d: Distribution) -> str:
    largest = np.finfo(np.float64).max
    return ", ".join(repr(float(np.clip(x, -largest, largest))) for x in (d.mean, d.sd, d.lower, d.upper))
