"""Our expander makes what ``synapse_expander.aplx`` and ``neuron_expander.aplx`` make, word for word: random regions on cores of the virtual board.

Regions are drawn over all connectors and distributions, views, delay stages, rows that fill up, several edges a core. A core that stops
with an error must do so here too.
"""

import random

import numpy as np
import pytest

pytest.importorskip("unicorn")

from bare_cores import BareBoard
from core_regions import Core, Region

from spinn_mam.errors import UsageError
from spinn_mam.expander import region as r
from spinn_mam.expander import specification
from spinn_mam.expander.neurons import (
    ALL_NEURONS,
    Field,
    NeuronRegion,
    Structure,
    expand_neurons,
    neuron_region_words,
    read_neuron_region,
)
from spinn_mam.expander.population import PopulationExpander, expand_region
from spinn_mam.expander.region import Edge, ExpanderRegion, MatrixLayout, ParameterGenerator, region_words
from spinn_mam.expander.specification import CoreExpander, Synapses
from spinn_mam.fixed_point.random_streams import (
    CONSTANT,
    EXPONENTIAL,
    EXPONENTIAL_CLIPPED,
    NORMAL,
    NORMAL_CLIPPED,
    NORMAL_TO_BOUNDARY,
    UNIFORM,
)
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.virtual_board.structs import CpuState, Vcpu

BUILDER, MATRIX, TABLE, FILTER = 12, 6, 5, 14
NEURON_BUILDER, NEURONS, RECORDING = 11, 2, 9
N_REGIONS, N_TIGHT, N_NEURON_REGIONS = 160, 128, 64
CORES = range(1, 17)
UNTOUCHED = 0xEEEEEEEE


def seed(draw: random.Random) -> tuple[int, ...]:
    return draw.getrandbits(32), draw.getrandbits(32) | 1, draw.getrandbits(32), draw.randrange(1, 698769069)


def generator(draw: random.Random, delay: bool) -> ParameterGenerator:
    size = ONE // 2 if delay else ONE
    mean, sd = draw.randrange(0 if delay else -size, 3 * size), draw.randrange(1, size)
    return draw.choice(
        [
            ParameterGenerator(CONSTANT, (mean,)),
            ParameterGenerator(UNIFORM, (mean - sd, mean + sd)),
            ParameterGenerator(NORMAL, (mean, sd)),
            ParameterGenerator(NORMAL_CLIPPED, (mean, sd, mean - 2 * sd, mean + sd)),
            ParameterGenerator(NORMAL_TO_BOUNDARY, (mean, sd, mean - sd, mean + sd)),
            ParameterGenerator(EXPONENTIAL, (sd,)),
            ParameterGenerator(EXPONENTIAL_CLIPPED, (sd, -sd, 2 * sd)),
        ]
    )


