"""What a board did, as the text that a user reads."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_mam.units import counted
from spinn_mam.virtual_board.events import BoardReport
from spinn_mam.virtual_board.faults import Faults

#: What every report says: the limit of what a run on the board shows.
CLAIM = "functionally executed, timing not modelled"


def report_text(report: BoardReport) -> str:
    """Return the report of one board: what ran, how much, what it would mean for the machine's time, what was lost.

    Examples
    --------
    >>> from spinn_mam.virtual_board.events import BinaryLoad
    >>> binaries = {"IF_curr_exp": BinaryLoad(2, 200, 8194.0, 21000, 3)}
    >>> print(report_text(BoardReport("spin5", 1, 48, 1.5, 12.0, 20000, 1638800, 5, 5, 0, 0, 0, 0, "", binaries)))
    virtual board: functionally executed, timing not modelled
      spin5: 1 board, 48 chips; 12.0 ms on its clock in 1.5 s of wall time
      binary       cores  ticks  instructions a tick: mean    most  ticks above 20,000 cycles
      IF_curr_exp      2    200                      8,194  21,000                          3
      multicast packets: 5 sent, 5 delivered
      warning: 3 of 200 ticks took more instructions than a core has cycles in a tick (20,000 at 200 MHz): on the machine these
      ticks overrun. A larger time step or time-scale factor, or fewer neurons a core, gives them time.
    """
    lines = [f"virtual board: {CLAIM}"]
    machine_time = f"{report.machine_time_ms:,.1f} ms on its clock in {report.wall_time_s:,.1f} s of wall time"
    lines.append(f"  {report.machine}: {counted(report.n_boards, 'board')}, {counted(report.n_chips, 'chip')}; {machine_time}")
    if report.binaries:
        heading = ("binary", "cores", "ticks", "instructions a tick: mean", "most", f"ticks above {report.cycles_per_tick:,} cycles")
        rows = [
            (name, f"{b.cores:,}", f"{b.ticks:,}", f"{b.instructions_mean:,.0f}", f"{b.instructions_max:,}", f"{b.ticks_over_budget:,}")
            if b.ticks
            else (name, f"{b.cores:,}", "", "", "", "")
            for name, b in sorted(report.binaries.items())
        ]
        lines += _columns([heading, *rows])
    lost = [
        (report.packets_unrouted, "without a route"),
        (report.packets_overflowed, "lost at a core's full queue"),
        (report.packets_dropped, "dropped on request"),
        (report.packets_delayed, "late on request"),
    ]
    parts = [f"{report.packets_sent:,} sent", f"{report.packets_delivered:,} delivered", *(f"{n:,} {what}" for n, what in lost if n)]
    lines.append(f"  multicast packets: {', '.join(parts)}")
    if report.injected:
        lines.append(f"  injected: {report.injected}")
    late, ticks = (sum(getattr(b, name) for b in report.binaries.values()) for name in ("ticks_over_budget", "ticks"))
    if late:
        lines += [
            f"  warning: {late:,} of {ticks:,} ticks took more instructions than a core has cycles in a tick "
            f"({report.cycles_per_tick:,} at 200 MHz): on the machine these",
            "  ticks overrun. A larger time step or time-scale factor, or fewer neurons a core, gives them time.",
        ]
    return "\n".join(line.rstrip() for line in lines + [str(crash) for crash in report.crashed])


def injected_text(faults: Faults) -> str:
    """Return what is asked to go wrong; empty for nothing.

    Examples
    --------
    >>> injected_text(Faults(drop=0.01, shuffle=True)), injected_text(Faults())
    ('drop 0.01, shuffle; seed 1', '')
    """
    parts = [f"{name} {value:g}" for name, value in (("drop", faults.drop), ("late", faults.late)) if value] + ["shuffle"] * faults.shuffle
    return f"{', '.join(parts)}; seed {faults.seed}" if parts else ""


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  " + "  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))) for row in rows]
