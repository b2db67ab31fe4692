"""Exports are read back by the programs they are for, spike by spike."""

import builtins
import importlib.util
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from spinn_mam.errors import MissingExtraError, UsageError
from spinn_mam.formats import excerpt as excerpts
from spinn_mam.formats import neo_files
from spinn_mam.formats.excerpt import Excerpt, chosen_neurons
from spinn_mam.formats.export import FORMATS, default_name, export_recording
from spinn_mam.formats.nest_text import decimals, recorder_ids
from spinn_mam.recording import Potentials, Recording

NAMES, SIZES = ("L23E", "L23I", "L4E"), (60, 4, 36)
START, STOP = 5000, 30_000


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Neo and nixio on current versions of quantities and numpy."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=ResourceWarning)
        yield


@pytest.fixture(scope="module")
def run() -> Recording:
    """2.5 s in steps of 0.1 ms, with silent neurons (every fifth) and spikes in the first and the last step."""
    rng = np.random.default_rng(1)
    spikes = np.unique(rng.integers(START, STOP, 3000) * 1000 + rng.integers(0, 100, 3000))
    spikes = np.unique(np.concatenate([spikes[spikes % 5 != 0], [START * 1000 + 1, (STOP - 1) * 1000 + 99]]))
    return Recording(
        NAMES, SIZES, 0.1, START, STOP, spikes // 1000, (spikes % 1000).astype(np.int32), None, {"backend": "none", "seed": 3, "rtf": 1.5}
    )


def by_neuron(run: Recording) -> dict[tuple[str, int], list[int]]:
    """Steps of every neuron, silent ones too."""
    found: dict[tuple[str, int], list[int]] = {(n, i): [] for n, size in zip(NAMES, SIZES, strict=True) for i in range(size)}
    for name in NAMES:
        for step, neuron in zip(*(a.tolist() for a in run.population(name)), strict=True):
            found[name, neuron].append(step)
    return found


def steps(times_ms: object) -> list[int]:
    """Whole steps of times, which must lie on the grid."""
    times = np.asarray(times_ms, float) / 0.1
    assert np.allclose(times, np.rint(times), atol=1e-6, rtol=0)
    return np.rint(times).astype(int).tolist()


# ---- NEST ----


def test_the_microcircuits_programs_read_the_text(run: Recording, tmp_path: Path) -> None:
    """As load_spike_times of the microcircuit's repository does: files by name, three lines skipped, bounds of the populations."""
    folder = export_recording(Excerpt.of(run), tmp_path / "nest", "nest")
    files = sorted(p.name for p in folder.glob("spike_recorder*"))
    bounds = np.loadtxt(folder / "population_nodeids.dat", dtype="i4")
    assert bounds.tolist() == [[1, 60], [61, 64], [65, 100]]
    found = {}
    for name, file, (first, last) in zip(NAMES, files, bounds, strict=True):
        data = np.loadtxt(folder / file, skiprows=3, dtype={"names": ("sender", "time_ms"), "formats": ("i4", "f8")})
        assert np.all(np.diff(data["time_ms"]) >= 0)
        for node in range(first, last + 1):
            found[name, int(node - first)] = steps(data["time_ms"][data["sender"] == node])
    assert found == by_neuron(run)
    nodes = json.loads((folder / "nodes.json").read_text())
    assert [nodes[name][-1] for name in NAMES] == [60, 64, 100]
    assert [f"spike_recorder-{nodes[f'spike_recorder_{name}'][0]}-0.dat" for name in NAMES] == files
    described = json.loads((folder / "spikes.json").read_text())
    assert (described["start_ms"], described["stop_ms"], described["provenance"]) == (500.0, 3000.0, run.provenance)


def test_neos_reader_of_nest_reads_the_text(run: Recording, tmp_path: Path) -> None:
    import quantities as pq
    from neo.io import NestIO

    folder = export_recording(Excerpt.of(run), tmp_path / "nest", "nest")
    [file] = folder.glob("spike_recorder-103-0.dat")
    # it reads the form of NEST 2, which has the same columns and no header
    (tmp_path / "spikes.gdf").write_text("".join(file.read_text().splitlines(keepends=True)[3:]))
    segment = NestIO(str(tmp_path / "spikes.gdf")).read_segment(gid_list=[], t_start=500 * pq.ms, t_stop=3000 * pq.ms)
    found = {("L4E", int(t.annotations["id"]) - 65): steps(t.rescale("ms").magnitude) for t in segment.spiketrains}
    assert found == {key: value for key, value in by_neuron(run).items() if key[0] == "L4E" and value}


