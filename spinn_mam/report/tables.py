"""What the terminal shows of a run and of a mapping."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich import box
from rich.table import Table

from spinn_mam.comparison import Comparison, MeanFieldCheck
from spinn_mam.deployment import Deployment
from spinn_mam.models.mam.areas import POPULATIONS
from spinn_mam.multi_area.areas import Areas, find_areas
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording
from spinn_mam.units import counted

MIB = 1 << 20
_UNITS = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def amount(value: float, unit: str) -> str:
    """Write a number with three digits and a prefix.

    Examples
    --------
    >>> amount(2.847e12, "B"), amount(64.0, "B")
    ('2.85 TB', '64 B')
    """
    for scale, prefix in _UNITS:
        if abs(value) >= scale:
            return f"{value / scale:.3g} {prefix}{unit}"
    return f"{value:.3g} {unit}"


def amounts(low: float, high: float, unit: str) -> str:
    """Write a range with three digits and a prefix, which is said once where it is the same.

    Examples
    --------
    >>> amounts(3530.0, 5320.0, "J"), amounts(732e3, 1.06e6, "J")
    ('3.53 to 5.32 kJ', '732 kJ to 1.06 MJ')
    """
    return between(amount(low, unit), amount(high, unit))


def between(low: str, high: str) -> str:
    """Write a range of two numbers with units, which is said once where it is the same.

    Examples
    --------
    >>> between("2.18 min", "8.71 min"), between("59 s", "3.95 min")
    ('2.18 to 8.71 min', '59 s to 3.95 min')
    """
    number, _, unit = low.partition(" ")
    return f"{number if high.endswith(f' {unit}') else low} to {high}"


def reference_rates(comparison: Comparison) -> dict[str, tuple[float, float]]:
    """Mean and seed-to-seed standard deviation of the reference's rates, by population (spikes/s)."""
    out: dict[str, tuple[float, float]] = {}
    for p, population in enumerate(comparison.candidate):
        rates = np.array([seed[p].mean_rate for seed in comparison.seeds])
        out[population.name] = (float(rates.mean()), float(rates.std(ddof=1)))
    return out


def rates_table(recording: Recording, spec: NetworkSpec, comparison: Comparison | str | None, theory: MeanFieldCheck | None) -> Table:
    """Rates of the run beside the published ones and those of the reference; of several areas, an area a row, beside theory."""
    areas = find_areas(recording.names)
    if areas is not None and areas.n > 1:
        return _area_rates_table(recording, areas, theory)
    table = Table(box=box.SIMPLE_HEAD, title=f"Mean rates over {recording.duration_ms / 1000:g} s (spikes/s)", title_justify="left")
    table.add_column("population")
    reference = reference_rates(comparison) if isinstance(comparison, Comparison) else {}
    for heading in ("run", "published") + (("reference", "difference") if reference else ()):
        table.add_column(heading, justify="right")
    rates = recording.rates()
    for i, population in enumerate(spec.populations):
        if population.is_source:
            continue
        cells = [f"{rates[population.name]:.3f}", f"{spec.expected_rates[i]:.3f}"]
        if population.name in reference:
            mean, sd = reference[population.name]
            cells += [f"{mean:.3f} ± {sd:.3f}", f"{100 * (rates[population.name] / mean - 1):+.1f} %" if mean else "-"]
        table.add_row(population.name, *cells)
    return table


def _area_rates_table(recording: Recording, areas: Areas, theory: MeanFieldCheck | None) -> Table:
    title = f"Mean rates over {recording.duration_ms / 1000:g} s (spikes/s)"
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False, collapse_padding=True)
    table.add_column("area")
    known = recording.rates()
    rates = [known.get(name, np.nan) for name in recording.names]
    columns = [areas.grid(rates), areas.mean(rates, recording.sizes)]
    if theory is not None:
        expected = {row.population: row.theory for row in theory.rows}
        columns.append(areas.mean([expected.get(name, np.nan) for name in recording.names], recording.sizes))
    for heading in (*POPULATIONS, "all", *(["all, theory"] if theory is not None else [])):
        table.add_column(heading, justify="right")
    for area, row in zip(areas.names, np.column_stack(columns), strict=True):
        table.add_row(area, *("" if np.isnan(rate) else f"{rate:.2f}" for rate in row))
    return table


