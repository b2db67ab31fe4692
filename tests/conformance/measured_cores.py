"""What a step of a core costs on the virtual board: instructions, cycles of the table and accesses beyond its own memories, as the binaries run."""

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from arm9_cycles import arm_cycles, thumb_cycles
from bare_cores import BareBoard
from core_regions import (
    Core,
    Matrix,
    Neuron,
    Region,
    Slice,
    array_core,
    combined_core,
    key_mask,
    neuron_core,
    spike_key,
    synapse_core,
    transfer_bytes,
)
from poisson_core import poisson_core
from unicorn import UC_HOOK_BLOCK, UC_HOOK_MEM_READ, UC_HOOK_MEM_WRITE
from unicorn.arm_const import UC_ARM_REG_CPSR

from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.poisson import PoissonCore, constant_rates, core_seeds
from spinn_mam.fixed_point.s1615 import to_s1615
from spinn_mam.fixed_point.specification import simulate
from spinn_mam.network.spec import NeuronParameters

COMBINED, SYNAPSES, NEURONS, POISSON = "IF_curr_exp", "synapses", "IF_curr_exp_neuron", "spike_source_poisson"
#: What is counted of each step: instructions; cycles of the table; accesses to devices and to the chip's shared memories.
COUNTS = ("instructions", "cycles", "device_accesses", "memory_accesses")
#: Steps of the shorter of the two runs whose difference is taken, so that start and end do not count.
START = 10
SHIFTS = (2, 1)
KEY_BITS = 12
NEURON = NeuronParameters(C_m=250, tau_m=10, tau_syn_ex=0.5, tau_syn_in=0.5, E_L=-65, V_reset=-65, V_th=-50, t_ref=2)
SILENT = 10.0
_T2_COUNT = 0x24
_SHARED = (0x5, 0x6, 0x7, 0xE, 0xF)


@dataclass(frozen=True)
class Point:
    """One core and what it is given in each step.

    ``packets`` from a list source, one for each of as many source neurons, with rows of ``row`` synapses, from ``entries`` source vertices.
    ``rate`` (spikes/s) is that of a Poisson core: the one measured, or one that sends to the combined core measured, one to one.
    """

    binary: str
    neurons: int = 16
    width: int = 0
    packets: int = 0
    row: int = 1
    entries: int = 1
    current: float = 0.0
    t_ref: float = 2.0
    inputs: int = 1
    rate: float = 0.0
    sends: bool = True
    steps: int = 30