NEST_PROGRAM = """
import nest, sys
nest.set_verbosity("M_ERROR")
nest.set(resolution=0.1, data_path=sys.argv[1], overwrite_files=True)
parrots = nest.Create("parrot_neuron", 3)
for parrot, times in zip(parrots, ([0.1, 2.0], [], [1.5, 1.9])):
    nest.Connect(nest.Create("spike_generator", params={"spike_times": times}), parrot, syn_spec={"delay": 1.0})
recorder = nest.Create("spike_recorder", params={"record_to": "ascii", "label": "spike_recorder"})
nest.Connect(parrots, recorder)
nest.Simulate(10.0)
"""


@pytest.mark.skipif(importlib.util.find_spec("nest") is None, reason="NEST is not installed")
def test_the_text_is_what_nest_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", NEST_PROGRAM, str(tmp_path)], check=True, capture_output=True, timeout=120)
    [theirs] = tmp_path.glob("spike_recorder-*.dat")
    run = Recording(("E",), (3,), 0.1, 0, 100, np.array([11, 25, 29, 30]), np.array([0, 2, 2, 0], np.int32))
    [ours] = export_recording(Excerpt.of(run), tmp_path / "ours", "nest").glob("spike_recorder-*.dat")
    header, lines = ours.read_text().splitlines()[:3], ours.read_text().splitlines()[3:]
    assert sorted(lines) == sorted(theirs.read_text().splitlines()[3:])  # NEST writes a slice of the shortest delay at once, neuron by neuron
    assert header[1:] == theirs.read_text().splitlines()[1:3]
    assert header[0].startswith("# NEST version: none")


def test_recorders_sort_as_text_and_times_have_all_digits() -> None:
    for n_neurons in (3, 8, 95, 77_169, 99_995):
        ids = recorder_ids(n_neurons, 8)
        assert min(ids) > n_neurons
        assert sorted(map(str, ids)) == [str(i) for i in ids]
    assert [decimals(dt) for dt in (1.0, 0.1, 0.125, 0.0625, 1e-5)] == [3, 3, 3, 4, 5]


# ---- Parquet ----


