"""Run random networks on the shipped ARM binaries and on the plain-integer specification, and count what differs.

As a command: ``python tests/conformance/binary_exactness.py --networks 1000 --seed 1``; it prints the counts and fails if anything differs.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from bare_cores import BareBoard, Recorded
from random_networks import KINDS, RandomNetwork, deploy, make_network

from spinn_mam.fixed_point.specification import Trace

#: Networks drawn for one filling of the board; what has no room there is left out.
DRAWN = 60
TIME_STEPS, LENGTHS = (0.1, 1.0), (30, 60, 120)


@dataclass
class Tally:
    """What was compared.

    ``n_steps`` counts the steps of all networks, ``n_core_steps`` those of all cores; ``different`` says which networks differ and where.
    """

    n_networks: int = 0
    n_steps: int = 0
    n_core_steps: int = 0
    n_potentials: int = 0
    n_spikes: int = 0
    n_events: int = 0
    n_saturated: int = 0
    n_driven: int = 0
    groups: Counter[tuple[str, str, float]] = field(default_factory=Counter)
    different: list[str] = field(default_factory=list)

    def add(self, network: RandomNetwork, recorded: Recorded, trace: Trace, where: str) -> None:
        n = len(network.neurons)
        expected = np.array(trace.v, np.int64)
        spikes = sorted((step, i) for step, i in trace.spikes if i < n)
        self.n_networks += 1
        self.n_steps += network.n_steps
        self.n_core_steps += network.n_steps * network.n_cores
        self.n_potentials += expected.size
        self.n_spikes += len(spikes)
        self.n_events += trace.n_events
        self.n_saturated += trace.overflows.n_saturated
        self.n_driven += bool(network.drive)
        self.groups[network.kind, "split" if network.split else "combined", network.dt] += 1
        unequal = np.argwhere(recorded.v != expected)
        if len(unequal) or recorded.spikes != spikes:
            first = f"first at step {unequal[0][0]}, neuron {unequal[0][1]}" if len(unequal) else "spikes only"
            self.different.append(f"{where}: {network.kind}, {'split' if network.split else 'combined'}: {len(unequal)} potentials, {first}")

    def __str__(self) -> str:
        kinds = {kind: sum(n for (k, _, _), n in self.groups.items() if k == kind) for kind in KINDS}
        layouts = {name: sum(n for (_, layout, _), n in self.groups.items() if layout == name) for name in ("combined", "split")}
        steps = {dt: sum(n for (_, _, d), n in self.groups.items() if d == dt) for dt in TIME_STEPS}
        return "\n".join(
            [
                f"{self.n_networks} networks, {self.n_steps} time steps ({self.n_core_steps} of cores), {self.n_potentials} potentials, "
                f"{self.n_spikes} spikes, {self.n_events} synaptic events, {self.n_saturated} sums beyond 16 bits",
                ", ".join(f"{kind} {n}" for kind, n in kinds.items()),
                ", ".join(f"{layout} {n}" for layout, n in layouts.items())
                + f" ({self.n_driven} with Poisson cores); "
                + ", ".join(f"{dt:g} ms {n}" for dt, n in steps.items()),
                f"{len(self.different)} networks differ"
                + (f": fewer than {3 / self.n_networks:.2%} of such networks do, at 95 %" if self.n_networks and not self.different else ""),
                *self.different,
            ]
        )


def compare(board: BareBoard, networks: Sequence[RandomNetwork], tally: Tally, where: str, most: int | None = None) -> int:
    """Run networks of one length on the board and note what differs; returns how many had room."""
    board.clear()
    deployed = deploy(board, networks)[:most]
    board.run(networks[0].n_steps)
    for i, one in enumerate(deployed):
        tally.add(one.network, one.recorded(board), one.network.expected(), f"{where}, network {i}")
    return len(deployed)


def compare_random(n_networks: int, seed: int, *, threads: int = 1) -> Tally:
    """Draw and compare networks; each filling of the board has a seed of its own, so any can be repeated alone."""
    tally = Tally()
    board = BareBoard(threads=threads)
    try:
        while tally.n_networks < n_networks:
            rng = random.Random(seed)
            dt, n_steps = rng.choice(TIME_STEPS), rng.choice(LENGTHS)
            networks = [make_network(rng, dt, n_steps) for _ in range(DRAWN)]
            compare(board, networks, tally, f"seed {seed}", n_networks - tally.n_networks)
            seed += 1
    finally:
        board.close()
    return tally


def main() -> int:
    """Compare as many networks as asked for."""
    parser = argparse.ArgumentParser(description="Compare the ARM binaries with the specification on random networks.")
    parser.add_argument("--networks", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    start = time.monotonic()
    tally = compare_random(options.networks, options.seed, threads=options.threads)
    print(tally)
    print(f"{time.monotonic() - start:.0f} s")
    return bool(tally.different)


if __name__ == "__main__":
    sys.exit(main())
