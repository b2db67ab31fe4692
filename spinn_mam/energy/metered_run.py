"""Check of the energy model against the one metered SpiNNaker run that is public.

Problem: a modelled energy is worth what its model has been checked against.
Method: each phase of the run of 3 July 2017 is modelled with the same constants and compared with the mains meter. It resolves 0.01 kWh, so a
difference of two readings is known to within 0.01 kWh. A phase that a constant comes from is marked as calibration, the others are held out.
Only loading and the total discriminate: run and extraction are short against the meter's resolution.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from typing import Any

from spinn_mam.energy.constants import PowerConstants
from spinn_mam.errors import UsageError

J_PER_KWH = 3.6e6


@dataclass(frozen=True, slots=True)
class PhaseCheck:
    """A metered phase and what the model makes of it.

    Attributes
    ----------
    phase : str
    wall_s : float
        Length (s).
    metered_kWh, resolution_kWh : float
        Difference of the readings, and how far it can be off (either way).
    modelled_kWh : float
        With the constants' values.
    modelled_low_kWh, modelled_high_kWh : float
        With all constants at their lower, or upper, ends.
    calibration : bool
        Whether a constant comes from this phase.
    """

    phase: str
    wall_s: float
    metered_kWh: float
    resolution_kWh: float
    modelled_kWh: float
    modelled_low_kWh: float
    modelled_high_kWh: float
    calibration: bool

    @property
    def metered_W(self) -> float:
        """Mean power by the meter (W)."""
        return self.metered_kWh * J_PER_KWH / self.wall_s

    @property
    def resolution_W(self) -> float:
        """How far the mean power can be off by the meter's resolution (W)."""
        return self.resolution_kWh * J_PER_KWH / self.wall_s

    @property
    def modelled_W(self) -> float:
        """Mean power by the model (W)."""
        return self.modelled_kWh * J_PER_KWH / self.wall_s

    @property
    def deviation(self) -> float:
        """Model over meter, less one."""
        return self.modelled_kWh / self.metered_kWh - 1.0

    @property
    def agrees(self) -> bool:
        """Whether the meter's interval and the model's overlap."""
        below, above = self.metered_kWh - self.resolution_kWh, self.metered_kWh + self.resolution_kWh
        return self.modelled_low_kWh <= above and self.modelled_high_kWh >= below


def check_metered_run(constants: PowerConstants) -> tuple[PhaseCheck, ...]:
    """Model each phase of the metered run and the whole.

    Parameters
    ----------
    constants : PowerConstants
        A table with a frame.

    Returns
    -------
    tuple of PhaseCheck
        Data generation, loading, run, extraction, total.

    Raises
    ------
    UsageError
        If the table has no frame: the run was on a frame of 48-chip boards.

    Examples
    --------
    >>> from spinn_mam.energy.constants import load_power_constants
    >>> [f"{c.phase} {c.deviation:+.1%}" for c in check_metered_run(load_power_constants()) if c.phase in ("loading", "total")]
    ['loading -1.6%', 'total -1.9%']
    """
    if constants.frame is None:
        raise UsageError(f"the metered run was on a frame of 48-chip boards; the constants of {constants.board} have no frame")
    run: dict[str, Any] = tomllib.loads(files("spinn_mam.energy").joinpath("meter_2017.toml").read_text(encoding="utf-8"))
    readings: dict[str, tuple[datetime, float]] = {r["mark"]: (r["time"], float(r["kWh"])) for r in run["readings"]}
    resolution = float(run["resolution_kWh"])
    checks: list[PhaseCheck] = []
    whole = _wall_s(readings, "start", "end")
    modelled = [whole * c / J_PER_KWH for c in (constants.frame.value, constants.frame.lower, constants.frame.upper)]
    for phase in run["phases"]:
        wall = _wall_s(readings, phase["from"], phase["to"])
        watts = _phase_power_W(constants, phase["boards"], phase["cores"])
        kwh = [w * wall / J_PER_KWH for w in watts]
        over_frame = [w * wall / J_PER_KWH for w in _boards_power_W(constants, phase["boards"], phase["cores"])]
        modelled = [m + o for m, o in zip(modelled, over_frame, strict=True)]
        metered = readings[phase["to"]][1] - readings[phase["from"]][1]
        checks.append(PhaseCheck(phase["name"], wall, metered, resolution, kwh[0], kwh[1], kwh[2], bool(phase["calibrates"])))
    total = readings["end"][1] - readings["start"][1]
    checks.append(PhaseCheck("total", whole, total, resolution, modelled[0], modelled[1], modelled[2], False))
    return tuple(checks)


def _wall_s(readings: dict[str, tuple[datetime, float]], start: str, stop: str) -> float:
    return (readings[stop][0] - readings[start][0]).total_seconds()


def _boards_power_W(k: PowerConstants, n_boards: int, n_cores: int) -> tuple[float, float, float]:
    """Power of boards and cores (W): value, lower, upper."""
    return (
        n_boards * k.board_idle.value + n_cores * k.awake_fraction.value * k.awake_core.value,
        n_boards * k.board_idle.lower + n_cores * k.awake_fraction.lower * k.awake_core.lower,
        n_boards * k.board_idle.upper + n_cores * k.awake_fraction.upper * k.awake_core.upper,
    )


def _phase_power_W(k: PowerConstants, n_boards: int, n_cores: int) -> tuple[float, float, float]:
    assert k.frame is not None  # held by the caller
    value, lower, upper = _boards_power_W(k, n_boards, n_cores)
    return value + k.frame.value, lower + k.frame.lower, upper + k.frame.upper
