"""What the shipped binaries of split cores take of DTCM and of a time step, on the virtual board, against our budgets."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from bare_cores import BareBoard
from random_networks import deploy
from test_binary_exactness import PD14, Neuron, one_slice

from spinn_mam.partitioning import budgets, split_cores

DTCM, DTCM_BYTES = 0x400000, 65_536
#: Ends of zero data, where SARK puts the root of its heap.
STATIC = split_cores.DTCM_STATIC_BYTES
N, N_SYNAPSE_CORES, DELAY_BITS = 64, 3, 7


def blocks(memory: np.ndarray, static: int) -> tuple[list[int], int]:
    """Return the sizes of the heap's blocks in use, headers without, and the bytes behind the heap."""
    words = memory.view("<u4")
    _, block, last = (int(w) for w in words[static // 4 : static // 4 + 3])
    sizes = []
    while block != last:
        following = int(words[(block - DTCM) // 4])
        if following != last:  # the rest is free
            sizes.append(following - block - 8)
        block = following
    return sizes, DTCM + DTCM_BYTES - last


def test_cores_take_what_the_budget_says() -> None:
    board = BareBoard("spin3")
    try:
        network = one_slice(
            [Neuron(PD14)] * N, [(N, 0, 10.0, 3)], [[3]], split=True, n_synapse_cores=N_SYNAPSE_CORES, delay_bits=DELAY_BITS, n_steps=40
        )
        (deployed,) = deploy(board, [network])
        board.run(40)
        neuron_core = deployed.cores[0]
        memory = np.frombuffer(bytes(board.engine.read_core(deployed.chip, neuron_core, DTCM, DTCM_BYTES)), np.uint8)
        sizes, stacks = blocks(memory, STATIC["IF_curr_exp_neuron"])
        handed = split_cores.hand_over_bytes(N)
        assert sizes.count(handed) >= split_cores.ROWS_HELD
        taken = STATIC["IF_curr_exp_neuron"] + sum(sizes) + 8 * len(sizes) + stacks
        state = N * budgets.NEURON_WORDS * budgets.WORD_BYTES
        ours = budgets.DTCM_RESERVED_BYTES + STATIC["IF_curr_exp_neuron"] + state + split_cores.ROWS_HELD * handed
        assert 0.9 < taken / ours <= 1.0
        activity = board.engine.activity(deployed.chip, neuron_core)
        assert activity is not None
        adding = (N_SYNAPSE_CORES - 1) * (split_cores.CYCLES_PER_ROW + split_cores.CYCLES_PER_SUM * 2 * N)
        # It records all potentials as well, which takes some 14 instructions a neuron.
        assert 1.0 <= activity.tick_instructions_mean / (N * budgets.CYCLES_PER_NEURON + adding) < 1.15
        for core in range(neuron_core - N_SYNAPSE_CORES, neuron_core):
            memory = np.frombuffer(bytes(board.engine.read_core(deployed.chip, core, DTCM, DTCM_BYTES)), np.uint8)
            sizes, _ = blocks(memory, STATIC["synapses"])
            assert max(sizes) == budgets.RING_BUFFER_BYTES * 2 ** (DELAY_BITS + 1 + 6)
            quiet = board.engine.activity(deployed.chip, core)
            assert quiet is not None
            assert quiet.tick_instructions_mean == pytest.approx(split_cores.CYCLES_PER_TRANSFER, rel=0.05)
    finally:
        board.close()
