"""Random small networks for both sides: as the specification simulates them, and as cores of the virtual board.

All numbers come from parameters in NEST's units (pA, pF, mV, ms): the specification gets them through ``spinn_mam.fixed_point.parameters``, the
cores through the data regions of ``core_regions``. Nothing is read out of a binary.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from bare_cores import BareBoard, Recorded
from core_regions import Matrix, Neuron, Slice, array_core, combined_core, key_mask, neuron_core, spike_key, synapse_core, transfer_bytes
from poisson_core import poisson_core

from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.poisson import PoissonCore, constant_rates, core_seeds, synaptic_sums
from spinn_mam.fixed_point.ring_buffer import quantise_weights, weight_scales
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.fixed_point.specification import Synapse, Trace, simulate
from spinn_mam.network.spec import NeuronParameters
from spinn_mam.virtual_board.chip import Chip

KEY_BITS = 12


@dataclass(frozen=True)
class RandomNetwork:
    """A network.

    ``slices`` are the neurons of each neuron core; sources of ``spikes`` (steps) come after all neurons. Synapses are
    (source, target, weight in pA, delay in steps); a negative weight goes to the inhibitory receptor. ``drive`` has for each neuron the rate
    (spikes/s) and the weight (pA) of a Poisson source that a core of its own hands to the neuron core, in the split layout.
    """

    kind: str
    dt: float
    n_steps: int
    split: bool
    slices: tuple[tuple[Neuron, ...], ...]
    shifts: tuple[int, int]
    delay_bits: int
    n_synapse_cores: int
    synapses: tuple[tuple[int, int, float, int], ...]
    spikes: tuple[tuple[int, ...], ...]
    drive: tuple[tuple[float, float], ...] = ()
    drive_seed: int = 1

    @cached_property
    def neurons(self) -> list[Neuron]:
        return [neuron for part in self.slices for neuron in part]

    @cached_property
    def firsts(self) -> list[int]:
        """First index of each vertex: the slices, then the sources."""
        return [sum(len(part) for part in self.slices[:i]) for i in range(len(self.slices) + 1)]

    @property
    def n_cores(self) -> int:
        return len(self.slices) * (1 + self.n_synapse_cores + bool(self.drive) if self.split else 1)

    def vertex(self, source: int) -> int:
        return max(i for i, first in enumerate(self.firsts) if first <= source)

    def quantised(self) -> list[Synapse]:
        scales = weight_scales(np.array(self.shifts))
        out = []
        for source, target, weight, delay in self.synapses:
            receptor = int(weight < 0)
            magnitude = int(quantise_weights(np.array([weight]), float(scales[receptor]))[0][0])
            out.append(Synapse(source, target, receptor, magnitude, delay, self.vertex(source) % self.n_synapse_cores if self.split else 0))
        return out

    def drive_of(self, number: int) -> tuple[tuple[int, int, int, int], list[float], np.ndarray]:
        """Seed, rates and weights (ring-buffer units) of the Poisson core of a slice."""
        part = self.drive[self.firsts[number] : self.firsts[number + 1]]
        scale = float(weight_scales(np.array(self.shifts))[0])
        weights = quantise_weights(np.array([weight for _, weight in part]), scale)[0]
        return core_seeds(self.drive_seed, len(self.slices))[number], [rate for rate, _ in part], weights

    def _driven(self) -> np.ndarray:
        """Sums that the Poisson cores hand over, shape (steps, neurons): what is written in one step is read in the next."""
        out = np.zeros((self.n_steps, len(self.neurons)), np.int64)
        for number, first in enumerate(self.firsts[:-1]) if self.drive else ():
            seed, rates, weights = self.drive_of(number)
            counts = PoissonCore(seed, constant_rates(rates), self.dt).advance(self.n_steps)
            out[1:, first : first + len(rates)] = synaptic_sums(counts, weights)[0][:-1]
        return out

    def expected(self) -> Trace:
        """What the specification says."""
        n = len(self.neurons)
        due: dict[int, list[int]] = {}
        for i, steps in enumerate(self.spikes):
            for step in steps:
                due.setdefault(step, []).append(n + i)
        driven = self._driven()
        return simulate(
            [lif_constants(neuron.parameters, neuron.I_e, self.dt) for neuron in self.neurons],
            [self.shifts] * n,
            self.quantised(),
            [to_s1615(neuron.v) for neuron in self.neurons],
            self.n_steps,
            drive=lambda step, i: int(driven[step, i]),
            sources=lambda step: due.get(step, ()),
            layout="split" if self.split else "combined",
            slices=[len(part) for part in self.slices],
            i_init=[(to_s1615(neuron.i_exc), to_s1615(neuron.i_inh)) for neuron in self.neurons],
        )


@dataclass(frozen=True)
class Deployed:
    """Where a network is: a chip and the neuron core of each slice."""

    network: RandomNetwork
    chip: Chip
    cores: list[int]

    def recorded(self, board: BareBoard) -> Recorded:
        """Put the slices' recordings together."""
        region = 4 if self.network.split else 15
        parts = [board.recorded(self.chip, core, region, len(part)) for core, part in zip(self.cores, self.network.slices, strict=True)]
        spikes = [(step, first + i) for first, part in zip(self.network.firsts, parts, strict=False) for step, i in part.spikes]
        return Recorded(np.concatenate([part.v for part in parts], axis=1), sorted(spikes))