def test_arrow_reads_the_table(run: Recording, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = export_recording(Excerpt.of(run), tmp_path / "spikes.parquet", "parquet")
    table = parquet.read_table(path)
    assert table.column("step").to_pylist() == run.step.tolist()
    assert table.column("time_ms").to_pylist() == pytest.approx((run.step * 0.1).tolist())
    found: dict[tuple[str, int], list[int]] = {key: [] for key in by_neuron(run)}
    for name, neuron, step in zip(*(table.column(c).to_pylist() for c in ("population", "neuron", "step")), strict=True):
        found[name, neuron].append(step)
    assert found == by_neuron(run)
    described = json.loads(table.schema.metadata[b"spinn_mam"])
    assert (described["dt_ms"], described["start_ms"], described["stop_ms"]) == (0.1, 500.0, 3000.0)
    assert described["populations"]["L23I"] == {"size": 4, "recorded": 4}
    assert parquet.ParquetFile(path).num_row_groups == 3  # two and a half seconds
    part = parquet.read_table(path, filters=[("time_ms", ">=", 2600.0), ("population", "==", "L4E")])
    assert part.num_rows == sum(step >= 26_000 for (name, _), all_ in by_neuron(run).items() if name == "L4E" for step in all_)


# ---- Neo ----


@pytest.mark.parametrize("format_", ["nix", "pickle"])
def test_neo_reads_its_files(run: Recording, tmp_path: Path, format_: str) -> None:
    import neo

    if format_ == "nix":
        pytest.importorskip("nixio")
    chosen = (10, 2, 9) if format_ == "nix" else SIZES  # a train takes a while in NIX
    path = export_recording(Excerpt.of(run, chosen), tmp_path / default_name(format_), format_)
    reader = neo.get_io(str(path), "ro") if format_ == "nix" else neo.get_io(str(path))
    block = reader.read_block() if format_ == "nix" else reader.read()[0]
    if format_ == "nix":
        reader.close()
    trains = block.segments[0].spiketrains
    found = {(t.annotations["source_population"], t.annotations["source_index"]): steps(t.rescale("ms").magnitude) for t in trains}
    assert found == {(name, i): value for (name, i), value in by_neuron(run).items() if i < chosen[NAMES.index(name)]}
    assert {(float(t.t_start.rescale("ms")), float(t.t_stop.rescale("ms"))) for t in trains} == {(500.0, 3000.0)}
    assert (block.annotations["seed"], block.annotations["backend"], block.annotations["dt_ms"]) == (3, "none", 0.1)


def test_elephant_takes_the_block(run: Recording) -> None:
    from elephant.statistics import mean_firing_rate

    trains = neo_files.neo_block(Excerpt.of(run)).segments[0].spiketrains
    rates = [float(mean_firing_rate(t).rescale("1/s")) for t in trains]
    assert np.mean(rates[:60]) == pytest.approx(run.rates()["L23E"])


def test_what_is_too_much_for_neo_is_refused(run: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("nixio")
    monkeypatch.setattr(neo_files, "MOST_NIX_TRAINS", 99)
    with pytest.raises(UsageError, match=r"100 spike trains are too many for a NIX file, at most 99 are written .* give --neurons N"):
        export_recording(Excerpt.of(run), tmp_path / "a.nix", "nix")
    monkeypatch.setattr(neo_files, "MOST_SPIKES", 1000)
    with pytest.raises(UsageError, match=r"spikes are too many for a Neo block, at most 1,000 .* --format parquet"):
        export_recording(Excerpt.of(run), tmp_path / "a.pkl", "pickle")
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_export_is_not_written_over(run: Recording, tmp_path: Path) -> None:
    mine, earlier = tmp_path / "reference.json", tmp_path / "a.pkl"
    for path in (mine, earlier):
        path.write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"reference.json: is there, and no earlier export by its name \(\*.pkl\); name another file"):
        export_recording(Excerpt.of(run), mine, "pickle")
    assert mine.read_text(encoding="utf-8") == "mine"
    export_recording(Excerpt.of(run), earlier, "pickle")
    assert earlier.read_bytes() != b"mine"


# ---- potentials ----


@pytest.fixture
def with_potentials() -> Recording:
    """Two neurons of L23E and one of L4E, sampled every 2 ms from the 20th step on."""
    v = np.random.default_rng(5).uniform(-70, -50, (50, 3)).astype(np.float32)
    sampled = Potentials(np.array([0, 1, 64], np.int32), START + 20, 20, v)
    none = np.zeros(0, np.int64), np.zeros(0, np.int32)
    return Recording(NAMES, SIZES, 0.1, START, START + 1020, *none, potentials=sampled)


def test_neo_has_potentials_as_analog_signals(with_potentials: Recording, tmp_path: Path) -> None:
    import neo

    path = export_recording(Excerpt.of(with_potentials, (1, 0, 0)), tmp_path / "a.pkl", "pickle")
    signals = neo.get_io(str(path)).read()[0].segments[0].analogsignals
    expected = with_potentials.potentials
    assert expected is not None
    assert [(s.annotations["source_population"], s.array_annotations["channel_index"].tolist()) for s in signals] == [("L23E", [0, 1]), ("L4E", [0])]
    assert np.hstack([s.rescale("mV").magnitude for s in signals]) == pytest.approx(expected.v)
    assert steps(signals[0].times.rescale("ms").magnitude) == expected.step.tolist()


def test_text_has_potentials_as_of_a_voltmeter(with_potentials: Recording, tmp_path: Path) -> None:
    folder = export_recording(Excerpt.of(with_potentials), tmp_path / "nest", "nest")
    nodes = json.loads((folder / "nodes.json").read_text())
    expected = with_potentials.potentials
    assert expected is not None
    for name, columns, first in (("L23E", [0, 1], 1), ("L4E", [2], 65)):
        text = folder / f"voltmeter-{nodes[f'voltmeter_{name}'][0]}-0.dat"
        assert text.read_text().splitlines()[2] == "sender\ttime_ms\tV_m"
        sender, time, v = np.loadtxt(text, skiprows=3, unpack=True)
        for i, column in enumerate(columns):
            mine = sender == first + i
            assert steps(time[mine]) == expected.step.tolist()
            assert v[mine] == pytest.approx(expected.v[:, column], abs=6e-4)
    assert len(list(folder.glob("voltmeter-*"))) == 2


# ---- all ----


@pytest.mark.parametrize("format_", ["nest", "parquet"])
def test_pieces_do_not_show(run: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str) -> None:
    if format_ == "parquet":
        pytest.importorskip("pyarrow")

    def content(path: Path) -> object:
        if format_ == "nest":
            return {p.name: p.read_text() for p in path.iterdir()}
        from pyarrow import parquet

        return parquet.read_table(path).to_pydict()

    whole = content(export_recording(Excerpt.of(run), tmp_path / "whole", format_))
    monkeypatch.setattr(excerpts, "PIECE_MS", 0.3)
    assert content(export_recording(Excerpt.of(run.window(0.0, 100.0)), tmp_path / "short", format_)) != whole
    monkeypatch.setattr(excerpts, "PIECE_MS", 77.7)
    assert content(export_recording(Excerpt.of(run), tmp_path / "pieces", format_)) == whole


def test_a_part_keeps_numbers_of_nodes(run: Recording, tmp_path: Path) -> None:
    chosen = chosen_neurons("3,L4E:10", NAMES, SIZES)
    assert chosen == (3, 3, 10)
    folder = export_recording(Excerpt.of(run.window(100.0, 600.0), chosen), tmp_path / "nest", "nest")
    lines = [line.split() for file in sorted(folder.glob("spike_*")) for line in file.read_text().splitlines()[3:]]
    expected = [
        (g + 1, f"{step * 0.1:.3f}")
        for lo, n in ((0, 3), (60, 3), (64, 10))
        for step, g in zip(run.step.tolist(), run.neuron.tolist(), strict=True)
        if lo <= g < lo + n and 6000 <= step < 11_000
    ]
    assert sorted((int(node), time) for node, time in lines) == sorted(expected)


@pytest.mark.parametrize(
    ("text", "chosen"), [("all", SIZES), ("50", (50, 4, 36)), ("L23I", (0, 4, 0)), ("L4E:2,1", (1, 1, 2)), (" 1 , L4E ", (1, 1, 36))]
)
def test_neurons_are_chosen(text: str, chosen: tuple[int, ...]) -> None:
    assert chosen_neurons(text, NAMES, SIZES) == chosen


@pytest.mark.parametrize("text", ["", "L6E", "L4E:x", "-3", "0", "L4E:0", "1.5"])
def test_wrong_neurons_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--neurons"):
        chosen_neurons(text, NAMES, SIZES)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_failed_export_leaves_the_earlier_one_and_nothing_else(
    run: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    for name in {"nix": ["nixio"], "parquet": ["pyarrow"]}.get(format_, []):
        pytest.importorskip(name)
    path = export_recording(Excerpt.of(run.window(0.0, 50.0), (5, 1, 5)), tmp_path / "out", format_)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    assert path.exists()
    pieces = Excerpt.pieces

    def full(self: Excerpt) -> Iterator[object]:
        yield next(pieces(self))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Excerpt, "pieces", full)
    with pytest.raises(OSError, match="No space left"):
        export_recording(Excerpt.of(run.window(0.0, 60.0), (5, 1, 5)), path, format_)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_what_is_no_export_is_not_replaced(run: Recording, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("all")
    with pytest.raises(UsageError, match=r"there is thesis.tex, which is of no export"):
        export_recording(Excerpt.of(run), tmp_path / "mine", "nest")
    with pytest.raises(UsageError, match=r"is a folder; name a file, such as .*spikes\.pkl"):
        export_recording(Excerpt.of(run), tmp_path / "mine", "pickle")
    (tmp_path / "file").write_text("all")
    with pytest.raises(UsageError, match="its folder cannot be made"):
        export_recording(Excerpt.of(run), tmp_path / "file" / "x.pkl", "pickle")
    with pytest.raises(UsageError, match="there is file, which is of no export"):
        export_recording(Excerpt.of(run), tmp_path / "file", "nest")
    assert (tmp_path / "mine" / "thesis.tex").read_text() == (tmp_path / "file").read_text() == "all"


@pytest.mark.parametrize(("format_", "package"), [("nix", "nixio"), ("parquet", "pyarrow")])
def test_a_missing_package_is_named_with_its_extra(
    run: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str, package: str
) -> None:
    original, find = builtins.__import__, importlib.util.find_spec

    def without(name: str, *rest: object, **more: object) -> object:
        if name.split(".")[0] == package:
            raise ImportError(name)
        return original(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == package else find(name, *rest))
    with pytest.raises(MissingExtraError, match=rf"needs the package '{package}', .* pip install 'spinn-mam\[formats\]'"):
        export_recording(Excerpt.of(run), tmp_path / "out", format_)
    assert not list(tmp_path.iterdir())
