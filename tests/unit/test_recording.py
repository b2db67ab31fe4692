"""A recording is written whole or not at all, and what is damaged is not read."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.recording import ActivityCounts, Potentials, Recording, RecordingWriter, files, parse_selection
from spinn_mam.recording.files import Position


def example(**changes: object) -> Recording:
    fields = {
        "names": ("A", "B"),
        "sizes": (3, 2),
        "dt": 0.1,
        "start_step": 11,
        "stop_step": 111,
        "step": np.array([11, 20, 20, 110]),
        "neuron": np.array([0, 1, 4, 2], np.int32),
        "activity": ActivityCounts(4, 10, 500, 10.0),
        "provenance": {"backend": "none", "seed": 1},
    }
    return Recording(**(fields | changes))  # type: ignore[arg-type]


def same(a: Recording, b: Recording) -> bool:
    columns = np.array_equal(a.step, b.step) and np.array_equal(a.neuron, b.neuron)
    if (a.potentials is None) != (b.potentials is None):
        return False
    if a.potentials is not None and b.potentials is not None:
        columns &= all(np.array_equal(getattr(a.potentials, f), getattr(b.potentials, f)) for f in ("neuron", "step", "v"))
    fields = ("names", "sizes", "dt", "start_step", "stop_step", "activity", "provenance", "recorded", "population_spikes", "complete")
    return columns and all(getattr(a, f) == getattr(b, f) for f in fields)


SAMPLED = Potentials(np.array([1, 3], np.int32), 20, 10, np.arange(20, dtype=np.float32).reshape(10, 2) / 8 - 65)


@pytest.mark.parametrize(
    "recording",
    [
        example(),
        example(step=np.zeros(0, np.int64), neuron=np.zeros(0, np.int32)),
        example(activity=None),
        example(recorded=(3, 0), step=np.array([11]), neuron=np.array([2], np.int32), population_spikes=(3, 7), complete=False),
        example(potentials=SAMPLED),
        example(stop_step=5011),
    ],
    ids=["full", "silent", "uncounted", "subset", "potentials", "several frames"],
)
def test_it_comes_back_as_it_was(tmp_path: Path, recording: Recording) -> None:
    recording.save(tmp_path / "recording")
    assert same(Recording.load(tmp_path / "recording"), recording)
    assert [p.name for p in tmp_path.iterdir()] == ["recording"]


@pytest.mark.parametrize("steps", [[1, 20], [20, 11], [11, 111], [11]])
def test_spikes_that_cannot_be_are_refused(steps: list[int]) -> None:
    with pytest.raises(ValueError, match=r"not sorted|each spike has one of both"):
        example(step=np.array(steps), neuron=np.array([0, 1], np.int32))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_windows_are_what_a_plain_filter_finds(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    n_steps = data.draw(st.integers(1, 3500))
    steps = np.array(sorted(data.draw(st.lists(st.integers(7, n_steps + 6), max_size=60))), np.int64)
    neuron = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(steps), max_size=len(steps))), np.int32)
    path = tmp_path_factory.mktemp("windows") / "recording"
    whole = Recording(("A", "B"), (3, 2), 0.1, 7, n_steps + 7, steps, neuron)
    whole.save(path)
    whole = Recording.load(path)
    lo = data.draw(st.integers(0, n_steps - 1))
    hi = data.draw(st.integers(lo + 1, n_steps))
    part = whole.window(lo * 0.1, hi * 0.1)
    inside = (steps >= lo + 7) & (steps < hi + 7)
    assert np.array_equal(part.step, steps[inside])
    assert np.array_equal(part.neuron, neuron[inside])
    assert part.rates()["B"] == pytest.approx(np.count_nonzero(neuron[inside] > 2) / 2 / ((hi - lo) * 1e-4))
    pieces = list(whole.windows((hi - lo) * 0.1))
    end = 7 + (hi - lo) * len(pieces)
    assert len(pieces) == n_steps // (hi - lo)
    assert np.array_equal(np.concatenate([p.step for p in pieces]), steps[steps < end])


def test_rates_of_a_subset() -> None:
    subset = example(recorded=(2, 0), step=np.array([11, 20, 20]), neuron=np.array([0, 1, 1], np.int32), population_spikes=(6, 4))
    assert subset.rates() == pytest.approx({"A": 200.0, "B": 200.0})  # all neurons were counted
    assert subset.window(0.0, 5.0).rates() == pytest.approx({"A": 300.0})  # those that are recorded
    with pytest.raises(UsageError, match="no window from 5 to 12 ms"):
        subset.window(5.0, 12.0)


def test_potentials_are_cut_with_the_window() -> None:
    recording = example(potentials=SAMPLED)
    part = recording.window(0.9, 3.0).potentials  # steps 20 to 40
    assert part is not None
    assert part.step.tolist() == [20, 30, 40]
    assert part.v.tolist() == SAMPLED.v[:3].tolist()
    late = recording.window(1.0, 2.0).potentials
    assert late is not None
    assert late.step.tolist() == [30]


def test_rates_populations_and_windows() -> None:
    recording = example()
    assert recording.rates() == pytest.approx({"A": 100.0, "B": 50.0})
    assert [c.tolist() for c in recording.population("B")] == [[20], [1]]
    half = recording.window(0.0, 5.0)
    assert (half.start_step, half.stop_step, half.step.tolist(), half.activity) == (11, 61, [11, 20, 20], None)
    with pytest.raises(UsageError, match="no population 'C' in the recording: it has A, B"):
        recording.population("C")


@pytest.mark.parametrize("window", [(0.0, 10.2), (-1.0, 5.0), (5.0, 5.0), (6.0, 5.0)])
def test_no_window_beyond_what_was_recorded(window: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match=r"in a recording of 10 ms"):
        example().window(*window)


def test_a_failed_save_leaves_the_old_recording_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recording"
    example().save(path)

    def full(descriptor: int, data: object, at: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "pwrite", full)
    with pytest.raises(OSError, match="No space left"):
        example(dt=0.2).save(path)
    assert same(Recording.load(path), example())
    assert [p.name for p in tmp_path.iterdir()] == ["recording"]


def rewrite(path: Path, seal: bool = True, **changes: object) -> None:
    header = json.loads((path / files.HEADER).read_text())
    del header["header_crc32"]
    header |= changes
    header["header_crc32"] = files._crc_of(header) if seal else 0
    (path / files.HEADER).write_text(json.dumps(header))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: (p / "recording.json").unlink(), "No such file or directory"),
        (lambda p: (p / "recording.json").write_bytes(b""), "damaged"),
        (lambda p: (p / "recording.json").write_text("[1]"), "expected 'spinn_mam.recording/2', found None"),
        (lambda p: (p / "neurons.i4").unlink(), "16 bytes expected, no file found"),
        (lambda p: (p / "neurons.i4").write_bytes((p / "neurons.i4").read_bytes()[:-1]), "16 bytes expected, 15 found"),
        (lambda p: (p / "counts.u4").write_bytes(b"\1" * 400), "its check sum is another"),
        (lambda p: rewrite(p, format="other/2"), "found 'other/2'"),
        (lambda p: rewrite(p, seal=False), "its check sum is another"),
        (lambda p: rewrite(p, n_spikes="many"), "damaged"),
        (lambda p: rewrite(p, activity={"n_spikes": 3}), "damaged"),
    ],
)
def test_damage_is_named(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "recording"
    example().save(path)
    damage(path)
    with pytest.raises(DocumentError) as caught:
        Recording.load(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_any_changed_bytes_are_refused_or_change_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("bytes") / "recording"
    recording = example(potentials=SAMPLED)
    recording.save(path)
    file = data.draw(st.sampled_from(sorted(path.iterdir())))
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        read = Recording.load(path)
    except DocumentError:
        return
    assert same(read, recording)


def writer(path: Path, at: Position | None = None) -> RecordingWriter:
    sampled = np.array([4], np.int32)
    return RecordingWriter(path, ("A", "B"), (3, 2), 0.1, 11, recorded=(3, 1), sampled=sampled, first_sample=20, interval_steps=10, at=at)


def columns(path: Path) -> dict[str, bytes]:
    return {name: (path / name).read_bytes() for name in files.COLUMNS.values()}


def fill(into: RecordingWriter, *pieces: int) -> None:
    """Add pieces of 10 steps."""
    for k in pieces:
        step = 11 + 10 * k + np.array([0, 3, 3, 9])
        into.append(10, step, np.array([k % 3, 0, 4, 3], np.int32), np.full((1, 1), k - 60.5, np.float32))


def test_what_was_not_committed_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "recording"
    with writer(path) as first:
        fill(first, 0, 1)
        first.commit(None, {}, complete=False)
        at = first.position
        fill(first, 2)  # and then it is killed, in the middle of writing
    with (path / "counts.u4").open("ab") as file:
        file.write(b"abc")
    read = Recording.load(path)
    assert (read.complete, read.stop_step, read.population_spikes) == (False, 31, (4, 4))
    assert (read.step.tolist(), read.neuron.tolist()) == ([11, 14, 20, 21, 24, 30], [0, 0, 3, 1, 0, 3])
    assert read.potentials is not None
    assert read.potentials.v[:, 0].tolist() == [-60.5, -59.5]

    with writer(path, at) as again, writer(tmp_path / "straight") as straight:
        fill(again, 2, 3)
        fill(straight, 0, 1, 2, 3)
        again.commit(None, {}, complete=True)
        straight.commit(None, {}, complete=True)
    assert columns(path) == columns(tmp_path / "straight")
    assert (path / "recording.json").read_text() == (tmp_path / "straight" / "recording.json").read_text()


def test_going_on_from_damaged_columns_is_refused(tmp_path: Path) -> None:
    with writer(tmp_path) as first:
        fill(first, 0, 1)
    with (tmp_path / "neurons.i4").open("r+b") as file:
        file.truncate(10)
    with pytest.raises(DocumentError, match="24 bytes expected, 10 found"):
        writer(tmp_path, first.position)


def test_spikes_outside_the_steps_or_the_network_are_not_written(tmp_path: Path) -> None:
    with writer(tmp_path) as into:
        for step, neuron in ((10, 0), (21, 0), (11, 5), (11, -1)):
            with pytest.raises(ValueError, match="outside steps 11 to 21 or 5 neurons"):
                into.append(10, np.array([step]), np.array([neuron], np.int32))
        assert into.position.n_steps == 0


@pytest.mark.parametrize(
    ("text", "chosen"),
    [("all", (3, 2)), ("none", (0, 0)), ("2", (2, 2)), ("9", (3, 2)), ("B", (0, 2)), ("A:1,B:2", (1, 2)), ("B:2, 1", (1, 2))],
)
def test_selections(text: str, chosen: tuple[int, ...]) -> None:
    assert parse_selection("--record", text, ("A", "B"), (3, 2)) == chosen


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("C:1", "no population 'C'; use all, none, a number, or POPULATION:NUMBER of A, B"),
        ("", "no population ''"),
        ("A:4", "4 neurons of A, it has 3 to record"),
        ("A:x", "'x' is no number of neurons; A has 3"),
        ("A:-1", "'-1' is no number of neurons"),
    ],
)
def test_selections_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_selection("--record", text, ("A", "B"), (3, 2))
    assert message in str(caught.value)
