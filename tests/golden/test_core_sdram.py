"""SDRAM of a core as sPyNNaker 1!7.4.1 itself reserves it; values from make_spynnaker_core_sdram.py (beside this file)."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_mam.models.model import load_model
from spinn_mam.partitioning.budgets import Sources, combined_core

# Population, its cores, bytes of the synaptic matrix, bytes of the core with recording for 1,000 steps.
SPYNNAKER = (
    ("L23E", 259, 8_112_976, 8_184_280),
    ("L23I", 73, 7_851_536, 7_920_984),
    ("L4E", 274, 6_343_056, 6_414_708),
    ("L4I", 69, 8_412_816, 8_482_220),
    ("L5E", 61, 7_725_136, 7_794_656),
    ("L5I", 14, 5_540_176, 5_609_224),
    ("L6E", 180, 6_073_616, 6_144_760),
    ("L6I", 37, 5_231_376, 5_301_092),
)


@pytest.mark.parametrize(("name", "cores", "matrix_bytes", "sdram_bytes"), SPYNNAKER)
def test_core_needs_what_spynnaker_reserves(name: str, cores: int, matrix_bytes: int, sdram_bytes: int) -> None:
    spec = load_model("pd14").network()
    index = spec.index(name)
    core = combined_core(spec, index, 80, Sources.of(spec, np.full(8, 80)))
    assert -(-spec.populations[index].size // 80) == cores
    # Matrix: alignment of addresses is counted at most, 16 bytes a projection. Core: never less than the tools take.
    assert 0 <= core.matrix_bytes - matrix_bytes <= 16 * 9
    assert 1.0 <= core.sdram_bytes / sdram_bytes < 1.001
    assert core.delay_slots == 64
    assert core.delay_stages == 0


# The same with at most 256 neurons a core: bytes of the matrix with 32 delay slots, and so one stage of delay extension.
SPYNNAKER_256 = (18_518_032, 18_086_928, 13_886_480, 19_735_568, 18_076_688, 12_679_184, 13_425_680, 11_896_848)


def test_delay_stages_need_what_spynnaker_reserves() -> None:
    spec = load_model("pd14").network()
    cores = [combined_core(spec, i, 256, Sources.of(spec, np.full(8, 256))) for i in range(8)]
    assert {(core.delay_slots, core.delay_stages) for core in cores} == {(32, 1)}
    above = np.array([core.matrix_bytes for core in cores]) - SPYNNAKER_256
    assert (above >= 0).all()
    assert (above <= 16 * 17).all()
