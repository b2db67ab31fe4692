"""All the binaries that the board is tested with, in networks through the whole of sPyNNaker: the recorded result, spike for spike.

What was recorded is in ``tests/golden/board_NETWORK.npz``; ``python tests/conformance/test_board_binaries.py`` makes the files anew.
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from spinn_mam.fixed_point.poisson import PoissonCore, constant_rates, core_seeds
from spinn_mam.virtual_board.binaries import TESTED
from spinn_mam.virtual_board.events import BoardReport
from spinn_mam.virtual_board.script import run_script

GOLDEN = Path(__file__).parents[1] / "golden"
N = 40
#: Time step (ms), duration (ms), and seed and rates of each Poisson population: what goes into them is known without a run.
SLOW, FAST = [2.0 + i / 8 for i in range(N)], [800.0 + 40 * i for i in range(N)]
NETWORKS = {
    "combined": (1.0, 300.0, {"slow": (11, SLOW), "fast": (12, FAST), "gaussian": (13, [11_000.0] * 4)}),
    "split": (
        0.1,
        40.0,
        {"slow": (11, SLOW), "fast": (12, FAST), "faster": (13, [11_000.0] * 4), "drive": (31, [9000.0] * N), "strong": (32, [9000.0] * N)},
    ),
    "routes": (1.0, 80.0, {}),
}
BINARIES = {
    "combined": {
        "IF_cond_exp",
        "IF_curr_exp",
        "IF_curr_exp_stdp_mad_pair_additive",
        "IZK_curr_exp",
        "delay_extension",
        "neuron_expander",
        "reverse_iptag_multicast_source",
        "spike_source_poisson",
        "synapse_expander",
    },
    "split": {
        "IF_cond_exp_neuron",
        "IF_curr_exp_neuron",
        "IZK_curr_exp_neuron",
        "neuron_expander",
        "reverse_iptag_multicast_source",
        "spike_source_poisson",
        "synapse_expander",
        "synapses",
        "synapses_stdp_mad_pair_additive",
    },
    "routes": {"IF_curr_exp", "neuron_expander", "reverse_iptag_multicast_source", "synapse_expander"},
}
COMPRESSORS = {"PairOnChipRouterCompression": "simple_pair_compressor", "OrderedCoveringOnChipRouterCompression": "simple_unordered_compressor"}


def run_network(name: str, folder: Path, config: str = "", **options: object) -> tuple[dict[str, np.ndarray], BoardReport]:
    """Run a network's script in a folder; return what it kept, and the board's report."""
    (folder / "spynnaker.cfg").write_text(config)
    before = Path.cwd()
    os.chdir(folder)
    try:
        result = run_script(GOLDEN / "board_networks.py", [name, "out.npz"], **options)
    finally:
        os.chdir(before)
    assert result.exit_code == 0
    (report,) = result.reports
    with np.load(folder / "out.npz") as kept:
        return dict(kept), report


def assert_recorded(name: str, kept: dict[str, np.ndarray]) -> None:
    """Compare with the recorded result."""
    with np.load(GOLDEN / f"board_{name}.npz") as golden:
        assert set(golden) == {key.removeprefix("both/") for key in worth_keeping(kept)}
        for key in golden:
            np.testing.assert_array_equal(kept[f"both/{key}"], golden[key], err_msg=f"{name}: {key}")


def worth_keeping(kept: dict[str, np.ndarray]) -> list[str]:
    """Results that nothing else says: of both runs, without the sources."""
    known = [f"both/spikes/{label}" for _, _, poisson in NETWORKS.values() for label in [*poisson, "array", "start"]]
    return [key for key in kept if key.startswith("both/") and key not in known]


@pytest.mark.parametrize("name", ["combined", "split"])
def test_result_is_the_recorded_one_twice_reset_and_continued(name, tmp_path):
    kept, report = run_network(name, tmp_path)
    assert set(report.binaries) >= BINARIES[name]
    assert_recorded(name, kept)
    assert_continued_and_reset(kept)
    dt, duration, poisson = NETWORKS[name]
    n_steps = round(duration / dt)
    for label, (seed, rates) in poisson.items():
        counts = PoissonCore(core_seeds(seed, 1)[0], constant_rates(rates), dt).advance(n_steps)
        steps, neurons = np.nonzero(counts)
        expected = np.repeat(np.stack([steps, neurons], axis=1), counts[steps, neurons], axis=0)
        np.testing.assert_array_equal(kept[f"both/spikes/{label}"], expected, err_msg=label)
    times = {(1 + 7 * i % 30 + 31 * k, i) for i in range(N) for k in range(12)}
    assert [tuple(spike) for spike in kept["both/spikes/array"]] == sorted(spike for spike in times if spike[0] < n_steps)
    # plasticity has changed weights, and a reset brought the first ones back
    assert not np.array_equal(kept["first/synapses/0"], kept["both/synapses/0"])


def assert_continued_and_reset(kept: dict[str, np.ndarray]) -> None:
    """Two runs one after the other are one run of their length after a reset, and the first is its beginning."""
    for key, both in kept.items():
        kind = key.removeprefix("both/")
        if key != kind:
            np.testing.assert_array_equal(kept[f"reset/{kind}"], both, err_msg=key)
            if not kind.startswith("synapses"):
                first = kept[f"first/{kind}"]
                np.testing.assert_array_equal(first, both[: len(first)], err_msg=key)


@pytest.mark.parametrize(
    "compressor",
    [
        "PairOnChipRouterCompression",
        pytest.param("OrderedCoveringOnChipRouterCompression", marks=pytest.mark.slow),
        pytest.param(None, marks=pytest.mark.slow),
    ],
)
def test_routing_tables_compressed_on_the_chips(compressor, tmp_path):
    """The result does not depend on whether the tables are compressed, and by whom."""
    config = f"[Mapping]\nrouter_table_compress_as_far_as_possible = True\ncompressor = {compressor}\n" if compressor else ""
    kept, report = run_network("routes", tmp_path, config)
    binaries = set(report.binaries)
    assert binaries >= BINARIES["routes"]
    assert binaries & set(COMPRESSORS.values()) == ({COMPRESSORS[compressor]} if compressor else set())
    assert_recorded("routes", kept)
    assert_continued_and_reset(kept)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["combined", "split"])
def test_result_does_not_depend_on_threads(name, tmp_path):
    kept, _ = run_network(name, tmp_path, threads=1)
    assert_recorded(name, kept)


def test_every_tested_binary_is_in_a_network():
    assert set().union(*BINARIES.values(), COMPRESSORS.values()) == TESTED


def make_golden() -> None:
    """Record all networks anew."""
    for name in NETWORKS:
        with tempfile.TemporaryDirectory() as folder:
            kept, _ = run_network(name, Path(folder))
        np.savez_compressed(GOLDEN / f"board_{name}.npz", **{key.removeprefix("both/"): kept[key] for key in worth_keeping(kept)})


if __name__ == "__main__":
    sys.exit(make_golden())