def edge(draw: random.Random, connector: int, offset: int) -> Edge:
    n_targets = draw.randrange(1, 300)
    n_sources = n_targets if draw.random() < 0.3 else draw.randrange(1, 150)
    sources, targets = (0, n_sources - 1), (0, n_targets - 1)
    if draw.random() < 0.3:  # views
        first = draw.randrange(n_sources)
        sources = first, draw.randrange(first, n_sources)
        first = draw.randrange(n_targets)
        targets = first, draw.randrange(first, n_targets)
    n_pre, n_post = sources[1] - sources[0] + 1, targets[1] - targets[0] + 1
    allow_self, replace = draw.randrange(2), draw.randrange(2)
    n_pairs = draw.randrange(max(1, min(n_pre * n_post * 9 // 10 - n_pre, 900)))
    parameters = {
        r.ONE_TO_ONE: (),
        r.ALL_TO_ALL: (allow_self,),
        r.FIXED_PROBABILITY: (allow_self, draw.getrandbits(32)),
        r.FIXED_TOTAL: (allow_self, replace, n_pairs),
        r.FIXED_PRE: (allow_self, replace, draw.randrange(max(1, n_pre - 1))),
        r.FIXED_POST: (allow_self, replace, draw.randrange(max(1, n_post - 1))),
    }[connector]
    n_stages, stage_steps = draw.randrange(1, 5), draw.choice((8, 16, 20, 64))
    row, delayed_row = draw.choice((5, 40, 200, 256)), draw.choice((5, 40, 200, 256))
    layout = MatrixLayout(
        offset,
        offset + n_sources * (row + r.ROW_HEADER) if n_stages > 1 else r.NONE,
        row,
        delayed_row,
        draw.randrange(2),
        1,
        8,
        n_stages,
        stage_steps,
        (stage_steps - 1).bit_length(),
        n_sources,
        draw.randrange(1, n_sources + 1),
    )
    return Edge(sources, targets, layout.synapse_type, layout, connector, parameters, generator(draw, False), generator(draw, True))


def matrix_words(edges: tuple[Edge, ...]) -> int:
    layout = edges[-1].matrix
    end = layout.offset + layout.n_sources * (layout.row_words + r.ROW_HEADER)
    return end + (layout.n_stages - 1) * layout.n_sources * (layout.delayed_row_words + r.ROW_HEADER)


def region(number: int) -> ExpanderRegion:
    draw = random.Random(f"expander {number}")
    edges: tuple[Edge, ...] = ()
    for _ in range(draw.randrange(1, 4)):
        # a core that stops hides the edges after: the connectors in turn
        connector = number % 6 if draw.random() < 0.7 else draw.randrange(6)
        edges = (*edges, edge(draw, connector, matrix_words(edges) if edges else 0))
    start, size = draw.randrange(200), draw.randrange(1, 200)
    scales = tuple(draw.getrandbits(draw.randrange(33, 47)) for _ in range(2))
    return ExpanderRegion(MATRIX, TABLE, FILTER, r.NONE, start, size, draw.choice((ONE, 10 * ONE, 5 * ONE)), seed(draw), seed(draw), scales, edges)


def tight_region(number: int) -> ExpanderRegion:
    """As many synapses as there is room for: the last ones need several tries, and many cores give up."""
    draw = random.Random(f"tight {number}")
    layout = MatrixLayout(0, r.NONE, 1, 0, 0, 1, 8, 1, 16, 4, 8, 8)
    constant = ParameterGenerator(CONSTANT, (ONE,))
    edges = (Edge((0, 7), (0, 0), 0, layout, r.FIXED_TOTAL, (1, 1, 8), constant, constant),)
    return ExpanderRegion(MATRIX, TABLE, FILTER, r.NONE, 0, 1, ONE, seed(draw), seed(draw), (1 << 32,), edges)


def fine_scale_region() -> ExpanderRegion:
    """A weight scale below the finest s16.15 number, for the one connector that turns it into one."""
    layout = MatrixLayout(0, r.NONE, 9, 0, 0, 1, 8, 1, 16, 4, 9, 9)
    edges = (
        Edge((0, 8), (0, 9), 0, layout, r.FIXED_POST, (1, 0, 4), ParameterGenerator(CONSTANT, (60_000 * ONE,)), ParameterGenerator(CONSTANT, (ONE,))),
    )
    return ExpanderRegion(MATRIX, TABLE, FILTER, r.NONE, 0, 10, ONE, (1, 2, 3, 4), (5, 6, 7, 8), (1 << 16,), edges)


def expected_matrix(told: ExpanderRegion, made: list[Synapses]) -> np.ndarray:
    """Lay out synapses as the machine stores them."""
    words = np.full(matrix_words(told.edges), UNTOUCHED, np.uint32)
    for e, synapses in zip(told.edges, made, strict=True):
        m = e.matrix
        starts = [m.offset + i * (m.row_words + r.ROW_HEADER) for i in range(m.n_sources)]
        if m.n_stages > 1:
            starts += [m.delayed_offset + i * (m.delayed_row_words + r.ROW_HEADER) for i in range(m.n_sources * (m.n_stages - 1))]
        for at in starts:
            words[at : at + r.ROW_HEADER] = 0
        for source, target, weight, delay in zip(synapses.source, synapses.target, synapses.weight, synapses.delay, strict=True):
            stage, rest = (int(delay) - 1) // m.stage_steps, (int(delay) - 1) % m.stage_steps + 1
            row = int(source)
            if stage:
                core, local = divmod(row, m.sources_per_core)
                on_core = min(m.n_sources - core * m.sources_per_core, m.sources_per_core)
                row = m.n_sources + core * m.sources_per_core * (m.n_stages - 1) + (stage - 1) * on_core + local
            at = starts[row]
            word = int(weight) << 16 | (rest & (1 << m.delay_bits) - 1) << m.index_bits + m.type_bits
            words[at + r.ROW_HEADER + words[at + 1]] = word | m.synapse_type << m.index_bits | int(target) - told.slice_start & 0xFF
            words[at + 1] += 1
    return words


@pytest.fixture(scope="module")
def board():
    with_cores = BareBoard("spin3")
    yield with_cores
    with_cores.close()


def run_cores(board: BareBoard, binary: str, told: int, contents: list[dict[int, np.ndarray]], made: int) -> list[np.ndarray | None]:
    """Run a binary on as many cores at a time as there are: region ``made`` of each, None where the core stopped with an error.

    ``told`` is the region with its orders.
    """
    found: list[np.ndarray | None] = []
    places = [(chip, core) for chip in board.hardware.chips for core in CORES]
    for first in range(0, len(contents), len(places)):
        board.clear()
        batch = list(zip(places, contents[first : first + len(places)], strict=False))
        for (chip, core), content in batch:
            board.load(chip, core, Core(binary, {n: Region(words, len(words)) for n, words in content.items()}))
            board.variables[chip.index].put_core(core, Vcpu.USER1, told)
        ends = {CpuState.FINISHED, CpuState.RUN_TIME_EXCEPTION}
        for _ in range(1000):
            states = [board.variables[chip.index].state(core) for (chip, core), _ in batch]
            if set(states) <= ends:
                break
            board.engine.advance(0.05)
        assert set(states) <= ends
        for ((chip, core), content), state in zip(batch, states, strict=True):
            words = board.words(chip, board._cores[chip.index, core][made], len(content[made])).copy()
            found.append(words if state == CpuState.FINISHED else None)
    return found


def builder_content(told: ExpanderRegion) -> dict[int, np.ndarray]:
    matrix = np.full(matrix_words(told.edges), UNTOUCHED, np.uint32)
    return {BUILDER: region_words(told), MATRIX: matrix, TABLE: np.zeros(4, np.uint32), FILTER: np.zeros(4, np.uint32)}


@pytest.fixture(scope="module")
def from_binary(board):
    """Random regions and the matrices that the binary makes of them."""
    regions = [region(number) for number in range(N_REGIONS)] + [tight_region(number) for number in range(N_TIGHT)] + [fine_scale_region()]
    contents = [builder_content(told) for told in regions]
    return list(zip(regions, run_cores(board, "synapse_expander.aplx", BUILDER, contents, MATRIX), strict=True))


def test_matrices_equal_the_binarys(from_binary):
    n_synapses, n_failed, used = 0, 0, set()
    for number, (told, words) in enumerate(from_binary):
        try:
            made = CoreExpander(told).expand()
        except UsageError:
            assert words is None, f"region {number}: we stop, the core does not"
            with pytest.raises(UsageError):
                expand_region(told)
            n_failed += 1
            continue
        assert words is not None, f"region {number}: the core stops, we do not"
        np.testing.assert_array_equal(words, expected_matrix(told, made), err_msg=f"region {number}")
        for ours, fast in zip(made, expand_region(told), strict=True):
            for name in Synapses.__slots__:
                np.testing.assert_array_equal(getattr(ours, name), getattr(fast, name))
        n_synapses += sum(len(s.source) for s in made)
        used |= {e.connector for e in told.edges}
    assert used == set(range(6))
    assert n_synapses > 100_000
    assert n_failed < (N_REGIONS + N_TIGHT) // 2


def one_off(function, *, by: int = 1):
    return lambda *arguments: function(*arguments) + by


def stage_without_remainder(delay: int, layout: MatrixLayout) -> tuple[int, int]:
    """Cut delays that are too long to the longest that there is."""
    delay = min(max(delay, 1), layout.n_stages * layout.stage_steps)
    return (delay - 1) // layout.stage_steps, (delay - 1) % layout.stage_steps + 1


def row_on_own_core(source: int, stage: int, layout: MatrixLayout) -> int:
    core, local = divmod(source, layout.sources_per_core)
    on_core = min(layout.n_sources - core * layout.sources_per_core, layout.sources_per_core)
    return core * layout.sources_per_core * (layout.n_stages - 1) + (stage - 1) * on_core + local


def checked_pairs(stream, e: Edge) -> list[tuple[int, int]]:
    """Choose pairs as ever, but check the first of all too."""
    allow_self, _, n = e.connector_parameters
    pairs = [(s, t) for t in range(e.targets[0], e.targets[1] + 1) for s in range(e.sources[0], e.sources[1] + 1) if allow_self or s != t]
    chosen = pairs[:n]
    for i in range(n, len(pairs)):
        place = stream.below(i + 1)
        if place < n:
            chosen[place] = pairs[i]
    return chosen


WRONG = {
    "delays rounded": ("scale_delay", lambda delay, steps: max(1, (delay * steps + (1 << 29)) >> 30)),
    "weights truncated": ("scale_weight", lambda weight, scale: (abs(weight) * scale >> 47) & 0xFFFF),
    "weights one more": ("scale_weight", one_off(specification.scale_weight)),
    "long delays cut to the longest": ("stage_and_rest", stage_without_remainder),
    "delayed rows on their own core": ("delayed_row", row_on_own_core),
    "first pair checked": ("distinct_pairs", checked_pairs),
    "one try": ("MAX_TRIES", 1),
    "eleven tries": ("MAX_TRIES", 11),
    "scale of all targets kept whole": ("edge_scale", lambda e, scales: scales[e.synapse_type]),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_specification_is_noticed(from_binary, monkeypatch, wrong):
    name, value = WRONG[wrong]
    monkeypatch.setattr(specification, name, value)
    for told, words in sorted(from_binary, key=lambda pair: matrix_words(pair[0].edges)):  # small ones first
        try:
            made = CoreExpander(told).expand()
        except UsageError:
            if words is not None:
                return
            continue
        if words is None or not np.array_equal(words, expected_matrix(told, made)):
            return
    pytest.fail("no region shows the difference")


def test_cores_of_a_population_share_its_stream():
    compared = 0
    for number in range(60):
        whole, draw = region(number), random.Random(number)
        cuts = sorted({draw.randrange(1, whole.slice_size) for _ in range(3)} if whole.slice_size > 1 else set())
        bounds = tuple(whole.slice_start + at for at in (0, *cuts, whole.slice_size))
        own = tuple(seed(draw) for _ in bounds[1:])
        expander = PopulationExpander(bounds, whole.steps_per_ms, whole.population_seed, own, whole.weight_scales, whole.edges)
        try:
            apart = [CoreExpander(expander.region(k)).expand() for k in range(expander.n_slices)]
        except UsageError:
            with pytest.raises(UsageError):
                list(expander.expand())
            continue
        for e, (offsets, made) in enumerate(expander.expand()):
            for k in range(expander.n_slices):
                for name in Synapses.__slots__:
                    np.testing.assert_array_equal(getattr(made, name)[offsets[k] : offsets[k + 1]], getattr(apart[k][e], name))
        compared += 1
    assert compared > 30


def neuron_region(number: int) -> NeuronRegion:
    draw = random.Random(f"neurons {number}")
    n = draw.randrange(1, 120)
    structures = []
    for _ in range(draw.randrange(1, 4)):
        copies = draw.choice((1, n, ALL_NEURONS))
        fields = []
        for _ in range(draw.randrange(1, 9)):
            first = draw.randrange(1, copies + 1) if copies != ALL_NEURONS else ALL_NEURONS
            rest = ((copies - first, wide_generator(draw)),) if first < copies else ()
            fields.append(Field(draw.randrange(4), ((first, wide_generator(draw)), *rest)))
        structures.append(Structure(4 * len(fields), copies, tuple(fields)))
    return NeuronRegion(NEURONS, RECORDING, seed(draw), seed(draw), n, tuple(structures), (0, 0))


def wide_generator(draw: random.Random) -> ParameterGenerator:
    """A generator of potentials and the like rather than of weights and delays."""
    narrow = generator(draw, False)
    factor = draw.randrange(1, 40)
    return ParameterGenerator(narrow.kind, tuple(factor * p for p in narrow.parameters))


def test_neurons_equal_the_binarys(board):
    regions = [neuron_region(number) for number in range(N_NEURON_REGIONS)]
    contents, ours = [], []
    for told in regions:
        words = neuron_region_words(told)
        assert read_neuron_region(words.tobytes()) == told
        ours.append(expand_neurons(told))
        blank = np.full(len(ours[-1]), UNTOUCHED, np.uint32)
        contents.append({NEURON_BUILDER: words, NEURONS: blank, RECORDING: np.zeros(4, np.uint32)})
    for number, (words, mine) in enumerate(zip(run_cores(board, "neuron_expander.aplx", NEURON_BUILDER, contents, NEURONS), ours, strict=True)):
        np.testing.assert_array_equal(words, mine, err_msg=f"region {number}")