def mapping_rows(deployment: Deployment) -> list[tuple[str, str]]:
    """Name and value of everything a mapping is judged by."""
    m = deployment.metrics
    n, k = deployment.neurons_per_core, deployment.synapse_cores
    split = k[k > 0]
    kinds = [("neuron_cores", "neuron"), ("synapse_cores", "synapse"), ("poisson_source_cores", "Poisson source")]
    kinds += [("delay_extension_cores", "delay extension")]
    rows = [
        ("machine", f"{deployment.machine.name}: {counted(deployment.machine.n_boards, 'board')}, {counted(deployment.machine.n_chips, 'chip')}"),
        ("boards used", f"{m['boards_used']} of {m['boards']}"),
        ("chips used", f"{m['chips']} of {deployment.machine.n_chips}"),
        ("cores used", f"{m['cores']:,}: {', '.join(f'{m[key]:,} {name}' for key, name in kinds if m[key] or key == 'neuron_cores')}"),
        ("neurons a core", _range(n)),
        *([("synapse cores a neuron core", _range(split))] if len(split) else []),
        ("SDRAM", f"{m['sdram_bytes_total'] / 1e9:.2f} GB, fullest chip {m['sdram_bytes_per_chip_max'] / MIB:.1f} MiB"),
        ("DTCM, fullest core", f"{m['dtcm_bytes_per_core_max'] / 1024:.1f} of {deployment.machine.dtcm_bytes / 1024:.0f} KiB"),
        ("link traversals a spike", f"{m['link_traversals_per_spike']:.1f} (bound {m['link_traversals_per_spike_bound']:.1f})"),
        ("busiest link", f"{m['busiest_link_spikes_per_s']:,.0f} spikes/s (bound {m['busiest_link_spikes_per_s_bound']:,.0f})"),
        (
            "routing entries, fullest chip",
            f"{m['routing_entries_max']} of {deployment.machine.router_entries} ({m['routing_entries_uncompressed_max']} raw)",
        ),
        ("time scale", f"{deployment.time_scale_factor:g} times slower than biology"),
        ("mapped in", f"{m['wall_time_s']:.2f} s"),
    ]
    return [(name, value) for name, value in rows]


def _range(values: npt.NDArray[np.int64]) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low} to {high}" if low != high else f"{high}"


