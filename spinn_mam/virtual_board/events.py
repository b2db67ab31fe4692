"""What a running board tells, and its report: plain records that cross from the board's process to its user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ready:
    """The board listens.

    Attributes
    ----------
    addresses : tuple of str
        One a board; the first is that of chip (0, 0).
    """

    addresses: tuple[str, ...]

    def __str__(self) -> str:
        n = len(self.addresses)
        return f"{n} virtual board{'s' if n > 1 else ''} at {self.addresses[0]}{f' to {self.addresses[-1]}' if n > 1 else ''}"


@dataclass(frozen=True, slots=True)
class Booted:
    """The host has booted the board."""

    def __str__(self) -> str:
        return "booted"


@dataclass(frozen=True, slots=True)
class Loaded:
    """Binaries were started since the last event.

    Attributes
    ----------
    binaries : mapping of str to int
        Cores of each.
    """

    binaries: Mapping[str, int]

    def __str__(self) -> str:
        return "started " + ", ".join(f"{name} on {n} core{'s' if n > 1 else ''}" for name, n in sorted(self.binaries.items()))


@dataclass(frozen=True, slots=True)
class Running:
    """Cores run.

    Attributes
    ----------
    machine_time_ms : float
        Time on the board's clock since the first core ran; biological time times the time-scale factor, plus loading.
    wall_time_s : float
        Time since the board was started.
    n_cores : int
        Cores that run the simulation.
    """

    machine_time_ms: float
    wall_time_s: float
    n_cores: int

    def __str__(self) -> str:
        return f"{self.n_cores} cores run: {self.machine_time_ms:,.1f} ms on the board's clock, {self.wall_time_s:,.1f} s of wall time"


@dataclass(frozen=True, slots=True)
class Crashed:
    """A core stopped with a run-time error.

    Attributes
    ----------
    x, y, p : int
        Chip and virtual core.
    binary : str
        What it ran.
    reason : str
        SARK's name of the error.
    registers : mapping of str to int
        Processor registers at the error.
    iobuf : str
        End of what the core has printed.
    """

    x: int
    y: int
    p: int
    binary: str
    reason: str
    registers: Mapping[str, int]
    iobuf: str

    def __str__(self) -> str:
        values = [f"{name:>4} {value:08x}" for name, value in self.registers.items()]
        lines = [f"chip ({self.x}, {self.y}), core {self.p}: {self.binary} stopped: {self.reason}"]
        lines += ["  " + "  ".join(values[i : i + 4]) for i in range(0, len(values), 4)]
        if self.iobuf:
            lines += ["  last lines of its IOBUF:"] + [f"    {line}" for line in self.iobuf.splitlines()[-10:]]
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Refused:
    """A binary was not started, because the board was not tested with it.

    Attributes
    ----------
    message : str
    """

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Noted:
    """The board met something that a user should know of, such as a boot image that is none.

    Attributes
    ----------
    message : str
    """

    message: str

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class Failed:
    """The board could not start or has stopped by an error.

    Attributes
    ----------
    message : str
    exit_code : int
        Exit code that goes with the error.
    """

    message: str
    exit_code: int

    def __str__(self) -> str:
        return self.message


Event = Ready | Booted | Loaded | Running | Crashed | Refused | Noted | Failed


@dataclass(frozen=True, slots=True)
class BinaryLoad:
    """What the cores of one binary did.

    Attributes
    ----------
    cores : int
        Cores that it was started on, all starts together.
    ticks : int
        Timer ticks of all these cores together.
    instructions_mean, instructions_max : float, int
        Instructions from one tick's interrupt to idle.
    ticks_over_budget : int
        Ticks with more instructions than the core has cycles in a tick.
    """

    cores: int = 0
    ticks: int = 0
    instructions_mean: float = 0.0
    instructions_max: int = 0
    ticks_over_budget: int = 0


@dataclass(frozen=True, slots=True)
class BoardReport:
    """What a board did since it was started.

    Attributes
    ----------
    machine : str
        Name of the machine.
    n_boards, n_chips : int
    wall_time_s : float
        Since it was started.
    machine_time_ms : float
        Virtual time since the boot.
    cycles_per_tick : int
        Processor cycles in the shortest tick that a core was set to; 0 if no core ran.
    binaries : mapping of str to BinaryLoad
    instructions : int
    packets_sent, packets_delivered, packets_unrouted, packets_overflowed : int
        Multicast packets: sent by cores, handed to cores, without a route, lost at a full queue of a core.
    packets_dropped, packets_delayed : int
        Multicast packets lost and delayed on request.
    injected : str
        What was asked to go wrong; empty for nothing.
    crashed : tuple of Crashed
    ticking_s : float
        Wall time in which the virtual time passed: cores ran, packets were delivered.
    """

    machine: str
    n_boards: int
    n_chips: int
    wall_time_s: float
    machine_time_ms: float
    cycles_per_tick: int
    instructions: int
    packets_sent: int
    packets_delivered: int
    packets_unrouted: int
    packets_overflowed: int
    packets_dropped: int
    packets_delayed: int
    injected: str = ""
    binaries: Mapping[str, BinaryLoad] = field(default_factory=dict)
    crashed: tuple[Crashed, ...] = ()
    ticking_s: float = 0.0
