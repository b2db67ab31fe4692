"""From the results of a run to the content of its report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from spinn_mam.comparison import Comparison, MeanFieldCheck
from spinn_mam.comparison.overall import overall_lines
from spinn_mam.comparison.rows import ALL
from spinn_mam.deployment import Deployment
from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.literature import literature_rows
from spinn_mam.energy.metered_run import check_metered_run
from spinn_mam.energy.model import EnergyEstimate
from spinn_mam.models import NetworkModel
from spinn_mam.multi_area.areas import find_areas
from spinn_mam.multi_area.bold import CUT_MS, LEAST_MS
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning.route_balanced import link_loads
from spinn_mam.provenance import scrub
from spinn_mam.real_time.prediction import RealTime
from spinn_mam.recording import Recording
from spinn_mam.report import statistics_figures
from spinn_mam.report.content import Absent, Cell, Citation, KeyNumber, Mark, Override, Picture, ReportContent, Table, Verdict
from spinn_mam.report.machine_picture import draw_populations, mapping_figure
from spinn_mam.report.model_tables import format_value, value_rows
from spinn_mam.report.real_time_section import real_time_parts
from spinn_mam.report.run_figures import SHOWN_MS, Shown, analysed_ms, figure_names, run_figures, unavailable
from spinn_mam.report.tables import LATE, fault_lines, loss_lines, mapping_rows
from spinn_mam.units import counted

FULL_SCALE = "full scale"


@dataclass(frozen=True, slots=True)
class RunResult:
    """Everything a finished run has.

    Attributes
    ----------
    backend : str
    settings : mapping
        Settings of the run, by name.
    model : NetworkModel
    spec : NetworkSpec
    recording : Recording
    deployment : Deployment or None
    comparison : Comparison, str or None
        A text says why there is no comparison.
    energy : EnergyEstimate or None
    real_time : RealTime, str or None
        A text says why the cores' time is not modelled.
    theory : MeanFieldCheck or None
        Rates beside mean-field theory, where it has a state.
    regime : tuple of str
        What takes a down-scaled network away from the full one: :func:`spinn_mam.models.theory.regime.regime_lines`.
    stage_times_s : mapping
        Wall time of each stage (s).
    """

    backend: str
    settings: Mapping[str, Any]
    model: NetworkModel
    spec: NetworkSpec
    recording: Recording
    deployment: Deployment | None
    comparison: Comparison | str | None
    energy: EnergyEstimate | None
    real_time: RealTime | str | None
    theory: MeanFieldCheck | None
    regime: tuple[str, ...]
    stage_times_s: Mapping[str, float]


def chips_by_population(deployment: Deployment) -> tuple[Any, Any]:
    """Most frequent population of each chip and the next one, -1 for none; each of shape (n_chips,)."""
    n_chips, n_populations = deployment.machine.n_chips, len(deployment.neurons_per_core)
    cores = np.zeros((n_chips, n_populations), int)
    np.add.at(cores, (deployment.placement.chip, deployment.slices.population), 1)
    order = np.argsort(-cores, axis=1, kind="stable")
    rows = np.arange(n_chips)
    first = np.where(cores[rows, order[:, 0]] > 0, order[:, 0], -1)
    if n_populations < 2:
        return first, np.full(n_chips, -1)
    return first, np.where(cores[rows, order[:, 1]] > 0, order[:, 1], -1)


def mapping_picture(deployment: Deployment, spec: NetworkSpec) -> Figure:
    """Draw populations, SDRAM and link load on the machine."""
    first, second = chips_by_population(deployment)
    sdram = np.bincount(deployment.placement.chip, weights=deployment.slices.sdram_bytes, minlength=deployment.machine.n_chips)
    load = link_loads(deployment.trees, deployment.machine.n_chips)
    return mapping_figure(deployment.machine, first, spec.names, sdram, load, second_population_of_chip=second)


def machine_card(deployment: Deployment, spec: NetworkSpec) -> Figure:
    """Draw the populations on the machine, small, for the first screen."""
    first, second = chips_by_population(deployment)
    figure = Figure(figsize=(4.6, 3.2), layout="constrained")
    axes = figure.add_subplot()
    colours = draw_populations(axes, deployment.machine, first, spec.names, second)
    areas = find_areas(spec.names)
    if areas is None or areas.n == 1:
        handles = [Patch(color=colours(i), label=name) for i, name in enumerate(spec.names)]
    else:  # a colour for each area, that of its middle population
        handles = [Patch(color=colours(int(np.median(areas.populations(name)))), label=name) for name in areas.names]
    size, columns = (8, 4) if len(handles) <= 8 else (6, 8)
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), columns), frameon=False, fontsize=size)
    return figure


def report_content(result: RunResult, manifest: Mapping[str, Any]) -> ReportContent:
    """Put a run's results into the parts of a report.

    Parameters
    ----------
    result : RunResult
    manifest : mapping
        What is in ``manifest.json``.
    """
    spec, recording, comparison = result.spec, result.recording, result.comparison
    provenance = recording.provenance
    scale = FULL_SCALE if spec.N_scaling == spec.K_scaling == 1.0 else f"N_scaling {spec.N_scaling:g}, K_scaling {spec.K_scaling:g}"
    numbers = [
        KeyNumber("Neurons", f"{int(spec.sizes.sum()):,}", scale),
        KeyNumber("Synapses", f"{spec.n_synapses:,}", f"{len(spec.projections)} projections"),
        KeyNumber("Biological time", f"{recording.duration_ms / 1000:g} s", "after the warm-up"),
        KeyNumber("Spikes", f"{sum(recording.population_spikes or ()):,}", f"{spec.drive} drive"),
    ]
    if "rtf" in provenance:
        numbers.append(KeyNumber("Real-time factor", f"{provenance['rtf']:.2f}", f"{result.backend}, on this host"))
    if "timing" in provenance:
        numbers.append(KeyNumber("Timing", "not modelled", f"{provenance['timing']} (virtual board)"))
    if "n_synapses_compared" in provenance:
        numbers.append(KeyNumber("Synapses checked", f"{provenance['n_synapses_compared']:,}", "on the machine, equal to those made here"))
    if "peak_rss_bytes" in provenance:
        numbers.append(KeyNumber("Memory", f"{provenance['peak_rss_bytes'] / 2**30:.2f} GiB", "peak of the process"))
    if "network_bytes" in provenance:
        arrays = (provenance["network_bytes"] + provenance["state_bytes"]) / 1e6
        numbers.append(KeyNumber("Network and state", f"{arrays:,.0f} MB", f"arrays; synapses {provenance['synapses']}"))
    if result.deployment is not None:
        metrics = result.deployment.metrics
        numbers.append(
            KeyNumber("Cores", f"{metrics['cores']:,}", f"{counted(metrics['chips'], 'chip')}, {counted(metrics['boards_used'], 'board')}")
        )
        numbers.append(KeyNumber("Mapping", f"{metrics['wall_time_s']:.2f} s", f"busiest link {metrics['busiest_link_spikes_per_s']:,.0f} spikes/s"))
    if result.theory is not None:
        worst = result.theory.worst
        most = f"spikes/s, rms of rates over populations; most {worst.run - worst.theory:+.2f}, {worst.population}"
        numbers.append(KeyNumber("Beside theory", f"{result.theory.rms:.3f}", most))
    why = comparison if isinstance(comparison, str) else "no comparison was made."
    content: dict[str, Any] = {}
    board = (_board_table(provenance["board"]),) if provenance.get("board", {}).get("binaries") else ()
    compared = comparison if isinstance(comparison, Comparison) else None
    of = Shown(recording, 0.0, analysed_ms(recording), SHOWN_MS, str(result.settings["protocol"]), compared, spec)
    pictures = _pictures(of)
    if of.areas is None:
        content["raster"] = Picture(statistics_figures.raster_figure(recording), "Spikes of a sample of neurons by population")
        content["rates"] = Picture(
            _rates_figure(spec, recording, compared), "Mean rate by population against published values and the reference's seeds"
        )
    else:
        content |= {name: pictures.pop(name) for name in ("raster", "rates") if name in pictures}
    theory = () if result.theory is None else (_theory_table(result.theory),)
    content["analysis"] = (*pictures.values(), *figures_missing(of), *theory, *board)
    if isinstance(comparison, Comparison):
        content["verdict"] = Verdict(comparison.verdict, _verdict_sentence(comparison))
        content["accuracy"] = _accuracy_table(comparison)
    else:
        content["verdict"] = content["accuracy"] = Absent(str(scrub(why)))
    if result.deployment is not None:
        content["machine"] = Picture(machine_card(result.deployment, spec), "Chips of the machine by population")
        content["mapping_pictures"] = (Picture(mapping_picture(result.deployment, spec), "Chips by population, SDRAM in use and link load"),)
        content["mapping"] = Table(("quantity", "value"), tuple(mapping_rows(result.deployment)))
    if result.deployment is None and result.backend == "emulator":
        without = Absent("the run has no machine (--board-config none).")
        content |= dict.fromkeys(("machine", "mapping", "real_time", "energy"), without)
    if result.energy is not None:
        content["energy"] = result.energy
        content["energy_checks"] = check_metered_run(load_power_constants("spin5"))
    if isinstance(result.real_time, str):
        content["real_time"] = Absent(f"{result.real_time}.")
    elif result.real_time is not None and result.deployment is not None:
        content["real_time"] = real_time_parts(result.real_time, result.deployment, spec)
    return ReportContent(
        title=result.model.content.title,
        subtitle=f"{spec.model} on the {result.backend}, {scale}, {spec.drive} drive, seed {result.settings['seed']}",
        created=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        numbers=tuple(numbers),
        literature=literature_rows() if spec.model == "pd14" and scale == FULL_SCALE else (),
        drive=spec.drive,
        warnings=_warnings(result),
        overrides=tuple(Override(o.key, o.default, o.value) for o in result.model.document.overrides),
        parameters=_parameters(result),
        stages=Table(("stage", "wall time (s)"), tuple((name, f"{t:.2f}") for name, t in result.stage_times_s.items())),
        provenance=manifest,
        citations=tuple(Citation(s.citation, s.doi) for s in result.model.content.sources.values()),
        command=str(manifest.get("command", "")),
        **content,
    )


#: Figures below the first screen by name, with what they show and a caption.
BELOW = {
    "distributions": ("Distributions of single-neuron rates, CVs of intervals and correlations of pairs", ""),
    "verdict": ("Verdict by population and statistic", "Value over threshold."),
    "activity": ("Population rates in time", ""),
    "potentials": ("Membrane potentials of a sample of neurons in time", ""),
    "spectra": ("Power spectra of population activity", "Power above the dotted line is common to a population's neurons; triangles mark peaks."),
}
#: Those of networks of several areas.
BELOW_OF_AREAS = {
    "activity": ("Rates of areas in time", "Each area over its own mean."),
    "spectra": (
        "Power spectra of areas",
        "Of the summed spikes of an area over its number of neurons: independent Poisson neurons have their mean rate at all frequencies.",
    ),
    "statistics": (
        "Irregularity, synchrony and correlations by area and population",
        "In the first two maps of LvR, as published, neurons with one or two spikes count as 0, which tells of low rates and short runs. "
        "Synchrony falls with the number of neurons: scaled networks cannot be compared with the full one.",
    ),
    "timescales": ("Autocorrelations of areas, and time constants over the hierarchy", "Grey: areas; lag 0 is left out."),
    "order": ("Lags between areas, and times of areas over the hierarchy", "Lags of pairs whose cross-correlation exceeds five standard errors."),
    "connectivity": (
        "Functional connectivity of areas, simulated and measured",
        "Areas in the order of the communities of synaptic input; colours end at the largest value of each map. "
        f"BOLD needs {(CUT_MS + LEAST_MS) / 1000:g} s of activity, and minutes for more than chance.",
    ),
    "communities": (
        "Communities of structure and activity",
        "Numbers name communities within a row; the index is 1 for equal divisions, 0 for chance.",
    ),
    "hierarchies": ("Hierarchies of the areas", "From anatomy, whatever was simulated; areas without a dot are not in that hierarchy."),
    "paths": (
        "Populations in which the strongest paths begin and end",
        "From the network's structure, whatever its activity; numbers are paths, of pairs of areas that a pathway connects.",
    ),
    "interactions": (
        "Populations between which directed interactions are significant",
        "Rate of false discoveries 5 %. Numbers are interactions between areas that a pathway connects; most others are within areas.",
    ),
    "potentials": ("Membrane potentials of a sample of neurons in time", ""),
}
#: Figures of networks of several areas that stand on the first screen.
FIRST = {"raster": ("Spikes of a sample of neurons of three areas", ""), "rates": ("Map of mean rates, areas by populations", "")}


def _shown(of: Shown) -> dict[str, tuple[str, str]]:
    """Return the figures of the page, as far as there can be such."""
    return BELOW if of.areas is None else FIRST | BELOW_OF_AREAS


def _pictures(of: Shown) -> dict[str, Picture]:
    """Draw verdict, distributions, spectra and rates in time, of the first minute of a long run; of several areas the first screen, too."""
    shown = _shown(of)
    missing = unavailable(of)
    figures = run_figures(of, [name for name in shown if name in figure_names(of) and name not in missing])
    return {name: Picture(figure, *shown[name]) for name, figure in figures.items()}


def figures_missing(of: Shown) -> tuple[Table, ...]:
    """Say which figures are not there, and what would bring them; no table if all are."""
    why = {name: text for name, text in unavailable(of).items() if name in _shown(of) and name != "verdict"}  # which has its own place
    return (Table(("figure", "why it is not shown"), tuple(why.items())),) if why else ()


def _verdict_sentence(c: Comparison) -> str:
    deciding = sum(not row.weak for row in c.rows)
    return (
        f"{c.window_ms / 1000:g} s windows against {len(c.seeds)} reference seeds, protocol {c.protocol}: "
        f"{deciding} of {len(c.rows)} statistics decide; "
        f"a correct run fails at most {c.false_alarm:.0%} of the time"
    )


#: Statistics as the narrow columns of the first screen call them.
SHORT_NAMES = {"mean_rate": "mean", "synchrony": "sync.", "rate": "rates", "cv_isi": "CV", "correlation": "corr."}


def _accuracy_table(c: Comparison) -> Table:
    """Make the first screen's table: each value as a share of its threshold, so that above 100 % fails."""
    single = [row for row in c.rows if row.population != ALL]
    statistics = list(dict.fromkeys(row.statistic for row in single))
    by = {(row.population, row.statistic): row for row in single}
    rows = []
    for population in dict.fromkeys(row.population for row in single):
        cells: list[Any] = [population]
        for statistic in statistics:
            row = by[population, statistic]
            mark: Mark = "weak" if row.weak else "pass" if row.passed else "fail"
            share = abs(row.value) / row.threshold
            title = f"{statistic}: {row.value:.3g}, threshold {row.threshold:.3g}, typical of a seed {row.typical:.3g}. {row.note}"
            cells.append(Cell(f"{share:.0%}" if np.isfinite(share) else "-", mark, title=title))
        rows.append(tuple(cells))
    note = "Value over threshold: above 100 % fails. Weak cells have too little data and do not decide."
    note = " ".join([note, *(f"{line[0].upper()}{line[1:]}." for line in overall_lines(c.rows))])
    return Table(("", *(SHORT_NAMES.get(s, s) for s in statistics)), tuple(rows), note=note)


