"""Spectra against closed forms: independent neurons, renewal processes, a common rhythm."""

import numpy as np
import pytest

from spinn_mam.recording import Recording
from spinn_mam.spectra import SEGMENT_MS, spectra

DT = 0.5


def recording(trains: list[np.ndarray], duration_ms: float, start_step: int = 1000) -> Recording:
    """Make a recording of trains of times (ms)."""
    neuron = np.repeat(np.arange(len(trains)), [len(t) for t in trains])
    step = (np.concatenate(trains) / DT).astype(np.int64) + start_step
    order = np.lexsort((neuron, step))
    return Recording(("E",), (len(trains),), DT, start_step, start_step + round(duration_ms / DT), step[order], neuron[order].astype(np.int32))


def test_independent_poisson_neurons_have_a_flat_spectrum_at_their_rate() -> None:
    rng = np.random.default_rng(1)
    trains = [np.sort(rng.uniform(0, 40_000, rng.poisson(8 * 40))) for _ in range(200)]
    [spectrum] = spectra(recording(trains, 40_000.0))
    assert spectrum.n_segments == 319
    assert spectrum.frequency_hz[0] == pytest.approx(1000 / SEGMENT_MS)
    assert spectrum.frequency_hz[-1] == pytest.approx(500.0)
    # the mean over 125 frequencies has a standard error of 0.5 % of the rate: five of them
    assert spectrum.power.mean() == pytest.approx(spectrum.rate, rel=0.025)
    assert spectrum.rate == pytest.approx(8.0, rel=0.02)
    # single frequencies scatter by what is said, within a fifth
    assert spectrum.power.std() / spectrum.power.mean() == pytest.approx(spectrum.relative_error, rel=0.25)
    assert spectrum.peaks() == ()


def test_independent_gamma_neurons_have_the_spectrum_of_one_renewal_process() -> None:
    """S(f) = r (1 - |φ|²) / |1 - φ|² with φ the characteristic function of the intervals; Cox and Lewis (1966)."""
    rng = np.random.default_rng(2)
    shape, rate = 4, 30.0
    trains = []
    for _ in range(300):
        times = np.cumsum(rng.gamma(shape, 1000 / rate / shape, 1200))
        trains.append(times[(times > 5000) & (times < 25_000)] - 5000)  # at equilibrium
    [spectrum] = spectra(recording(trains, 20_000.0))
    phi = (1 + 2j * np.pi * spectrum.frequency_hz / (shape * rate)) ** -shape
    expected = rate * (1 - abs(phi) ** 2) / abs(1 - phi) ** 2
    assert expected[0] < 0.3 * rate  # far from a Poisson process at low frequencies
    ratio = spectrum.power / expected
    assert ratio.mean() == pytest.approx(1, abs=0.02)
    assert abs(ratio - 1).max() < 6 * spectrum.relative_error + 0.1  # the window smooths the steep beginning


def test_a_common_rhythm_is_a_peak_at_its_frequency() -> None:
    rng = np.random.default_rng(3)
    t = np.arange(0, 10_000, DT)
    probability = 10 * DT / 1000 * (1 + 0.5 * np.sin(2 * np.pi * 0.08 * t))
    trains = [t[rng.random(len(t)) < probability] for _ in range(300)]
    [spectrum] = spectra(recording(trains, 10_000.0))
    [peak] = spectrum.peaks()
    assert peak.frequency_hz == pytest.approx(80.0, abs=4.0)
    # a sine of amplitude a r has a² r² / 4 on each side, through a Hann window of T: 2/3 T of it, times N
    assert peak.power == pytest.approx(300 * (0.5 * 10) ** 2 / 4 * (2 / 3) * SEGMENT_MS / 1000 + 10, rel=0.15)
    assert peak.over_independent == pytest.approx(peak.power / spectrum.rate)


def test_equal_to_elephants_welch() -> None:
    import warnings

    rng = np.random.default_rng(4)
    run = recording([np.sort(rng.uniform(0, 5000, 40)) for _ in range(50)], 5000.0)
    [spectrum] = spectra(run)
    counts = np.bincount(run.step - run.start_step, minlength=10_000).astype(float)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*quantities", category=DeprecationWarning)
        import quantities as pq
        from elephant.spectral import welch_psd

        frequency, power = welch_psd(counts, fs=1000 / DT * pq.Hz, frequency_resolution=1000 / SEGMENT_MS * pq.Hz, overlap=0.5)
    shown = (np.asarray(frequency) > 0) & (np.asarray(frequency) <= 500)
    # one-sided, of counts in a bin: half of it over the bin squared is the two-sided density of the train
    theirs = np.asarray(power).ravel()[shown] / 2 / (DT / 1000) ** 2 / 50
    assert spectrum.power == pytest.approx(theirs, rel=1e-9)


def test_short_and_silent_recordings() -> None:
    assert list(spectra(recording([np.array([1.0])], SEGMENT_MS - DT))) == []
    [silent] = spectra(recording([np.zeros(0)], 1000.0))
    assert silent.rate == 0
    assert not silent.power.any()
    assert silent.peaks() == ()
