"""A recording is written whole or not at all, and what is damaged is not read."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.recording import ActivityCounts, Recording


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
    return columns and all(getattr(a, f) == getattr(b, f) for f in ("names", "sizes", "dt", "start_step", "stop_step", "activity", "provenance"))


@pytest.mark.parametrize(
    "recording",
    [example(), example(step=np.zeros(0, np.int64), neuron=np.zeros(0, np.int32)), example(activity=None)],
    ids=["full", "silent", "uncounted"],
)
def test_it_comes_back_as_it_was(tmp_path: Path, recording: Recording) -> None:
    recording.save(tmp_path / "recording.npz")
    assert same(Recording.load(tmp_path / "recording.npz"), recording)
    assert [p.name for p in tmp_path.iterdir()] == ["recording.npz"]


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


def test_neo_has_a_train_for_each_neuron() -> None:
    trains = example().to_neo().segments[0].spiketrains
    assert [len(t) for t in trains] == [1, 1, 1, 0, 1]
    assert trains[4].annotations["population"] == "B"
    assert float(trains[4][0]) == pytest.approx(2.0)


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "recording.npz"
    example().save(path)
    before = path.read_bytes()

    def full(file: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space left"):
        example(dt=0.2).save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["recording.npz"]


def rewrite(path: Path, meta: object = None, **changes: object) -> None:
    with np.load(path) as data:
        arrays = {name: data[name] for name in data.files}
    if meta is not None:
        arrays["meta"] = np.array(json.dumps(meta))
    np.savez_compressed(path, **(arrays | changes))  # type: ignore[arg-type]


def meta_of(path: Path) -> dict[str, object]:
    with np.load(path) as data:
        return dict(json.loads(str(data["meta"])))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda p: p.unlink(), "No such file or directory"),
        (lambda p: p.write_bytes(b""), "damaged"),
        (lambda p: p.write_text("hello"), "damaged"),
        (lambda p: p.write_bytes(p.read_bytes()[:-30]), "damaged"),
        (lambda p: rewrite(p, meta=[1]), "expected 'spinn_mam.recording/1', found None"),
        (lambda p: rewrite(p, meta=meta_of(p) | {"format": "other/2"}), "found 'other/2'"),
        (lambda p: rewrite(p, meta={"format": "spinn_mam.recording/1"}), "damaged"),
        (lambda p: rewrite(p, meta=meta_of(p) | {"activity": {"n_spikes": 3}}), "damaged"),
        (lambda p: rewrite(p, meta=meta_of(p) | {"sizes": [5]}), "populations, time step or window cannot be"),
        (lambda p: rewrite(p, meta=meta_of(p) | {"dt": 0}), "populations, time step or window cannot be"),
        (lambda p: rewrite(p, step=np.array([11, 12])), "each spike has one of both"),
        (lambda p: rewrite(p, step=np.array([1, 20, 20, 110])), "spikes outside the window of steps 11 to 111"),
        (lambda p: rewrite(p, step=np.array([20, 11, 20, 110])), "not sorted"),
        (lambda p: rewrite(p, neuron=np.array([0, 1, 5, 2])), "spikes of neurons beyond the 5 of the network"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, damage, message: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "recording.npz"
    example().save(path)
    damage(path)
    with pytest.raises(DocumentError) as caught:
        Recording.load(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_any_changed_bytes_are_refused_or_change_nothing(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("bytes") / "recording.npz"
    recording = example()
    recording.save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        read = Recording.load(path)
    except DocumentError:
        return
    assert same(read, recording)
