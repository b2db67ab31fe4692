"""Whole networks on the virtual board and on the emulator: the same spikes, where sums saturate and delays need extensions."""

from pathlib import Path

import pytest
from end_to_end import CASES, compare


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name}-{case.layout}-{case.degree}")
def test_spikes_are_equal(case, tmp_path: Path):
    outcome = compare(case, tmp_path)
    assert len(outcome.there.step) > 0
    assert outcome.n_different == 0