def _theory_table(check: MeanFieldCheck) -> Table:
    """Make the table of rates beside theory, those of the seeds between them where there are any."""
    rows = []
    for row in check.rows:
        seeds = "-" if not np.isfinite(row.tolerance) else f"{row.seeds:.3f} ± {row.tolerance:.3f}"
        mark: Mark = "weak" if row.run_agrees is None else "pass" if row.run_agrees else "fail"
        rows.append((row.population, Cell(f"{row.run:.3f}", mark), seeds, f"{row.theory:.3f}", row.doubt))
    columns = ("population", "run (spikes/s)", "seeds ± tolerance", "theory", "theory in doubt")
    return Table(columns, tuple(rows), "Rates beside mean-field theory", " ".join(f"{line}." for line in check.lines()))


def _board_table(board: Mapping[str, Any]) -> Table:
    """Make the table of what the binaries did on the virtual board."""
    rows = tuple(
        (name, load["cores"], load["ticks"], f"{load['instructions_mean']:,.0f}", f"{load['instructions_max']:,}", load["ticks_over_budget"])
        for name, load in sorted(board["binaries"].items())
    )
    note = (
        f"A core has {board['cycles_per_tick']:,} cycles in a time step. An instruction takes at least one: a step above that is late on the "
        "machine, one below it may be."
    )
    columns = ("binary", "cores", "time steps", "instructions a step", "most", "steps above")
    return Table(columns, rows, "Binaries on the virtual board: functionally executed, timing not modelled", note)


