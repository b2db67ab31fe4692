"""The benchmark of the emulator as text for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from spinn_mam.bench.contender import BASE


def report(results: Mapping[str, Any]) -> Iterator[str | Table]:
    """Yield what ``spinn-mam bench emulator`` prints.

    Parameters
    ----------
    results : mapping
        What :func:`spinn_mam.bench.emulator.measure_emulator` returns.
    """
    network, host, contenders = results["network"], results["host"], results["contenders"]
    yield (
        f"{network['model']}, {network['drive']} drive, N_scaling {network['N_scaling']:g}, K_scaling {network['K_scaling']:g}: "
        f"{network['n_neurons']:,} neurons, {network['n_synapses']:,} synapses"
    )
    caches = ", ".join(f"{name} {size}" for name, size in host.get("caches", {}).items())
    yield (
        f"{host['cpu']} ({host['numba_cpu']}), {host['cores_logical']} cores, {host.get('vector_bits', '?')}-bit vectors, {caches}; "
        f"load average {results['load_average']['before'][0]:.2f} before, {results['load_average']['after'][0]:.2f} after"
    )
    yield _speed(contenders, results["quiet_below"])
    yield _ratios(contenders, results["ratios"])
    for name, reason in results["left_out"].items():
        yield f"{name} is left out: {reason}"
    if "reference" in results:
        within = f"within {100 * results['reference']['tolerance']:.0f} % of the reference"
        off = [f"{name} (off by {100 * c['rate_deviation']:.0f} %)" for name, c in contenders.items() if not c["rates_agree"]]
        yield f"mean rates of all populations {within}: {'not ' + ', '.join(off) if off else 'all'}"
    yield "a kernel for one neuron model and static synapses against general simulators"


def _speed(contenders: Mapping[str, Any], quiet_below: float) -> Table:
    table = _table(
        "median [least-largest]",
        f"n: segments, and quiet ones, in which others used less than {100 * quiet_below:g} % of the processors",
        *("", "n", "real-time factor, quiet", "real-time factor, all", "CPU s/s, all"),
    )
    for name, c in contenders.items():
        values = (_spread(c["rtf"]["quiet"]), _spread(c["rtf"]["all"]), _spread(c["cpu_s_per_s"]["all"]))
        table.add_row(name, f"{c['rtf']['all']['n']}, {c['rtf']['quiet']['n']}", *values)
    return table


def _ratios(contenders: Mapping[str, Any], ratios: Mapping[str, Any]) -> Table:
    table = _table(
        "how many times as long as the emulator: medians of neighbours in time",
        "ns: CPU time for each synaptic event, all included",
        *("", "wall, quiet", "wall, all", "CPU, all", "ns", "build (s)", "peak (GB)", "arrays (MB)"),
    )
    for name, c in contenders.items():
        ratio = ratios.get(name, {})

        def times(value: str, which: str, ratio: Mapping[str, Any] = ratio) -> str:
            found = ratio.get(value, {}).get(which)
            return _number(found["pairs"]["median"]) if found else ""

        own = ("1", "1", "1") if name == BASE else (times("rtf", "quiet"), times("rtf", "all"), times("cpu_s_per_s", "all"))
        peak, arrays = c.get("peak_rss_bytes"), c.get("network_bytes")
        memory = (f"{peak / 1e9:.2f}" if peak else "", f"{arrays / 1e6:.0f}" if arrays else "")
        table.add_row(name, *own, _number(c["cpu_ns_per_event"]["all"]["median"]), f"{c['build_s']:.1f}", *memory)
    return table


def _table(title: str, caption: str, *headings: str) -> Table:
    table = Table(
        title=Text(title),
        caption=Text(caption),
        title_justify="left",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    return table


def _spread(found: Mapping[str, float]) -> Text:
    return Text(f"{_number(found['median'])} [{_number(found['min'])}-{_number(found['max'])}]" if found["n"] else "none")


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
