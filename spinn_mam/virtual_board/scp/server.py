"""The board as a server: one thread that answers datagrams and lets the cores run between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.structs import CpuState

if TYPE_CHECKING:
    from spinn_mam.virtual_board.engine import Engine


@dataclass(frozen=True, slots=True)
class CoreStatus:
    """What the vcpu block of a core says.

    Attributes
    ----------
    x, y, p : int
    state : CpuState
    app_id : int
    app_name : str
        Name of the binary, as SARK wrote it.
    rt_code : int
        Reason of a run-time exception, see :class:`~spinn_mam.virtual_board.structs.RunTimeError`; 0 if there was none.
    registers : tuple of int
        r0-r7, psr, sp, lr at the exception.
    """

    x: int
    y: int
    p: int
    state: CpuState
    app_id: int
    app_name: str
    rt_code: int
    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BoardProgress:
    """How far the machine is.

    Attributes
    ----------
    clock_us : float
        Virtual time since the boot.
    cores : dict of CpuState to int
        Application cores in each state, without the idle ones.
    """

    clock_us: float
    cores: dict[CpuState, int]


@dataclass(slots=True)
class BoardEvents:
    """Lists of functions that the server's thread calls; they must return soon, and what they raise is logged and dropped.

    Attributes
    ----------
    booted : list of callable ()
        The machine has booted.
    cores_started : list of callable (x, y, cores, app_id)
        A binary was started on ``cores``, a list of virtual core numbers.
    core_failed : list of callable (CoreStatus)
        A core has entered a run-time exception; once for each.
    progress : list of callable (BoardProgress)
        Four times a second while cores run.
    """

    booted: list[Callable[[], None]] = field(default_factory=list)
    cores_started: list[Callable[[int, int, list[int], int], None]] = field(default_factory=list)
    core_failed: list[Callable[[CoreStatus], None]] = field(default_factory=list)
    progress: list[Callable[[BoardProgress], None]] = field(default_factory=list)


class BoardServer:
    """Serves a virtual machine to the SpiNNaker tools over UDP.

    Every board listens on its own address on the ports of SCP (17893) and booting (54321). All work is done by one thread: it answers the
    datagrams that wait, then lets the cores run for some milliseconds, and so on; it sleeps while no core has anything to do.

    Parameters
    ----------
    hardware : Hardware
        The chips; their Ethernet chips have the addresses to listen on.
    engine : Engine
        Runs the cores of ``hardware``.
    host : str, optional
        Address of the first board; default that of ``hardware``. A non-loopback address gets a warning, since anyone who reaches the port may
        read and write the board's memory and run binaries on it.
    progress : callable (BoardProgress), optional
        Same as appending it to ``events.progress``.

    Attributes
    ----------
    addresses : list of str
        One a board, the first is that of chip (0, 0).
    events : BoardEvents

    Examples
    --------
    ::

        with BoardServer(hardware, engine) as server:
            print("machine_name =", server.addresses[0])
    """

    def __init__(
        self, hardware: Hardware, engine: Engine, *, host: str | None = None, progress: Callable[[BoardProgress], None] | None = None
    ) -> None:
        raise NotImplementedError
