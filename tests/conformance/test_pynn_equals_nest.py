"""One PyNN script with lists of synapses on the emulator and on NEST: equal spikes, but where a potential touches its threshold.

Two arithmetics give potentials that differ a little, so a neuron that is just at its threshold may spike a step later in one of them, and what it
sends then comes later too. The comparison follows this along the synapses: until an input of a neuron differs, its potentials agree within
``TOLERANCE``, and so do its spikes; the first one that does not is a spike of one of the two where the other is less than ``TOLERANCE`` below
threshold.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("pyNN")

import pynn_layers

import spinn_mam.pynn as sim

SCRIPT = Path(pynn_layers.__file__)
# mV. Truncated decays take up to a unit of 2^-15 nA a step from a current, tau_syn / dt = 15 units in all, of a resistance of up to 78 megohm:
# 0.036; truncated products up to 1 / (1 - 32600 / 2^15) = 195 units of 2^-15 mV from V: 0.006.
TOLERANCE = 0.05


@pytest.fixture(scope="module")
def in_nest():
    pytest.importorskip("nest")
    done = subprocess.run([sys.executable, "-W", "ignore", str(SCRIPT), "pyNN.nest"], capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


def first_difference(a, b):
    """First step in which one has a spike and the other has not."""
    return min(set(a) ^ set(b), default=pynn_layers.N_STEPS + 1)


def compare(ours, nest):
    """Compare all spikes and potentials until an input differs.

    Returns how many of NEST's spikes could be compared, how many there are, and how many neurons parted at their threshold.
    """
    assert [tuple(edge) for edge in nest["edges"]] == ours["edges"]
    cells = [(layer, i) for layer, size in pynn_layers.SIZES.items() for i in range(size)]
    differs = {(layer, i): first_difference(ours[layer]["steps"][i], nest[layer]["steps"][i]) for layer, i in cells}
    reached = dict.fromkeys(cells, pynn_layers.N_STEPS + 1)
    for source, i, target, j, delay in ours["edges"]:
        if source in pynn_layers.SIZES:
            reached[target, j] = min(reached[target, j], differs[source, i] + delay)
    n_compared = n_all = n_left = 0
    for layer, i in cells:
        steps, potentials = ([run[layer][name][i] for run in (ours, nest)] for name in ("steps", "v"))
        until = min(differs[layer, i], reached[layer, i])
        assert np.abs(np.subtract(*potentials)[:until]).max() < TOLERANCE, (layer, i)
        n_compared += sum(step < until for step in steps[1])
        n_all += len(steps[1])
        if differs[layer, i] < reached[layer, i]:
            waiting = potentials[differs[layer, i] in steps[0]][differs[layer, i]]
            assert pynn_layers.V_THRESH - TOLERANCE < waiting < pynn_layers.V_THRESH, (layer, i)
            n_left += 1
    return n_compared, n_all, n_left


@pytest.mark.parametrize(("regime", "share"), [("strong", 0.95), ("weak", 0.6)])
def test_spikes_and_potentials_are_equal(in_nest, regime, share):
    n_compared, n_all, n_left = compare(pynn_layers.run(sim, regime, delay_convention="nest"), in_nest[regime])
    assert n_compared > max(share * n_all, 500)
    assert 0 < n_left < 10


def test_another_convention_is_found(in_nest):
    with pytest.raises(AssertionError):
        compare(pynn_layers.run(sim, "strong", delay_convention="machine"), in_nest["strong"])
