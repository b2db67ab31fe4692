"""The verdict on real networks: other seeds of the microcircuit pass, and wrong microcircuits fail.

The microcircuit at a fifth of its neurons and in-degrees, 2.5 s after 0.5 s of warm-up, on the emulator; six seeds are the reference.
Stated false-alarm rates: a correct run fails a verdict in 5 % of cases at most, so that two of three do in less than 1 %; a
wrong network that the verdict could not tell from a correct one would pass its test in 5 % of cases.
"""

import dataclasses

import pytest

from spinn_mam.backends.base import Network
from spinn_mam.backends.emulator.backend import simulate
from spinn_mam.comparison import build_reference_statistics, compare
from spinn_mam.models import load_model

SCALE = 0.2
T_SIM, WARM_UP = 2500.0, 500.0
N_SEEDS = 6
PROTOCOLS = ("va18", "senk26")


def run(spec, seed):
    """Run a network of its own synapses, initial state and Poisson input."""
    return simulate(Network.from_seed(spec, seed), None, T_SIM, WARM_UP, seed + 1000)


def stretched(distribution, factor):
    return dataclasses.replace(distribution, mean=factor * distribution.mean, sd=factor * distribution.sd)


def weights_10_percent_larger(spec):
    return dataclasses.replace(spec, projections=tuple(dataclasses.replace(p, weight=stretched(p.weight, 1.1)) for p in spec.projections))


def delays_doubled(spec):
    return dataclasses.replace(spec, projections=tuple(dataclasses.replace(p, delay=stretched(p.delay, 2.0)) for p in spec.projections))


def one_projection_missing(spec):
    gone = (spec.index("L6E"), spec.index("L4E"))
    return dataclasses.replace(spec, projections=tuple(p for p in spec.projections if (p.source, p.target) != gone))


@pytest.fixture(scope="module")
def spec():
    return load_model("pd14").network(SCALE, SCALE)


@pytest.fixture(scope="module")
def reference(spec):
    return build_reference_statistics([run(spec, seed) for seed in range(N_SEEDS)], range(N_SEEDS))


def test_other_seeds_pass(spec, reference):
    runs = [run(spec, seed) for seed in (100, 101, 102)]
    for protocol in PROTOCOLS:
        verdicts = [compare(recording, reference, protocol).verdict for recording in runs]
        assert verdicts.count("pass") >= 2, protocol


@pytest.mark.parametrize("wrong", [weights_10_percent_larger, delays_doubled, one_projection_missing], ids=lambda f: f.__name__)
def test_a_wrong_microcircuit_fails(spec, reference, wrong):
    wrong_spec = wrong(spec)
    assert wrong_spec.digest() != spec.digest()
    recording = run(wrong_spec, 200)
    for protocol in PROTOCOLS:
        comparison = compare(recording, reference, protocol)
        assert comparison.verdict == "fail", protocol
        # The verdict names what is wrong, beyond the edge of a threshold.
        assert max(abs(row.value) / row.threshold for row in comparison.rows if not row.weak) > 1.2
