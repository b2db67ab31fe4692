"""A made-up run of many areas: independent Poisson neurons whose rates share what their area has in common."""

import numpy as np

from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.recording import Recording


def make_run(areas=("V1", "V2", "FEF", "TH"), *, seed=0, size=40, rate=6.0, duration_ms=1000.0, common=None, dt=0.1) -> Recording:
    """Make a run; TH has no layer 4. ``common`` is a factor on the rate of each area in each millisecond, shape (n_areas, n_ms)."""
    rng = np.random.default_rng(seed)
    n_ms, per_ms = int(duration_ms), round(1 / dt)
    names = [f"{area}-{p}" for area in areas for p in POPULATIONS if area != "TH" or p[0] != "4"]
    steps, neurons = [], []
    for k, name in enumerate(names):
        factor = np.ones(n_ms) if common is None else common[areas.index(name.rpartition("-")[0])]
        when, who = np.nonzero(rng.random((n_ms, size)) < (rate / 1000.0 * factor)[:, None])
        steps.append(when * per_ms + rng.integers(0, per_ms, len(when)))
        neurons.append(who + k * size)
    step, neuron = np.concatenate(steps), np.concatenate(neurons)
    order = np.lexsort((neuron, step))
    return Recording(names, [size] * len(names), dt, 5000, 5000 + n_ms * per_ms, step[order] + 5000, neuron[order].astype(np.int32))
