"""Measure what the work of each kind costs the cores of the shipped binaries, and write ``spinn_mam/machine/core_costs.toml``.

Each point is a core on the virtual board with a known work in each step; the costs are the least-squares solution over all points of a binary.
Nothing is random in a count of instructions, so the equations hold almost exactly: what is left is written into the file.

As a command: ``python tests/conformance/measure_core_costs.py``, about a minute; ``--check`` measures and only compares.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
from measured_cores import COMBINED, COUNTS, NEURONS, POISSON, SYNAPSES, CoreMeter, Point

from spinn_mam.machine import core_costs

POINTS: dict[str, Sequence[Point]] = {
    COMBINED: (
        Point(COMBINED),
        Point(COMBINED, 64),
        Point(COMBINED, 80),
        Point(COMBINED, 16, 128),
        Point(COMBINED, 48, 64),
        Point(COMBINED, packets=2),
        Point(COMBINED, packets=4),
        Point(COMBINED, packets=16, row=8),
        Point(COMBINED, packets=4, row=64),
        Point(COMBINED, 80, packets=40, row=20),
        Point(COMBINED, packets=16, entries=2),
        Point(COMBINED, packets=16, entries=8),
        Point(COMBINED, current=5000.0, steps=60),
        Point(COMBINED, current=5000.0, t_ref=0.5, steps=60),
        Point(COMBINED, 32, current=2000.0, steps=60),
        Point(COMBINED, rate=16_000.0),
        Point(COMBINED, 48, rate=8_000.0),
    ),
    SYNAPSES: (
        Point(SYNAPSES),
        Point(SYNAPSES, 64),
        Point(SYNAPSES, 16, 128),
        Point(SYNAPSES, packets=2),
        Point(SYNAPSES, packets=4),
        Point(SYNAPSES, packets=16, row=8),
        Point(SYNAPSES, packets=4, row=64),
        Point(SYNAPSES, 80, packets=40, row=20),
        Point(SYNAPSES, packets=16, entries=2),
        Point(SYNAPSES, packets=16, entries=8),
    ),
    NEURONS: (
        Point(NEURONS),
        Point(NEURONS, 64),
        Point(NEURONS, 80),
        Point(NEURONS, 16, 128),
        Point(NEURONS, 64, inputs=2),
        Point(NEURONS, 64, inputs=4),
        Point(NEURONS, 16, inputs=4),
        Point(NEURONS, current=5000.0, steps=60),
        Point(NEURONS, current=5000.0, t_ref=0.5, steps=60),
        Point(NEURONS, 32, current=2000.0, steps=60),
    ),
    POISSON: (
        Point(POISSON, rate=2_000.0, steps=60),
        Point(POISSON, rate=16_000.0, steps=60),
        Point(POISSON, 80, rate=16_000.0),
        Point(POISSON, 48, rate=24_000.0),
        Point(POISSON, 64, rate=5_000.0),
        Point(POISSON, rate=40_000.0),
        Point(POISSON, 40, rate=1_500.0),
        Point(POISSON, rate=16_000.0, sends=False, steps=60),
        Point(POISSON, 64, rate=8_000.0, sends=False),
        Point(POISSON, 80, rate=23_000.0, sends=False),
        Point(POISSON, 20, rate=14_000.0, sends=False),
        Point(POISSON, 48, rate=2_000.0, sends=False),
        Point(POISSON, rate=30_000.0, sends=False),
    ),
}


def measure(meter: CoreMeter, points: Sequence[Point]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the kinds of work, the work of each point, shape (n_points, n_kinds), and its counts, shape (n_points, 4)."""
    counts, works = zip(*(meter.measure(point) for point in points), strict=True)
    kinds = list(dict.fromkeys(kind for work in works for kind in work))
    if points[0].binary == SYNAPSES:
        kinds.remove("packet")  # here, a spike for each
    return kinds, np.array([[work.get(kind, 0.0) for kind in kinds] for work in works]), np.array(counts)


def fit(work: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return costs, shape (n_kinds, 4), and the largest error of each count relative to the core's, shape (4,)."""
    costs, _, rank, _ = np.linalg.lstsq(work, counts, rcond=None)
    assert rank == work.shape[1], f"{work.shape[1]} kinds of work, points for {rank}"
    return costs, np.abs(work @ costs - counts).max(axis=0) / counts.max(axis=0).clip(1)


def table(meter: CoreMeter) -> str:
    """Measure all points and write the document."""
    lines = [
        f'format = "{core_costs.FORMAT}"',
        'command = "python tests/conformance/measure_core_costs.py"',
        f"spynnaker = {json.dumps(version('spynnaker'))}",
        f"unicorn = {json.dumps(version('unicorn'))}",
        f"counts = {json.dumps(COUNTS)}",
    ]
    for binary, points in POINTS.items():
        kinds, work, counts = measure(meter, points)
        costs, residual = fit(work, counts)
        print(binary, f"{len(points)} points, largest relative errors", np.round(residual, 5), file=sys.stderr)
        lines += ["", f"[{binary}]", f"points = {len(points)}", f"largest_relative_error = {residual[:2].max():.5f}"]
        lines += [f"{kind} = [{', '.join(f'{round(float(c), 2) + 0.0:g}' for c in row)}]" for kind, row in zip(kinds, costs, strict=True)]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure and write, or compare."""
    parser = argparse.ArgumentParser(description="Measure the cost of each kind of work on the shipped binaries.")
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    options = parser.parse_args()
    meter = CoreMeter()
    try:
        text = table(meter)
    finally:
        meter.close()
    path = Path(core_costs.__file__).with_name("core_costs.toml")
    if options.check:
        return int(path.read_text(encoding="utf-8") != text)
    path.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