def deploy(board: BareBoard, networks: Sequence[RandomNetwork]) -> list[Deployed]:
    """Load as many of the networks, in order, as the board has cores for; all have the same time step and length."""
    out: list[Deployed] = []
    waiting = list(networks)
    for chip in board.hardware.chips:
        core, events = 2, []  # core 1 sends the spikes of all sources
        while waiting and core + waiting[0].n_cores <= chip.n_cores and len(out) < 200:
            network = waiting.pop(0)
            base = (len(out) + 1) << 16
            out.append(deploy_at(board, chip, core, base, network))
            core += network.n_cores
            key = base + (len(network.slices) << KEY_BITS)
            events += [(step, spike_key(key, i, step)) for i, steps in enumerate(network.spikes) for step in steps]
        if events:
            board.load(chip, 1, array_core(events, out[-1].network.dt))
    return out


def deploy_at(board: BareBoard, chip: Chip, first: int, base: int, network: RandomNetwork) -> Deployed:
    """Load a network on the cores from ``first`` on, with keys from ``base`` on."""
    n_sources = [len(part) for part in network.slices] + ([len(network.spikes)] if network.spikes else [])
    keys = [base + (vertex << KEY_BITS) for vertex in range(len(n_sources))]
    synapses = network.quantised()
    cores, receiving = [], {key: [] for key in keys}
    for number, part in enumerate(network.slices):
        slice_ = Slice(part, network.dt, network.shifts, keys[number], network.n_steps, network.delay_bits, spike_buffer=1024)
        lo = network.firsts[number]

        def matrices(accepted: list[int], lo: int = lo, hi: int = lo + len(part)) -> list[Matrix]:
            found = []
            for vertex in accepted:
                rows: list[list[tuple[int, int, int, int]]] = [[] for _ in range(n_sources[vertex])]
                for s in synapses:
                    if lo <= s.target < hi and network.vertex(s.source) == vertex:
                        rows[s.source - network.firsts[vertex]].append((s.weight, s.delay, s.receptor, s.target - lo))
                found.append(Matrix(keys[vertex], KEY_BITS, n_sources[vertex], rows))
            return found

        if not network.split:
            board.load(chip, first, combined_core(slice_, matrices(list(range(len(keys))))))
            for key in keys:
                receiving[key].append(first)
            cores.append(first)
            first += 1
            continue
        n, row = network.n_synapse_cores, transfer_bytes(slice_)
        n_inputs = n + bool(network.drive)
        sdram = board.allocate(chip, n_inputs * row // 4)
        for i in range(n):
            accepted = list(range(i, len(keys), n))
            board.load(chip, first + i, synapse_core(slice_, matrices(accepted), sdram + i * row))
            for vertex in accepted:
                receiving[keys[vertex]].append(first + i)
        if network.drive:
            seed, rates, weights = network.drive_of(number)
            board.load(chip, first + n, poisson_core(seed, constant_rates(rates), network.dt, sdram=(sdram + n * row, row, 0, weights.tolist())))
        board.load(chip, first + n_inputs, neuron_core(slice_, sdram, n_inputs))
        cores.append(first + n_inputs)
        first += 1 + n_inputs
    for key in keys:
        board.route(chip, key, key_mask(KEY_BITS), receiving[key])
    return Deployed(network, chip, cores)


KINDS = ("plain", "strong", "saturating", "odd", "extreme")


def make_network(rng: random.Random, dt: float, n_steps: int, kind: str | None = None) -> RandomNetwork:
    """Draw a network.

    ``plain`` has the microcircuit's range of parameters, ``strong`` weights that make most spikes count, ``saturating`` so many large ones
    that ring-buffer slots overflow, ``odd`` neurons at the edges of the rules (reset above threshold, no refractory period, threshold at
    rest), ``extreme`` numbers that overflow s16.15.
    """
    kind = kind or rng.choice(KINDS)
    split = rng.random() < 0.5
    n_synapse_cores = rng.choice([1, 1, 2, 3]) if split else 1
    sizes = [rng.choice([1, 2, 3, 4, 5, 8, 12]) for _ in range(rng.choice([1, 1, 2]))]
    if rng.random() < 0.05:
        sizes = [rng.choice([17, 32, 33])]
    delay_bits = rng.randint(1, 5)
    high = rng.choice([0, 1, 2, 3, 5])
    shifts = (rng.randint(0, high), rng.randint(0, high))
    if kind == "extreme":
        shifts = (rng.randint(8, 15), rng.randint(8, 15))
    n = sum(sizes)
    n_arrays = rng.choice([0, 1, 3, 8])
    slices = tuple(tuple(make_neuron(rng, kind, dt) for _ in range(size)) for size in sizes)
    n_synapses = rng.randint(0, 6 * (n + n_arrays)) if kind != "saturating" else rng.randint(4, 12) * (n + n_arrays)
    synapses = tuple(
        (rng.randrange(n + n_arrays), rng.randrange(n), _weight(rng, kind, shifts), rng.randint(1, 1 << delay_bits)) for _ in range(n_synapses)
    )
    spikes = tuple(tuple(step for step in range(n_steps) if rng.random() < rate) for rate in (rng.choice([0.02, 0.1, 0.5]) for _ in range(n_arrays)))
    drive: tuple[tuple[float, float], ...] = ()
    if split and rng.random() < 0.4:
        per_step = 1000.0 / dt
        drive = tuple((rng.choice([0.0, 0.005, 0.1, 1.0, 5.0]) * per_step, abs(_weight(rng, kind, shifts))) for _ in range(n))
    seed = rng.randint(1, 1 << 30)
    return RandomNetwork(kind, dt, n_steps, split, slices, shifts, delay_bits, n_synapse_cores, synapses, spikes, drive, seed)


def make_neuron(rng: random.Random, kind: str, dt: float) -> Neuron:
    scale = dt / 0.1
    parameters = NeuronParameters(
        C_m=rng.choice([250.0, rng.uniform(50, 500)]),
        tau_m=rng.choice([10.0, rng.uniform(2, 30)]),
        tau_syn_ex=rng.choice([0.5, rng.uniform(0.3, 5)]) * rng.choice([1, scale]),
        tau_syn_in=rng.choice([0.5, rng.uniform(0.3, 5)]) * rng.choice([1, scale]),
        E_L=rng.choice([-65.0, rng.uniform(-70, -60)]),
        V_reset=rng.choice([-65.0, rng.uniform(-75, -60)]),
        V_th=rng.choice([-50.0, rng.uniform(-58, -50)]),
        t_ref=rng.choice([2.0, 0.0, rng.uniform(0, 3)]) * rng.choice([1, scale]),
    )
    neuron = Neuron(parameters, rng.choice([0.0, rng.uniform(-200, 1200)]), rng.uniform(-70, -49), rng.uniform(0, 0.5), rng.uniform(0, 0.5))
    if kind == "odd":
        change = rng.choice(
            [
                {"V_reset": parameters.V_th + rng.uniform(0, 5)},
                {"V_th": parameters.E_L},
                {"V_reset": parameters.V_th},
                {"t_ref": rng.choice([0.0, dt])},
            ]
        )
        neuron = replace(neuron, parameters=replace(parameters, **change), v=rng.choice([parameters.E_L, parameters.V_th, neuron.v]))
    if kind == "extreme":
        wild = replace(
            parameters,
            C_m=rng.choice([0.1, 1.0, 20.0, 30_000.0]),
            tau_m=rng.choice([dt / 5, dt, 1.0, 1000.0 * dt]),
            tau_syn_ex=rng.choice([dt / 5, dt, 100.0 * dt]),
            tau_syn_in=rng.choice([dt / 5, dt, 100.0 * dt]),
            t_ref=rng.choice([0.0, 20.0 * dt, 1000.0]),
            V_reset=rng.uniform(-60_000, 60_000),
            V_th=rng.uniform(-60_000, 60_000),
        )
        if wild.tau_m / (wild.C_m / 1000) > 60_000:  # a membrane resistance that s16.15 holds
            wild = replace(wild, C_m=wild.tau_m / 50.0)
        wild_bias = rng.choice([0.0, rng.uniform(-6e7, 6e7)])
        neuron = Neuron(wild, wild_bias, rng.uniform(-60_000, 60_000), rng.uniform(-60_000, 60_000), rng.uniform(0, 60_000))
    return neuron


def _weight(rng: random.Random, kind: str, shifts: tuple[int, int]) -> float:
    """Draw a weight (pA) with its sign."""
    inhibitory = rng.random() < 0.4
    largest = 65_535 / float(weight_scales(np.array(shifts))[int(inhibitory)])
    if kind == "plain":
        magnitude = min(abs(rng.gauss(87.8, 30)) * (4 if inhibitory else 1), largest)
    elif kind == "saturating":
        magnitude = rng.uniform(0.2, 1.2) * largest
    else:
        magnitude = rng.choice([0.0, rng.uniform(0, 0.3), rng.uniform(0, 0.3)]) * largest
    return -max(magnitude, 1e-9) if inhibitory else magnitude
