"""What the verbs plot and export do with a finished run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spinn_mam.analysis import analyse
from spinn_mam.comparison import PROTOCOLS, Comparison, ReferenceStatistics, compare
from spinn_mam.errors import UsageError
from spinn_mam.flow.run import find_recording
from spinn_mam.flow.settings import in_range, one_of
from spinn_mam.flow.stages import stage_folder
from spinn_mam.formats.excerpt import Excerpt, chosen_neurons
from spinn_mam.formats.export import FORMATS, default_name, export_recording
from spinn_mam.multi_area.analysis import MultiAreaAnalysis
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.measured import read_measured
from spinn_mam.multi_area.numbers import area_numbers
from spinn_mam.nest_reference.library import find_reference
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording
from spinn_mam.report.run_figures import (
    MOST_SHOWN_MS,
    SHOWN_MS,
    Shown,
    analysed_ms,
    analysis_of,
    figure_names,
    run_figures,
    unavailable,
)
from spinn_mam.spectra import spectra

#: Formats of pictures.
PICTURES = ("png", "svg", "pdf")


def plot_run(
    run: Path,
    out: Path | None,
    *,
    figures: Sequence[str] = (),
    picture: str = "png",
    start_ms: float | None = None,
    stop_ms: float | None = None,
    protocol: str = "senk26",
    reference: Path | None = None,
    measured: str | None = None,
    numbers: bool = False,
) -> dict[str, Any]:
    """Draw figures of a run folder or a recording, and return the numbers behind them.

    Parameters
    ----------
    run : Path
    out : Path, optional
        Folder for the pictures; by default ``figures`` beside the recording's stages.
    figures : sequence of str
        Names; by default all.
    picture : str
        One of PICTURES.
    start_ms, stop_ms : float, optional
        Window, counted from the end of the warm-up (ms); by default the whole recording, but no more than
        :func:`spinn_mam.report.run_figures.analysed_ms` of it.
    protocol : str
        Accuracy protocol, for the distributions.
    reference : Path, optional
        Reference statistics; by default those that ship for the network, if there are any.
    measured : str, optional
        ``AREA=FILE``: spikes that were recorded in an area, see :func:`spinn_mam.multi_area.measured.read_spikes`.
    numbers : bool
        Return statistics, too.

    Returns
    -------
    dict
        ``window_ms``, ``left_out_ms`` (how much more the recording has, if no window was given), ``figures`` (path by name) and, if asked for,
        ``statistics`` (by population), or what :func:`spinn_mam.multi_area.numbers.area_numbers` gives of several areas.

    Raises
    ------
    UsageError
        If a figure, window or format cannot be.
    """
    one_of("--format", picture, PICTURES)
    one_of("--protocol", protocol, tuple(PROTOCOLS))
    recording = find_recording(run)
    theirs = None if measured is None else read_measured(measured, find_areas(recording.names))
    comparison = None
    if start_ms is None and stop_ms is None:
        comparison = _compare(run, recording, protocol, reference)
    elif reference is not None:
        raise UsageError("--reference: references are of windows that begin with the kept phase; give no --start and --stop with it")
    first, last = _window(recording, start_ms, stop_ms, analysed_ms(recording))
    shown_ms = SHOWN_MS if stop_ms is None else MOST_SHOWN_MS
    shown = Shown(recording, first, last, shown_ms, protocol, comparison, _network(run), theirs)
    analysis = None if shown.areas is None else analysis_of(shown)
    drawn = run_figures(shown, figures, analysis)
    folder = out or _beside(run) / "figures"
    _make_folder(folder)
    paths = {}
    for name, figure in drawn.items():
        paths[name] = folder / f"{name}.{picture}"
        figure.savefig(paths[name], dpi=200, metadata={"Date": None} if picture == "svg" else None)
    return {
        "window_ms": [first, last],
        "left_out_ms": recording.duration_ms - (last - first) if stop_ms is None and start_ms is None else 0.0,
        "figures": {name: str(path) for name, path in paths.items()},
    } | (_numbers(shown, analysis) if numbers else {})


def activity_statistics(recording: Recording, protocol: str) -> dict[str, dict[str, Any]]:
    """Return the numbers behind the figures, by population; what cannot be had is absent.

    Parameters
    ----------
    recording : Recording
    protocol : str
        Says which neurons and pairs have a value.

    Returns
    -------
    dict
        ``rate`` (spikes/s), ``cv_isi`` and ``correlation`` with mean and sd over neurons or pairs, ``synchrony``, and ``peaks`` of the power
        spectrum with frequency (Hz), power (spikes/s) and power over that of independent Poisson neurons.
    """
    found: dict[str, dict[str, Any]] = {}
    for population in analyse(recording)[0]:
        entry: dict[str, Any] = {}
        for statistic in ("rate", "cv_isi", "correlation"):
            sample = PROTOCOLS[protocol].sample(statistic, population)
            numbers = {"mean": sample.mean(), "sd": sample.sd()}
            entry[statistic] = {key: value for key, value in numbers.items() if math.isfinite(value)} | {"n": sample.n}
        if math.isfinite(population.synchrony):
            entry["synchrony"] = population.synchrony
        found[population.name] = entry
    for spectrum in spectra(recording):
        peaks = [{"frequency_Hz": p.frequency_hz, "power": p.power, "over_independent": p.over_independent} for p in spectrum.peaks()]
        found[spectrum.name]["peaks"] = peaks
    return found


def _numbers(shown: Shown, analysis: MultiAreaAnalysis | None) -> dict[str, Any]:
    """Return the numbers behind the figures of a run; of several areas those of all figures that there can be."""
    if analysis is None:
        return {"statistics": activity_statistics(shown.window, shown.protocol)}
    there = set(figure_names(shown)) - set(unavailable(shown))
    return area_numbers(analysis, there)


def export_run(
    run: Path, out: Path | None, format_: str, *, neurons: str = "all", start_ms: float | None = None, stop_ms: float | None = None
) -> Path:
    """Write the spikes of a run folder or a recording in a format of others.

    Parameters
    ----------
    run : Path
    out : Path, optional
        File or folder; by default in ``exports`` beside the recording's stages.
    format_ : str
        One of FORMATS.
    neurons : str
        Which ones, as :func:`chosen_neurons` reads it.
    start_ms, stop_ms : float, optional
        Window, counted from the end of the warm-up (ms); by default the whole recording.

    Raises
    ------
    UsageError
        If format, window or neurons cannot be.
    """
    one_of("--format", format_, FORMATS)
    recording = find_recording(run)
    chosen = chosen_neurons(neurons, recording.names, recording.recorded)
    window = recording.window(*_window(recording, start_ms, stop_ms))
    return export_recording(Excerpt.of(window, chosen), out or _beside(run) / "exports" / default_name(format_), format_)


def _window(recording: Recording, start_ms: float | None, stop_ms: float | None, most_ms: float = math.inf) -> tuple[float, float]:
    """Return begin and end of the window that is asked for (ms)."""
    for flag, value in (("--start", start_ms), ("--stop", stop_ms)):
        if value is not None:
            in_range(flag, value, 0.0, recording.duration_ms, f"within the {recording.duration_ms:g} ms of the recording")
    first = start_ms or 0.0
    return first, min(recording.duration_ms, first + most_ms) if stop_ms is None else stop_ms


def _beside(run: Path) -> Path:
    return run if run.is_dir() else run.parent


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--out {folder}: cannot be made ({error.strerror}); name another folder") from None


def _network(run: Path) -> NetworkSpec | None:
    """Read the network of a run folder; None for a recording's own folder."""
    path = stage_folder(run, "network") / "network.json"
    return NetworkSpec.from_dict(json.loads(path.read_text(encoding="utf-8"))["network"]) if path.is_file() else None


def _compare(run: Path, recording: Recording, protocol: str, given: Path | None) -> Comparison | None:
    """Compare with the reference that was given, or with the one that ships for the run's network; None if there is none."""
    path = given
    if path is None:
        network = _network(run)
        path = None if network is None else find_reference(network)
        if path is None:
            return None
    reference = ReferenceStatistics.load(path)
    if given is None and (recording.duration_ms < reference.windows_ms[0] or not recording.is_whole):
        return None
    return compare(recording, reference, protocol)
