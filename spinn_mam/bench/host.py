"""What a benchmark ran on, and who else used the processor meanwhile."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import psutil

from spinn_mam import provenance

#: Widest vector registers (bits) by the features of the processor that the compiler of Numba finds.
VECTOR_BITS = (("avx512f", 512), ("avx2", 256), ("avx", 256), ("sse2", 128), ("neon", 128))
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
#: Parts of the processor time in which it does nothing, or that are counted in another part.
_NOT_BUSY = ("idle", "iowait", "guest", "guest_nice")


def describe_host() -> dict[str, Any]:
    """Return processor, cores, caches of a core, memory, and the vector width that Numba compiles for."""
    import llvmlite.binding as llvm

    features = llvm.get_host_cpu_features()
    found = provenance.host() | {"numba_cpu": llvm.get_host_cpu_name()}
    width = next((bits for name, bits in VECTOR_BITS if features.get(name)), None)
    caches = _caches()
    return found | ({"vector_bits": width} if width else {}) | ({"caches": caches} if caches else {})


def peak_rss_bytes(pid: int | str = "self") -> int | None:
    """Return the most memory that a process ever held, or None where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), None)


class ForeignLoad:
    """Share of the processors that everything else on the computer used, from construction on.

    Time that a hypervisor gave to others counts as used by them. The system counts in steps of 10 ms, so the share of
    a much shorter time says little.
    """

    def __init__(self) -> None:
        self._busy, self._started = _busy_s(), time.perf_counter()

    def share(self, own_cpu_s: float) -> float:
        """Return the share, 0 to 1, of all processors, given the processor time (s) of the benchmark itself."""
        elapsed = (time.perf_counter() - self._started) * (psutil.cpu_count() or 1)
        return min(1.0, max(0.0, _busy_s() - self._busy - own_cpu_s) / elapsed)


def _busy_s() -> float:
    return float(sum(value for name, value in psutil.cpu_times()._asdict().items() if name not in _NOT_BUSY))


def _caches() -> dict[str, str]:
    """Sizes of the first core's caches, such as ``{"L1 data": "32K", "L2": "512K"}``; empty where the system does not say."""
    found = {}
    for index in sorted(_CACHES.glob("index*")):
        try:
            level, kind, size = ((index / name).read_text(encoding="ascii").strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        found[f"L{level}" + ("" if kind == "Unified" else f" {kind.lower()}")] = size
    return found
