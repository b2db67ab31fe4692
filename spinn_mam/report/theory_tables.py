"""What mean-field theory says of a network, as tables and as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from spinn_mam.models.theory import Branch, FixedPoint, Jump, MeanField, Modes, Regime, Response, Search, Stabilisation
from spinn_mam.models.theory.eigenmodes import area_of, by_area
from spinn_mam.models.theory.stabilise import Step, within_areas
from spinn_mam.network.spec import FloatArray, NetworkSpec


def rates_table(spec: NetworkSpec, field: MeanField, state: FixedPoint) -> Table:
    """Tabulate the rate, input and gain of each population beside the rate that the specification expects."""
    mean, variance, _ = field.input(state.rates)
    gain = field.slopes(state.rates).by_mean
    expected = dict(zip(spec.names, spec.expected_rates, strict=True))
    table = Table(
        title=f"Stationary state of {spec.model} at N_scaling {spec.N_scaling:g}, K_scaling {spec.K_scaling:g}",
        title_justify="left",
        title_style="bold",
        caption=f"document's rates: {spec.expected_rates_source}",
        caption_justify="left",
    )
    for column in ("population", "rate (spikes/s)", "document's", "input (mV)", "sigma (mV)", "gain (1/s/mV)"):
        table.add_column(column, justify="left" if column == "population" else "right")
    for i, name in enumerate(field.names):
        cells = (f"{state.rates[i]:.4f}", f"{expected[name]:.3f}", f"{mean[i]:.3f}", f"{np.sqrt(variance[i]):.3f}", f"{gain[i]:.3f}")
        table.add_row(name, *cells)
    return table


def mean_line(field: MeanField, state: FixedPoint) -> str:
    """Say the mean rate of all neurons, and of several areas the lowest and the highest mean."""
    said = f"mean over all neurons: {_mean(field, state.rates):.3f} spikes/s"
    area = np.array([area_of(name) for name in field.names])
    names = list(dict.fromkeys(area.tolist()))
    if len(names) < 2 or not all(name.startswith(f"{a}-") for name, a in zip(field.names, area, strict=True)):
        return said
    means = [float(np.average(state.rates[area == a], weights=field.sizes[area == a])) for a in names]
    low, high = int(np.argmin(means)), int(np.argmax(means))
    return f"{said}; of areas {means[low]:.3f} ({names[low]}) to {means[high]:.3f} ({names[high]})"


def search_table(field: MeanField, search: Search) -> Table:
    """Tabulate the fixed points that many starts led to."""
    missed = ", ".join(str(n) for n in search.not_converged)
    table = Table(
        title=f"Stable fixed points from {search.n_starts} starts by two integrators",
        title_justify="left",
        title_style="bold",
        caption=f"reached none: {missed}; largest difference between the integrators {search.difference:.1e} spikes/s",
        caption_justify="left",
    )
    for column in ("mean rate (spikes/s)", "highest rate", "of", "largest eigenvalue", "starts"):
        table.add_column(column, justify="left" if column == "of" else "right")
    for point in search.points:
        top = int(np.argmax(point.rates))
        cells = (f"{_mean(field, point.rates):.4f}", f"{point.rates[top]:.3f}", field.names[top], f"{point.eigenvalue.real:.4f}")
        table.add_row(*cells, ", ".join(str(n) for n in point.starts))
    return table


def rates_json(field: MeanField, state: FixedPoint, took_s: float, search: Search | None) -> dict[str, Any]:
    """Return the stationary state and what a search found, as plain data."""
    mean, variance, _ = field.input(state.rates)
    slopes = field.slopes(state.rates)
    data: dict[str, Any] = {
        "populations": {
            name: {
                "rate": float(state.rates[i]),
                "mean_input_mV": float(mean[i]),
                "sigma_mV": float(np.sqrt(variance[i])),
                "gain_by_mean": float(slopes.by_mean[i]),
                "gain_by_variance": float(slopes.by_variance[i]),
            }
            for i, name in enumerate(field.names)
        },
        "largest_eigenvalue": _complex(state.eigenvalue),
        "stable": state.stable,
        "wall_time_s": took_s,
    }
    if search is not None:
        data["search"] = _search(field, search)
    return data


def _search(field: MeanField, search: Search) -> dict[str, Any]:
    return {
        "n_starts": search.n_starts,
        "integrators": ["exponential", "runge_kutta"],
        "not_converged": list(search.not_converged),
        "largest_difference": search.difference,
        "fixed_points": [
            {
                "mean_rate": _mean(field, point.rates),
                "rates": dict(zip(field.names, point.rates.tolist(), strict=True)),
                "largest_eigenvalue": _complex(point.eigenvalue),
                "starts": list(point.starts),
            }
            for point in search.points
        ],
    }


def stability_line(state: FixedPoint) -> str:
    """Say whether a state is stable."""
    kind = "stable" if state.stable else "unstable"
    value = f"{state.eigenvalue.real:.4f}" + (f" ± {state.eigenvalue.imag:.4f}i" if state.eigenvalue.imag else "")
    return f"largest eigenvalue of the gain matrix: {value} ({kind} without delays; the bound is 1)"


def modes_json(field: MeanField, modes: Modes) -> dict[str, Any]:
    """Return the eigenmodes as plain data."""
    return {
        "eigenvalues": [_complex(value) for value in modes.eigenvalues],
        "critical_share": dict(zip(field.names, modes.share.tolist(), strict=True)),
        "critical_participation": dict(zip(field.names, modes.participation.tolist(), strict=True)),
        "critical_share_by_area": by_area(field.names, modes.share),
        "critical_participation_by_area": by_area(field.names, modes.participation),
        "largest_eigenvalue_of_areas_alone": modes.alone,
    }


def modes_table(field: MeanField, modes: Modes, n: int = 10) -> Table:
    """Tabulate the populations and areas that carry the critical mode, and the areas that are least stable alone."""
    areas = by_area(field.names, modes.participation)
    first = modes.eigenvalues[0]
    table = _table(
        f"Critical mode, eigenvalue {first.real:.4f}; areas alone",
        ("population", "participation", "area", "participation", "area alone", "eigenvalue"),
    )
    order = np.argsort(-modes.participation)[:n]
    columns = [
        [(field.names[i], f"{modes.participation[i]:.3f}") for i in order],
        [(name or "all", f"{value:.3f}") for name, value in sorted(areas.items(), key=lambda item: -item[1])[:n]],
        [(name or "all", f"{value:.3f}") for name, value in sorted(modes.alone.items(), key=lambda item: -item[1])[:n]],
    ]
    for row in range(max(len(column) for column in columns)):
        table.add_row(*(cell for column in columns for cell in (column[row] if row < len(column) else ("", ""))))
    return table


def spectra_json(field: MeanField, response: Response) -> dict[str, Any]:
    """Return the linear response as plain data."""
    return {
        "unstable_modes": response.unstable_modes,
        "frequency_hz": response.frequency_hz.tolist(),
        "power": {name: power.tolist() for name, power in zip(field.names, response.power.T, strict=True)},
    }


def spectra_table(field: MeanField, response: Response, n: int = 20) -> Table:
    """Tabulate where the power of populations is highest."""
    n_modes = response.unstable_modes
    said = {0: "stable with delays", None: "steps in frequency too wide to count growing modes"}.get(
        n_modes, f"{n_modes} growing modes with delays: spectra are formal"
    )
    table = _table(f"Power spectra by linear response ({said})", ("population", "highest power at (Hz)", "power (spikes/s)", "at 1000 Hz"))
    for i in np.argsort(-response.power.max(axis=0))[:n] if len(field.names) > n else range(len(field.names)):
        top = int(np.argmax(response.power[:, i]))
        table.add_row(field.names[i], f"{response.frequency_hz[top]:g}", f"{response.power[top, i]:.2f}", f"{response.power[-1, i]:.3f}")
    return table


def jump_json(field: MeanField, jump: Jump, branch: Branch, high: Sequence[tuple[float, float]], step: Step, moved: Branch) -> dict[str, Any]:
    """Return the jump between low and high state as plain data."""
    return {
        "kappa": jump.parameter,
        "saddle_is_a_fixed_point": jump.exact,
        "saddle": dict(zip(field.names, jump.saddle.tolist(), strict=True)),
        "saddle_eigenvalues": [_complex(value) for value in jump.eigenvalues[:5]],
        "fold_kappa": [float(branch.parameter[k]) for k in branch.folds],
        "high_state": [{"kappa": kappa, "mean_rate": rate} for kappa, rate in high],
        "shift_of_saddle": dict(zip(field.names, step.shift.tolist(), strict=True)),
        "strength_of_compensation": step.strength,
        "fold_kappa_compensated": [float(moved.parameter[k]) for k in moved.folds],
        "branch": {"kappa": branch.parameter.tolist(), "mean_rate": [_mean(field, rates) for rates in branch.rates]},
    }


def jump_table(field: MeanField, jump: Jump, branch: Branch, high: Sequence[tuple[float, float]], step: Step, moved: Branch) -> Table:
    """Tabulate the jump between low and high state."""
    table = _table("Low and high state over kappa, the external input of layers 5 and 6", ("", "kappa", "mean rate (spikes/s)"))
    table.add_row("low state", "1", f"{_mean(field, branch.rates[0]):.3f}")
    table.add_row("silence jumps to the high state", f"{jump.parameter:.4f}", "")
    table.add_row("unstable fixed point there", f"{jump.parameter:.4f}", f"{_mean(field, jump.saddle):.3f}")
    for k in branch.folds[:1]:
        table.add_row("low state ends in a fold", f"{branch.parameter[k]:.4f}", f"{_mean(field, branch.rates[k]):.3f}")
    for k in moved.folds[:1]:
        table.add_row("after one step of the stabilisation", f"{moved.parameter[k]:.4f}", f"{_mean(field, moved.rates[k]):.3f}")
    for kappa, rate in (*high[:1], *high[-1:]):
        table.add_row("high state", f"{kappa:.4f}", f"{rate:.3f}")
    return table


def stabilise_json(result: Stabilisation, reference: FloatArray | None) -> dict[str, Any]:
    """Return a stabilisation, and how it compares with a reference, as plain data."""
    data: dict[str, Any] = {
        "stable": result.stable,
        "kappa_of_jump": [step.jump.parameter for step in result.steps] + [None if result.jump is None else result.jump.parameter],
        "changes": _changes(result, result.after.in_degrees),
        "largest_losses_between_areas": _losses(result, result.after.in_degrees),
    }
    if reference is not None:
        data["reference"] = _changes(result, reference) | {"largest_losses_between_areas": _losses(result, reference)}
        ours, theirs = (k - result.before.in_degrees for k in (result.after.in_degrees, reference))
        data["correlation_of_changes"] = float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])
        data["correlation_of_in_degrees"] = float(np.corrcoef(result.after.in_degrees.ravel(), reference.ravel())[0, 1])
    return data


def stabilise_tables(result: Stabilisation, reference: FloatArray | None) -> list[Table | str]:
    """Tabulate a stabilisation, beside a reference if there is one."""
    data = stabilise_json(result, reference)
    steps = _table("Stabilisation", ("step", "silence jumps at kappa", "unstable fixed point (spikes/s)", "strength"))
    for k, step in enumerate(result.steps):
        steps.add_row(str(k + 1), f"{step.jump.parameter:.4f}", f"{_mean(result.before, step.jump.saddle):.3f}", f"{step.strength:.3f}")
    steps.add_row("after", "nowhere" if result.jump is None else f"{result.jump.parameter:.4f}", "", "")
    change = _table("In-degrees against those before", ("", "this procedure", *(["reference"] if reference is not None else [])))
    for key, value in data["changes"].items():
        change.add_row(key.replace("_", " "), *(f"{v:.4g}" for v in (value, *([data["reference"][key]] if reference is not None else []))))
    losses = _table(
        "Largest losses between areas (synapses onto a neuron of the target area)",
        ("this procedure", "", *(["reference", ""] if reference is not None else [])),
    )
    columns = [data["largest_losses_between_areas"], *([data["reference"]["largest_losses_between_areas"]] if reference is not None else [])]
    for row in zip(*columns, strict=True):
        losses.add_row(*(cell for loss in row for cell in (f"{loss['source']} to {loss['target']}", f"{loss['change']:.1f}")))
    said: list[Table | str] = [steps, change, losses]
    if reference is not None:
        said.append(f"correlation of the changes {data['correlation_of_changes']:.3f}, of the in-degrees {data['correlation_of_in_degrees']:.4f}")
    return said


def _changes(result: Stabilisation, in_degrees: FloatArray) -> dict[str, float]:
    before, sizes = result.before.in_degrees, result.before.sizes
    inside = within_areas(result.before.names)
    there = [k * sizes[:, None] >= 1.0 - 1e-9 for k in (before, in_degrees)]  # a whole synapse

    def relative(pairs: npt.NDArray[np.bool_]) -> float:
        old, new = (float(sizes @ (k * pairs).sum(axis=1)) for k in (before, in_degrees))
        return new / old - 1.0 if old else 0.0

    return {
        "mean_in_degree": float(in_degrees.mean() / before.mean() - 1.0),
        "synapses": relative(np.ones_like(inside)),
        "synapses_within_areas": relative(inside),
        "synapses_between_areas": relative(~inside),
        "pairs_created": int((~there[0] & there[1]).sum()),
        "pairs_removed": int((there[0] & ~there[1]).sum()),
    }


def _losses(result: Stabilisation, in_degrees: FloatArray, n: int = 12) -> list[dict[str, Any]]:
    names, sizes = result.before.names, result.before.sizes
    areas = list(dict.fromkeys(area_of(name) for name in names))
    belongs = np.array([[area_of(name) == area for name in names] for area in areas], dtype=float)
    change = (belongs * sizes) @ (in_degrees - result.before.in_degrees) @ belongs.T / (belongs @ sizes)[:, None]
    np.fill_diagonal(change, 0.0)
    order = np.argsort(change, axis=None)[:n]
    return [
        {"target": areas[t], "source": areas[s], "change": float(change[t, s])} for t, s in zip(*np.unravel_index(order, change.shape), strict=True)
    ]


def chi_json(field: MeanField, regimes: Sequence[Regime]) -> list[dict[str, Any]]:
    """Return the states over chi as plain data."""
    return [
        {
            "chi": regime.chi,
            "chi_I": regime.chi_I,
            "from_silence": None
            if regime.silent is None
            else {"mean_rate": _mean(field, regime.silent.rates), "largest_eigenvalue": _complex(regime.silent.eigenvalue)},
            "search": _search(field, regime.search),
        }
        for regime in regimes
    ]


def chi_table(field: MeanField, regimes: Sequence[Regime]) -> Table:
    """Tabulate the states over chi."""
    title = f"States over chi at chi_I = {regimes[0].chi_I:g}, {regimes[0].search.n_starts} starts by each of two integrators"
    table = _table(title, ("chi", "from silence (spikes/s)", "largest eigenvalue", "stable states: mean rate (starts)", "starts to none"))
    for regime in regimes:
        silent = ("none", "") if regime.silent is None else (f"{_mean(field, regime.silent.rates):.3f}", f"{regime.silent.eigenvalue.real:.3f}")
        states = ", ".join(f"{_mean(field, p.rates):.3g} ({'+'.join(str(n) for n in p.starts)})" for p in regime.search.points)
        table.add_row(f"{regime.chi:g}", *silent, states, "+".join(str(n) for n in regime.search.not_converged))
    return table


def _table(title: str, columns: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for column in columns:
        table.add_column(column)
    return table


def _complex(value: complex) -> list[float]:
    return [float(value.real), float(value.imag)]


def _mean(field: MeanField, rates: FloatArray) -> float:
    return float(rates @ field.sizes / field.sizes.sum())