def mapping_table(deployment: Deployment) -> Table:
    """Make the table of a mapping."""
    table = Table(box=box.SIMPLE_HEAD, title="Mapping", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value")
    for name, value in mapping_rows(deployment):
        table.add_row(name, value)
    return table


#: What a machine loses, and how it is said.
LOSSES = {
    "n_lost_packets": "packets were lost at cores whose input buffer was full",
    "n_skipped_synapses": "synaptic events were skipped because their spike came after the end of its delay",
    "n_saturated_slots": "ring-buffer sums were clipped at 16 bits",
    "n_skipped_steps": "time steps were skipped",
    "n_late_transfers": "transfers from synapse to neuron cores came too late",
    "n_queue_overloads": "events were lost at full queues of cores",
    "n_dropped_packets": "packets were dropped by routers and not sent again",
    "n_packets_without_route": "packets had no route",
}
#: What came late without a loss: a spike carries its step, and its delay is shortened by as much as it is late.
LATE = {
    "n_late_spikes": "spikes arrived after their time step, and their delays were shortened",
    "n_spikes_cut_off": "spikes waited for the next time step",
    "n_timer_overruns": "time steps took longer than the timer's period",
}


def loss_lines(losses: Mapping[str, int], texts: Mapping[str, str] = LOSSES) -> list[str]:
    """Say what a machine lost, or what was late there, one line a kind; empty if nothing was.

    Parameters
    ----------
    losses : mapping of str to int
    texts : mapping of str to str
        ``LOSSES`` or ``LATE``.

    Examples
    --------
    >>> loss_lines({"n_lost_packets": 1200, "n_dropped_packets": 0})
    ['1,200 packets were lost at cores whose input buffer was full']
    """
    return [f"{losses[key]:,} {text}" for key, text in texts.items() if losses.get(key)]


def fault_lines(faults: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """Say how injected faults moved rates and correlations, one line a population.

    Parameters
    ----------
    faults : mapping
        By population pairs (with faults, without), see :func:`spinn_mam.analysis.compare_activity`.

    Examples
    --------
    >>> fault_lines({"L4E": {"rate": [4.1, 4.4], "correlation": [0.0011, 0.0020]}})
    ['L4E: 4.400 spikes/s without injected faults, 4.100 with; mean correlation 0.0020 without, 0.0011 with']
    """
    lines = []
    for name, entry in faults.items():
        line = f"{name}: {entry['rate'][1]:.3f} spikes/s without injected faults, {entry['rate'][0]:.3f} with"
        if "correlation" in entry:
            line += f"; mean correlation {entry['correlation'][1]:.4f} without, {entry['correlation'][0]:.4f} with"
        lines.append(line)
    return lines


def summary_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Say the run's main figures in a few lines."""
    run = metrics["run"]
    lines = []
    if "timing" in run:
        lines.append(f"{run['timing']}: {run['n_spikes']:,} spikes, {run['wall_time_s']:.1f} s to simulate")
    if "losses" in run:
        lost, late = loss_lines(run["losses"]), loss_lines(run["losses"], LATE)
        lines.append(f"run with losses: {'; '.join(lost)}" if lost else "no packet lost, no sum clipped")
        if late:
            lines.append(f"late: {'; '.join(late)}")
    lines += fault_lines(run.get("faults", {}))
    if "rtf" in run:
        lines.append(
            f"real-time factor {run['rtf']:.2f} ({run['wall_time_s']:.1f} s), {run['peak_rss_bytes'] / 2**30:.2f} GiB, {run['n_spikes']:,} spikes"
        )
    if "energy" in metrics and "total_J" in metrics["energy"]:
        e = metrics["energy"]
        line = f"energy, {e['kind']}, {e['phase']} phase: {amount(e['total_J'], 'J')}"
        if "per_synaptic_event_uJ" in e:
            low, high = e["interval_uJ"]
            line += f", {e['per_synaptic_event_uJ']:.2f} µJ a synaptic event ({low:.2f} to {high:.2f})"
        else:
            line += f"; none for a synaptic event: {e['why_not_per_event']}"
        lines.append(line)
    lines += real_time_lines(metrics)
    if "accuracy" in metrics:
        lines.append(f"accuracy ({metrics['accuracy']['protocol']}): {metrics['accuracy']['verdict']}")
    return lines


def real_time_lines(metrics: Mapping[str, Any]) -> list[str]:
    """Say whether the machine would keep up; empty without a prediction."""
    if "real_time" not in metrics:
        return []
    r = metrics["real_time"]
    low, high = (r["smallest_time_scale_factor"][side] for side in ("low", "high"))
    core = r["worst_cores"][0]
    x, y = core["chip"]
    line = f"real time, {r['kind']} from {r['loads']} spikes: the machine keeps up from a time-scale factor between {low:.2g} and {high:.3g}"
    factor = r["time_scale_factor"]
    verdict = "it does" if factor >= high else "it does not" if factor < low else "it may not"
    where = f"{core['kind']} core {core['core']} of chip ({x}, {y}), {core['population']}[{core['neurons'][0]}:{core['neurons'][1]}]"
    return [f"{line}; at {factor:g} {verdict} (busiest: {where})"]


def bibtex(key: str, citation: str, doi: str) -> str:
    """Make a BibTeX entry of a citation.

    Examples
    --------
    >>> print(bibtex("PD14", "Potjans TC, Diesmann M (2014) The cell-type specific cortical microcircuit. Cereb Cortex", "10.1093/cercor/bhs358"))
    @article{PD14,
      author = {Potjans TC, Diesmann M},
      year = {2014},
      title = {The cell-type specific cortical microcircuit},
      doi = {10.1093/cercor/bhs358}
    }
    """
    match = re.match(r"(?P<author>.+?) \((?P<year>\d{4})\) (?P<title>[^.]+)", citation)
    if match is None:
        return f"@misc{{{key},\n  title = {{{citation}}}" + (f",\n  doi = {{{doi}}}" if doi else "") + "\n}"
    fields = [*match.groupdict().items(), ("doi", doi)]
    return f"@article{{{key},\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields if value) + "\n}"
