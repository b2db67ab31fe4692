"""The parts of the verb ``theory``: each computes, and gives tables, numbers for programs, and figures."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from spinn_mam.errors import UsageError
from spinn_mam.flow.progress import Reporter
from spinn_mam.models.mam.in_degrees import write_in_degrees
from spinn_mam.models.theory import (
    FixedPoint,
    MeanField,
    Regime,
    eigenmodes,
    find_fixed_points,
    find_jump,
    follow,
    linear_response,
    scan_chi,
    stabilise,
    stationary_state,
    with_kappa,
)
from spinn_mam.models.theory.fixed_points import newton
from spinn_mam.models.theory.scan import with_chi
from spinn_mam.models.theory.stabilise import HIGHEST_KAPPA, TARGET_KAPPA, changeable, stabilising_step, with_weights_everywhere
from spinn_mam.network.spec import FloatArray, NetworkSpec
from spinn_mam.provenance import command_line
from spinn_mam.report import theory_figures, theory_tables

FORMAT = "spinn_mam.theory/1"
#: Frequencies of the linear response (Hz).
FREQUENCIES_HZ = np.arange(1.0, 1001.0)
#: Values of chi and chi_I of the scan, and starts for each if the user gives no number.
CHI, CHI_I, CHI_STARTS = np.array([1.0, 1.3, 1.6, 1.9, 2.2, 2.5]), (1.0, 2.0), 10
#: A part that took less (s) has no line of its own.
QUICK_S = 1.0


@dataclass(slots=True)
class Shown:
    """What is asked for, and what was found so far.

    Attributes
    ----------
    spec : NetworkSpec
    network : MeanField
    starts, seed : int
        Of searches for fixed points.
    reference : ndarray or None
        In-degrees to compare a stabilisation with.
    reporter : Reporter
    said : list of Table or str
        For people.
    data : dict
        For programs.
    figures : dict of str to Figure
    in_degrees : ndarray or None
        Stabilised.
    written : list of str
        Names of the files in the folder that was asked for.
    """

    spec: NetworkSpec
    network: MeanField
    starts: int
    seed: int
    reference: FloatArray | None
    reporter: Reporter
    said: list[Table | str] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Figure] = field(default_factory=dict)
    in_degrees: FloatArray | None = None
    written: list[str] = field(default_factory=list)

    def state(self) -> FixedPoint:
        """Return the state that silence leads to."""
        return stationary_state(self.network)


def _rates(of: Shown) -> None:
    began = time.perf_counter()
    state = stationary_state(MeanField.of(of.spec))
    took_s = time.perf_counter() - began
    search = find_fixed_points(of.network, of.starts, of.seed) if of.starts else None
    of.data |= theory_tables.rates_json(of.network, state, took_s, search)
    of.said += [theory_tables.rates_table(of.spec, of.network, state), theory_tables.mean_line(of.network, state)]
    of.said += [theory_tables.stability_line(state), f"took {took_s:.3f} s"]
    if search is None:
        of.said.append("this is the state that silence leads to: --starts 100 looks for others")
    else:
        of.said.append(theory_tables.search_table(of.network, search))


def _modes(of: Shown) -> None:
    modes = eigenmodes(of.network, of.state().rates)
    of.data["modes"] = theory_tables.modes_json(of.network, modes)
    of.said.append(theory_tables.modes_table(of.network, modes))


def _spectra(of: Shown) -> None:
    response = linear_response(of.network, of.state().rates, FREQUENCIES_HZ)
    of.data["spectra"] = theory_tables.spectra_json(of.network, response)
    of.said.append(theory_tables.spectra_table(of.network, response))
    of.figures["spectra"] = theory_figures.spectra_figure(of.network, response)


def _jump(of: Shown) -> None:
    network = with_weights_everywhere(of.network)
    jump = find_jump(functools.partial(with_kappa, network), 1.0, HIGHEST_KAPPA)
    if jump is None:
        of.data["jump"] = None
        of.said.append(f"silence leads to the low state for all kappa up to {HIGHEST_KAPPA:g}")
        return
    low = of.state()
    branch = follow(functools.partial(with_kappa, network), low.rates, 1.0, HIGHEST_KAPPA)
    step = stabilising_step(network, jump, TARGET_KAPPA, changeable(network, new_connections=True))
    changed = dataclasses.replace(network, in_degrees=step.in_degrees)
    moved = follow(functools.partial(with_kappa, changed), stationary_state(changed).rates, 1.0, HIGHEST_KAPPA)
    weights = network.sizes / network.sizes.sum()
    high, rates = [], jump.above.rates[-1]
    rates = stationary_state(with_kappa(network, jump.parameter), rates).rates
    for kappa in np.linspace(jump.parameter, 1.0, 7):
        found, there = newton(with_kappa(network, float(kappa)), rates[None])
        if not there[0]:
            break
        rates = found[0]
        high.append((float(kappa), float(rates @ weights)))
    of.data["jump"] = theory_tables.jump_json(network, jump, branch, high, step, moved)
    of.said.append(theory_tables.jump_table(network, jump, branch, high, step, moved))
    of.figures["jump"] = theory_figures.jump_figure(network, branch, jump, high, moved)


def _stabilise(of: Shown) -> None:
    result = stabilise(of.network, progress=of.reporter.said)
    of.in_degrees = result.after.in_degrees
    of.data["stabilise"] = theory_tables.stabilise_json(result, of.reference)
    of.said += theory_tables.stabilise_tables(result, of.reference)
    of.figures["stabilise"] = theory_figures.stabilisation_figure(result, of.reference)


def _chi(of: Shown) -> None:
    of.data["chi"] = []
    total = len(CHI) * len(CHI_I)
    done = itertools.count(1)

    def progress(_: Regime) -> None:
        of.reporter.progress(f"{total} networks", next(done), total)

    of.reporter.progress(f"{total} networks", 0, total)
    for chi_I in CHI_I:
        regimes = scan_chi(of.network, CHI, chi_I, of.starts or CHI_STARTS, of.seed, progress)
        of.data["chi"] += theory_tables.chi_json(of.network, regimes)
        of.said.append(theory_tables.chi_table(of.network, regimes))
        of.figures[f"chi-{chi_I:g}"] = theory_figures.chi_figure(of.network, regimes)


PARTS: Mapping[str, Callable[[Shown], None]] = {
    "rates": _rates,
    "modes": _modes,
    "spectra": _spectra,
    "jump": _jump,
    "stabilise": _stabilise,
    "chi": _chi,
}
#: What is said of the parts that may take minutes before they begin.
LONG = {
    "jump": "follows the low state over kappa",
    "stabilise": "step by step until silence no longer leads to the high state",
    "chi": "states over the strength of synapses between areas",
}


def show_theory(
    spec: NetworkSpec,
    parts: list[str],
    *,
    starts: int,
    seed: int,
    reference: FloatArray | None,
    reporter: Reporter,
    out: Path | None,
    command: Sequence[str] = (),
) -> Shown:
    """Compute parts of the theory of a network, and write figures, numbers and stabilised in-degrees to a folder if there is one.

    Raises
    ------
    UsageError
        If there is no such part or it is of several areas only, the folder cannot be made, or it holds the theory of another network.
    """
    for name in parts:
        if name not in PARTS:
            raise UsageError(f"--parts {name}: use one or more of {', '.join(PARTS)}, with commas")
    if starts < 0:
        raise UsageError(f"--starts {starts} is out of range: it must be 1 or more, or 0 for the state that silence leads to alone")
    network = MeanField.of(spec)
    if "chi" in parts:
        with_chi(network, 1.0)  # raises if there are no several areas
    head = {"format": FORMAT, "model": spec.model, "network_digest": spec.digest()}
    earlier: dict[str, Any] = {}
    if out is not None:  # before what may take minutes
        earlier = _earlier(out, head)
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--out {out}: cannot be made ({error.strerror}); name another folder") from None
    elif "stabilise" in parts:
        reporter.said("without --out the stabilised in-degrees are only summed up, not kept: --out DIR keeps their table")
    if reference is not None and np.array_equal(reference, network.in_degrees):
        reference = None  # the network itself, which says nothing of it
    shown = Shown(spec, network, starts, seed, reference, reporter)
    shown.data |= head | {"N_scaling": spec.N_scaling, "K_scaling": spec.K_scaling}
    for number, name in enumerate(parts, 1):
        began = time.perf_counter()
        reporter.started(number, len(parts), name, LONG.get(name, ""))
        try:
            PARTS[name](shown)
        finally:
            reporter.stopped(name)
        if (took_s := time.perf_counter() - began) >= QUICK_S:
            reporter.finished(name, took_s)
        if out is not None:
            _write(shown, out, earlier, command)
    return shown


def _earlier(out: Path, head: Mapping[str, str]) -> dict[str, Any]:
    """Return what an earlier command left in the folder, of the same network."""
    path = out / "theory.json"
    if not path.is_file():
        return {}
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        there = {key: str(data[key]) for key in head}
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"--out {out}: its theory.json is none of this program; name another folder") from None
    if there != head:
        raise UsageError(f"--out {out}: holds the theory of another network ({there['model']}, or other settings or scales); name another folder")
    return dict(data)


def _write(shown: Shown, out: Path, earlier: Mapping[str, Any], command: Sequence[str]) -> None:
    """Write what was found so far; numbers of parts that only an earlier command computed stay."""
    for name, figure in shown.figures.items():
        if f"{name}.png" not in shown.written:
            figure.savefig(out / f"{name}.png", dpi=150)
            shown.written.append(f"{name}.png")
    if shown.in_degrees is not None and "in_degrees.npz" not in shown.written:
        write_in_degrees(out / "in_degrees.npz", shown.in_degrees, {"title": "in-degrees after stabilisation", "command": command_line(command)})
        shown.written.append("in_degrees.npz")
    text = json.dumps({**earlier, **shown.data}, indent=1, allow_nan=False) + "\n"
    part = out / "theory.json.part"
    part.write_text(text, encoding="utf-8")
    part.replace(out / "theory.json")
    shown.written = sorted({*shown.written, "theory.json"})
