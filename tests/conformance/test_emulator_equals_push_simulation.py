"""The emulator equals a plain simulation that pushes spikes into ring buffers, on the microcircuit itself.

The emulator pulls by delay from rows that it merged and sorted; here every synapse of the recipe's ``rows`` is written down as it is, and every
spike adds its weights to 64 ring-buffer slots. Only the constants, the Poisson counts and the initial potentials are shared.
"""

import numpy as np
import pytest
from numba import njit

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.backends.emulator.drive import added16, draw16, poisson_thresholds
from spinn_mam.backends.emulator.emulation import initial_potentials
from spinn_mam.backends.emulator.layout import make_layout
from spinn_mam.fixed_point.parameters import lif_constants
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts, weight_scales
from spinn_mam.models import load_model
from spinn_mam.network.kernels import draw

CONSTANTS = ("v_rest", "v_reset", "v_th", "r_membrane", "exp_tc", "i_offset", "t_refract", "decay_exc", "init_exc", "decay_inh", "init_inh")
SLOTS = 64


@njit
def write_rows(cursor, first, offsets, target, delay, weight, shift, targets, delays, weights):  # type: ignore[no-untyped-def]
    for i in range(len(offsets) - 1):
        at = cursor[first + i]
        for j in range(offsets[i], offsets[i + 1]):
            targets[at], delays[at], weights[at] = target[j] + shift, delay[j], weight[j]
            at += 1
        cursor[first + i] = at


@njit
def push(n_steps, population, first, constants, shifts, inhibitory, thresholds, n_thresholds, drive, keys, v, start, targets, delays, weights):  # type: ignore[no-untyped-def]
    n = len(population)
    ring = np.zeros((SLOTS, 2, n), np.int64)
    exc, inh, refract = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    steps, neurons = [], []
    for t in range(n_steps):
        slot = t % SLOTS
        begin = len(steps)
        for i in range(n):
            p = population[i]
            v_rest, v_reset, v_th, r, exp_tc, i_offset, t_refract, decay_exc, init_exc, decay_inh, init_inh = constants[p]
            key = draw(keys[p], t)
            low, high = np.uint32(key & np.uint64(0xFFFFFFFF)), np.uint32(key >> np.uint64(32))
            u = np.int64(draw16(low, high, np.uint32(i - first[p])))
            count = 0
            for k in range(n_thresholds[p]):
                count += u >= (np.int64(thresholds[p, k]) + added16(low, high)) >> 16
            e, h = min(ring[slot, 0, i] + count * drive[p], 65535), min(ring[slot, 1, i], 65535)
            ring[slot, :, i] = 0
            exc[i] += ((e << shifts[p, 0]) * init_exc) >> 32
            inh[i] += ((h << shifts[p, 1]) * init_inh) >> 32
            if refract[i] > 0:
                refract[i] -= 1
            else:
                alpha = (((exc[i] - inh[i] + i_offset) * r) >> 15) + v_rest
                v[i] = alpha - ((exp_tc * (alpha - v[i])) >> 15)
            if v[i] >= v_th:
                v[i], refract[i] = v_reset, t_refract
                steps.append(t)
                neurons.append(i)
            exc[i] = (exc[i] * decay_exc) >> 32
            inh[i] = (inh[i] * decay_inh) >> 32
        for s in range(begin, len(steps)):
            i = neurons[s]
            receptor = 1 if inhibitory[population[i]] else 0
            for j in range(start[i], start[i + 1]):
                # one slot more than NEST's delay
                ring[(t + delays[j] + 1) % SLOTS, receptor, targets[j]] += weights[j]
    return np.array(steps), np.array(neurons)


@pytest.mark.parametrize(("scale", "t_sim"), [(0.05, 300.0), pytest.param(1.0, 200.0, marks=pytest.mark.slow)])
def test_the_same_spikes(scale: float, t_sim: float) -> None:
    spec = load_model("pd14").network(scale, scale)
    network = Network.from_seed(spec, 1)
    shifts = ring_buffer_shifts(spec)
    recording = simulate(network, shifts, t_sim, 0.0, 1, 2)

    scales, first, recipe = weight_scales(shifts), spec.offsets, network.connectivity
    n_out = np.zeros(first[-1], np.int64)
    for k, p in enumerate(spec.projections):
        n_sources, n_targets = spec.populations[p.source].size, spec.populations[p.target].size
        n_out[first[p.source] : first[p.source] + n_sources] += recipe.counts(k, (0, n_sources), (0, n_targets))
    start = np.concatenate([[0], np.cumsum(n_out)])
    cursor = start[:-1].copy()
    targets, delays, weights = np.empty(start[-1], np.int32), np.empty(start[-1], np.uint8), np.empty(start[-1], np.uint16)
    for k, p in enumerate(spec.projections):
        receptor = int(p.receptor == "inhibitory")
        n_sources, n_targets = spec.populations[p.source].size, spec.populations[p.target].size
        for lo in range(0, n_sources, 4000):  # in pieces, for memory
            rows = recipe.rows(k, (lo, min(lo + 4000, n_sources)), (0, n_targets))
            weight = np.minimum(np.rint(np.abs(rows.weight) * scales[p.target, receptor]), 65535).astype(np.uint16)
            write_rows(cursor, first[p.source] + lo, rows.offsets, rows.target, rows.delay, weight, first[p.target], targets, delays, weights)
    assert np.array_equal(cursor, start[1:])

    layout = make_layout(spec, shifts, 1)
    tables = [poisson_thresholds(p.drive.rate * spec.dt / 1000.0) for p in spec.populations if p.drive is not None]
    thresholds = np.zeros((len(tables), max(map(len, tables))), np.uint32)
    for i, table in enumerate(tables):
        thresholds[i, : len(table)] = table
    constants = [lif_constants(p.neuron, p.I_e, spec.dt) for p in spec.populations if p.neuron is not None]
    steps, neurons = push(
        round(t_sim / spec.dt),
        np.repeat(np.arange(len(spec.populations)), spec.sizes),
        first,
        np.array([[getattr(c, name) for name in CONSTANTS] for c in constants], np.int64),
        shifts,
        np.array([name.endswith("I") for name in spec.names]),
        thresholds,
        np.array([len(table) for table in tables]),
        np.array([np.rint(p.drive.weight * scales[i, 0]) for i, p in enumerate(spec.populations) if p.drive is not None], np.int64),
        np.array([layout.keys[np.flatnonzero(layout.population == i)[0]] for i in range(len(tables))], np.uint64),
        initial_potentials(spec, layout, 1)[layout.state_of].astype(np.int64),
        start,
        targets,
        delays,
        weights,
    )
    assert len(steps) > 1000
    mine, its = np.lexsort((neurons, steps)), np.lexsort((recording.neuron, recording.step))
    assert np.array_equal(steps[mine] + 1, recording.step[its])
    assert np.array_equal(neurons[mine], recording.neuron[its])