def _parameters(result: RunResult) -> Table:
    rows: list[tuple[Any, ...]] = []
    for row in value_rows(result.model):
        value = Cell(format_value(row["value"]), "flag" if row["changed"] else "")
        rows += [(row["key"], value, row["unit"], row["source"])]
    rows += [(f"run: {key}", format_value(scrub(value)), "", "command line") for key, value in result.settings.items() if value is not None]
    return Table(("parameter", "value", "unit", "source"), tuple(rows))


def _warnings(result: RunResult) -> tuple[str, ...]:
    p = result.recording.provenance
    cut = "passed 16 bits" if p.get("layout") == "split" else "were clipped at 16 bits"
    texts = {
        "n_saturated_slots": f"ring-buffer sums {cut}",
        "n_clipped_synapse_slots": "ring-buffer sums of synapse cores were clipped at 16 bits",
        "n_clipped_poisson_sums": "sums of Poisson cores were clipped at 16 bits",
        "n_wrapped_sums": "sums of neuron cores wrapped: only their lower 16 bits were kept",
        "n_carries": "sums were raised by the carry of a neighbour that wrapped",
        "n_saturated_weights": "weights were clipped at 16 bits",
        "n_zero_weights": "weights were rounded to zero",
        "n_delays_not_compensated": "synapses have a delay too short for the machine's convention",
    }
    clipped = [f"{p[key]:,} {text}." for key, text in texts.items() if p.get(key)]
    losses = p.get("losses", {})
    return (
        *clipped,
        *(f"{text}." for text in (*loss_lines(losses), *loss_lines(losses, LATE))),
        *_board_warnings(p.get("board", {})),
        *fault_lines(p.get("faults", {})),
        *(f"{line}." for line in result.regime),
    )


def _board_warnings(board: Mapping[str, Any]) -> list[str]:
    """Say where cores of the virtual board did more in a step than a core has time for, and what was injected."""
    over = {name: load for name, load in board.get("binaries", {}).items() if load["ticks_over_budget"]}
    found = [
        f"{load['ticks_over_budget']:,} of {load['ticks']:,} time steps of {name} took more instructions than the {board['cycles_per_tick']:,} "
        f"cycles that a core has for one (up to {load['instructions_max']:,}): a machine would overrun; use a larger time-scale factor."
        for name, load in over.items()
    ]
    return found + ([f"Faults were injected into the virtual board: {board['injected']}."] if board.get("injected") else [])


def _rates_figure(spec: NetworkSpec, recording: Recording, comparison: Comparison | None) -> Figure:
    published = {p.name: rate for p, rate in zip(spec.populations, spec.expected_rates, strict=True) if not p.is_source}
    rates = {name: rate for name, rate in recording.rates().items() if name in published}
    return statistics_figures.rates_figure(rates, recording.duration_ms, published, comparison)
