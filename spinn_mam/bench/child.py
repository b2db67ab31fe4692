"""A contender's process: it builds, then runs a segment whenever it is asked to, and waits asleep in between.

The parent holds a :class:`Child` and sends a duration (ms) for each segment; the child answers with an :class:`Answer`. The child
leads a process group of its own, with whatever it starts (a compiler, a compiled simulation): Ctrl-C comes to the parent alone,
which ends the group. If the parent is killed, the pipe closes and the child ends by itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import time
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

from spinn_mam.bench.contender import Contender, Job, Simulation
from spinn_mam.errors import SpinnMamError
from spinn_mam.network.spec import NetworkSpec

#: Seconds that a process gets to end before it is killed.
GRACE_S = 2.0
#: What a contender prints.
LOG = "log.txt"


class LeftOutError(Exception):
    """A contender cannot take part (any longer); the message says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a segment took.

    Attributes
    ----------
    wall_s, cpu_s : float
        Wall-clock time, and processor time of the contender.
    spikes : list of int
        Of each population.
    memory : dict
        Bytes, as far as they are known.
    """

    wall_s: float
    cpu_s: float
    spikes: list[int]
    memory: dict[str, int]


class Child:
    """A contender in a process of its own; ends with the ``with`` statement.

    Parameters
    ----------
    contender : Contender
    spec : NetworkSpec
    seed, threads : int
    """

    def __init__(self, contender: Contender, spec: NetworkSpec, seed: int, threads: int) -> None:
        self.contender = contender
        self._folder = tempfile.TemporaryDirectory(prefix="spinn-mam-bench-")
        job = Job(spec, seed, contender.threads or threads, Path(self._folder.name), dict(contender.options))
        context = multiprocessing.get_context("spawn")  # nothing of this process is in it
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(contender.module, job, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def build(self) -> float:
        """Wait for the network; return how long it took (s).

        Raises
        ------
        LeftOutError
            If the contender failed.
        """
        return float(self._receive())

    def run(self, duration_ms: float) -> Answer:
        """Have a segment run.

        Raises
        ------
        LeftOutError
            If the contender failed.
        """
        with contextlib.suppress(OSError):  # a process that is gone says so below
            self._pipe.send(duration_ms)
        answer = self._receive()
        assert isinstance(answer, Answer)
        return answer

    def end(self) -> None:
        """End the process and all that it started; remove its files."""
        pid = self._process.pid
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid is not None and os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGTERM)
            else:
                self._process.terminate()
        self._process.join(GRACE_S)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if pid is not None:
                os.killpg(pid, signal.SIGKILL)
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def _receive(self) -> Any:
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join(GRACE_S)
            code = self._process.exitcode
            how = f"killed by signal {-code}" if code is not None and code < 0 else f"ended with exit code {code}"
            hint = " (the system may have run out of memory)" if code == -signal.SIGKILL else ""
            raise LeftOutError(f"its process was {how}{hint}{self._last_lines()}") from None
        if isinstance(answer, str):
            raise LeftOutError(answer)
        return answer

    def _last_lines(self, n: int = 3) -> str:
        with contextlib.suppress(OSError):
            lines = [line for line in (Path(self._folder.name) / LOG).read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
            return "".join(f"\n    {line}" for line in lines[-n:])
        return ""


def _serve(module: str, job: Job, pipe: Connection) -> None:
    """Build, and run what is asked for, until the parent is gone."""
    os.setsid()
    # what the parent does with its signals is not for this process
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    log = os.open(job.folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ["TMPDIR"] = tempfile.tempdir = str(job.folder)
    contender = import_module(f"spinn_mam.bench.{module}")
    try:
        contender.prepare_once(job)
        started = time.perf_counter()
        simulation: Simulation = contender.build(job)
        pipe.send(time.perf_counter() - started)
        while True:
            duration_ms = pipe.recv()
            started, cpu_s = time.perf_counter(), simulation.cpu_s()
            simulation.run(duration_ms)
            wall_s, cpu_s = time.perf_counter() - started, simulation.cpu_s() - cpu_s
            pipe.send(Answer(wall_s, cpu_s, simulation.spikes(), simulation.memory()))
    except (EOFError, ConnectionError):  # the parent is gone
        return
    except MemoryError:
        reason = "it ran out of memory"
    except SpinnMamError as error:
        reason = str(error)
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:500]}"
    with contextlib.suppress(OSError):
        pipe.send(reason)