@dataclass
class Probe:
    """Counts what a processor executes; waits for the end of a time step, which repeat the ``idle`` blocks, do not count."""

    cpu: Any
    idle: tuple[Any, ...] = ()
    blocks: Counter[Any] = field(default_factory=Counter)
    waits: Counter[Any] = field(default_factory=Counter)
    accesses: Counter[str] = field(default_factory=Counter)
    fallen_through: int = 0
    _stretch: list[Any] = field(default_factory=list)
    _polled: bool = False
    _end: int = -1
    _thumb: dict[int, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        uc = self.cpu._uc
        uc.hook_add(UC_HOOK_BLOCK, self._block)
        uc.hook_add(UC_HOOK_MEM_READ, self._access, begin=0x10000000, end=0xFFFFFFFF)
        uc.hook_add(UC_HOOK_MEM_WRITE, self._access, begin=0x10000000, end=0xFFFFFFFF)

    def _block(self, uc: Any, address: int, size: int, data: Any) -> None:
        if self._polled:
            self._close()
        thumb = self._thumb.get(address)
        if thumb is None:
            thumb = self._thumb[address] = bool(uc.reg_read(UC_ARM_REG_CPSR) & 0x20)
        self._stretch.append((address, size, thumb, address == self._end))
        self._end = address + size

    def _access(self, uc: Any, access: int, address: int, size: int, value: int, data: Any) -> None:
        self.accesses["memory_accesses" if address >> 28 in _SHARED and address < 0xF8000000 else "device_accesses"] += 1
        if address >> 28 in (1, 2) and address & 0x0F000000 == 0x01000000 and address & 0xFF == _T2_COUNT:
            self._polled = True

    def _close(self) -> None:
        stretch = tuple(self._stretch)
        self._stretch, self._polled = [], False
        self.waits[stretch] += 1
        if stretch == self.idle:
            self.accesses["device_accesses"] -= 1
        else:
            self.blocks.update(stretch)

    def totals(self) -> np.ndarray:
        """Return the counts so far, in the order of ``COUNTS``."""
        self._close()
        instructions = cycles = 0
        for (address, size, thumb, through), times in self.blocks.items():
            code = self.cpu.itcm[address : address + size]
            words = code.view(np.uint16 if thumb else np.uint32)
            cost = thumb_cycles if thumb else arm_cycles
            instructions += times * len(words)
            # entered by falling through: the branch before it was not taken and lasted one cycle
            cycles += times * (sum(cost(int(word)) for word in words) - 2 * through)
        return np.array([instructions, cycles, self.accesses["device_accesses"], self.accesses["memory_accesses"]], float)


class CoreMeter:
    """Runs points on a board."""

    def __init__(self) -> None:
        self.board = BareBoard(threads=1)
        self._idle: tuple[Any, ...] = ()

    def close(self) -> None:
        self.board.close()

    def measure(self, point: Point) -> tuple[np.ndarray, dict[str, float]]:
        """Return the counts of a step, shape (4,), and the work in a step by its kinds."""
        if point.binary == SYNAPSES and not self._idle:
            probe = self._run(Point(SYNAPSES), START + 10)
            self._idle = probe.waits.most_common(1)[0][0]
        short, long = (self._run(point, n).totals() for n in (START, START + point.steps))
        return (long - short) / point.steps, self._work(point)

    def _run(self, point: Point, n_steps: int) -> Probe:
        board = self.board
        board.clear()
        chip = board.hardware.chips[0]
        core, senders = self._cores(point, n_steps)
        board.load(chip, 2, core)
        for number, sender in senders.items():
            board.load(chip, number, sender)
        for entry in range(point.entries):
            board.route(chip, _key(entry), key_mask(KEY_BITS), [2])
        probe = Probe(board.engine._cpus[board.engine._row(chip, 2)], self._idle if point.binary == SYNAPSES else ())
        board.run(n_steps)
        board.engine._cpus.pop(board.engine._row(chip, 2))  # the hooks stay with the processor
        return probe

    def _cores(self, point: Point, n_steps: int) -> tuple[Core, dict[int, Core]]:
        board, chip = self.board, self.board.hardware.chips[0]
        neurons = [Neuron(replace(NEURON, t_ref=point.t_ref), point.current)] * point.neurons
        part = Slice(neurons, 0.1, SHIFTS, 100 << 16, n_steps, delay_bits=6, max_neurons=point.width, spike_buffer=1024)
        n_sources = max(point.packets, 16)
        rows = [[(0, 1 + i % 60, 0, i % point.neurons) for i in range(point.row)]] * n_sources
        sent_by_poisson = point.binary == COMBINED and point.rate > 0
        if sent_by_poisson:
            rows = [[(0, 1, 0, i)] for i in range(point.neurons)]
        matrices = [Matrix(_key(entry), KEY_BITS, len(rows), rows) for entry in range(point.entries)]
        senders = {}
        if point.packets:
            events = [(s, spike_key(_key(i % point.entries), i, s)) for s in range(n_steps) for i in range(point.packets)]
            senders[1] = array_core(events, 0.1)
        if sent_by_poisson:
            senders[3] = self._poisson(point, _key(0))
        sdram = board.allocate(chip, point.inputs * transfer_bytes(part) // 4)
        if point.binary == POISSON:
            if point.sends:
                return self._poisson(point, _key(0)), {}
            edge = (sdram, transfer_bytes(part), 0, [1] * point.neurons)
            return poisson_core(_seed(), constant_rates([point.rate] * point.neurons), 0.1, sdram=edge), {}
        if point.binary == NEURONS:
            core = neuron_core(part, sdram, point.inputs)
            core.regions[7] = _spikes_only(point.neurons)
        elif point.binary == SYNAPSES:
            core = synapse_core(part, matrices, sdram)
        else:
            core = combined_core(part, matrices)
            core.regions[9] = _spikes_only(point.neurons)
        return core, senders

    def _poisson(self, point: Point, key: int) -> Core:
        return poisson_core(_seed(), constant_rates([point.rate] * point.neurons), 0.1, key=key)

    def _work(self, point: Point) -> dict[str, float]:
        """Return what the core does in a step, by kind, in the mean over the steps that count."""
        work = {"step": 1.0}
        window = slice(START, START + point.steps)
        spikes = float(point.packets)
        packets = spikes
        if point.rate:
            stream = PoissonCore(_seed(), constant_rates([point.rate] * point.neurons), 0.1)
            counts = stream.advance(START + point.steps)[window]
            if point.binary == POISSON:
                spiking = float(np.count_nonzero(counts)) / point.steps
                several = float(np.count_nonzero(counts > 1)) / point.steps
                work |= {"source": point.neurons, "drawn": float(counts.sum()) / point.steps}
                if point.sends:
                    return work | {"packet_sent": spiking, "count_sent": several}
                return work | {"hand_over": 1.0, "sum": point.neurons, "summed": spiking}
            spikes, packets = float(counts.sum()) / point.steps, float(np.count_nonzero(counts)) / point.steps
        if point.binary != NEURONS:
            work |= {
                "wake": float(spikes > 0),
                "packet": packets,
                "spike": spikes,
                "search": spikes * (point.entries - 1).bit_length(),
                "event": spikes * point.row,
                "slot": 1 << part_bits(point),
            }
        if point.binary != SYNAPSES:
            fired, resting = self._fired(point)
            work |= {"neuron": point.neurons, "refractory": resting, "spike_sent": fired}
        if point.binary == NEURONS:
            work |= {"input": point.inputs, "input_slot": point.inputs << part_bits(point), "slot": 1 << part_bits(point)}
        return work

    def _fired(self, point: Point) -> tuple[float, float]:
        """Return spikes, and neurons that are refractory, in a step."""
        constants = lif_constants(replace(NEURON, t_ref=point.t_ref), point.current, 0.1)
        n = START + point.steps
        trace = simulate([constants], [SHIFTS], [], [to_s1615(-65.0)], n)
        rest = round(point.t_ref / 0.1)
        steps = [step for step, _ in trace.spikes]
        resting = {s + i for s in steps for i in range(1, rest + 1)}
        return (
            point.neurons * sum(step >= START for step in steps) / point.steps,
            point.neurons * sum(START <= step < n for step in resting) / point.steps,
        )


def part_bits(point: Point) -> int:
    """Return the bits of a neuron's index in the core's ring buffers."""
    return max(1, ((point.width or point.neurons) - 1).bit_length())


def _key(entry: int) -> int:
    return entry + 1 << 16


def _seed() -> tuple[int, int, int, int]:
    return core_seeds(1, 1)[0]


def _spikes_only(n: int) -> Region:
    """Record the spikes of all neurons, and nothing else."""
    half = (n + 1) // 2
    indices = [2 * i | 2 * i + 1 << 16 for i in range(half)]
    silent = [0, 0, 4, *[0] * half]
    return Region.of(3, 1, *silent, *silent, *silent, 1, n, *indices)
