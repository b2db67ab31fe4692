"""What mean-field theory says of a network, as tables and as plain data."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.table import Table

from spinn_mam.models.theory import FixedPoint, MeanField, Search
from spinn_mam.network.spec import NetworkSpec


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
        cells = (f"{_mean(field, point):.4f}", f"{point.rates[top]:.3f}", field.names[top], f"{point.eigenvalue.real:.4f}")
        table.add_row(*cells, ", ".join(str(n) for n in point.starts))
    return table


def theory_json(spec: NetworkSpec, field: MeanField, state: FixedPoint, took_s: float, search: Search | None) -> dict[str, Any]:
    """Return everything that ``theory`` prints, as plain data."""
    mean, variance, _ = field.input(state.rates)
    slopes = field.slopes(state.rates)
    data: dict[str, Any] = {
        "format": "spinn_mam.theory/1",
        "model": spec.model,
        "network_digest": spec.digest(),
        "N_scaling": spec.N_scaling,
        "K_scaling": spec.K_scaling,
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
        "largest_eigenvalue": [state.eigenvalue.real, state.eigenvalue.imag],
        "stable": state.stable,
        "wall_time_s": took_s,
    }
    if search is not None:
        data["search"] = {
            "n_starts": search.n_starts,
            "integrators": ["exponential", "runge_kutta"],
            "not_converged": list(search.not_converged),
            "largest_difference": search.difference,
            "fixed_points": [
                {
                    "mean_rate": _mean(field, point),
                    "rates": dict(zip(field.names, point.rates.tolist(), strict=True)),
                    "largest_eigenvalue": [point.eigenvalue.real, point.eigenvalue.imag],
                    "starts": list(point.starts),
                }
                for point in search.points
            ],
        }
    return data


def _mean(field: MeanField, point: FixedPoint) -> float:
    return float(point.rates @ field.sizes / field.sizes.sum())
