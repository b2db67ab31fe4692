"""Whether sPyNNaker's own tables can hold a network at all: fields of the master population table, keys, rows and stages.

The limits are those of release 1!7.4.1; the file of each is named beside it, paths below ``spynnaker/pyNN/``. A core's master population table
lies in its 64 KiB; it has an entry for each vertex that sends to the core, and an address for each matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

from spinn_mam.machine.description import MachineDescription
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.partitioning import budgets
from spinn_mam.partitioning.keys import COLOUR_BITS, bits_for
from spinn_mam.planning.cores import CoreCounts

#: ``models/neuron/master_pop_table.py``: an entry's first address has 13 bits, the index of a source's core 16, a block's address 24.
START_BITS, CORE_BITS, ADDRESS_BITS = 13, 16, 24
KEY_BITS = 32


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit and how near the network comes to it.

    Attributes
    ----------
    name : str
    need, have : int
    where : str
        The population that needs most; empty if it is about all.
    """

    name: str
    need: int
    have: int
    where: str = ""

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.need <= self.have


def table_limits(spec: NetworkSpec, machine: MachineDescription, counts: CoreCounts) -> tuple[Limit, ...]:
    """Compare a network with the limits of sPyNNaker's tables.

    Parameters
    ----------
    spec : NetworkSpec
    machine : MachineDescription
    counts : CoreCounts

    Returns
    -------
    tuple of Limit
    """
    cores = [(p, c) for p, c in enumerate(counts.cores.budgets) if c is not None]

    def most(name: str, have: int, values: list[tuple[int, int]]) -> Limit:
        p, need = max(values, key=lambda v: v[1], default=(0, 0))
        return Limit(name, need, have, spec.names[p] if values else "")

    return (
        most("addresses in a core's master population table", 2**START_BITS - 1, [(p, c.blocks) for p, c in cores]),
        most("bytes of a core's synaptic matrices", (2**ADDRESS_BITS - 2) * budgets.ADDRESS_BYTES, [(p, c.matrix_bytes) for p, c in cores]),
        most("synapses in a row", budgets.MAX_ROW_SYNAPSES, [(p, c.longest_row) for p, c in cores]),
        most("cores of a source population", 2**CORE_BITS, list(enumerate(counts.n_slices.tolist()))),
        most("stages of a delay extension", budgets.MAX_DELAY_STAGES, list(enumerate(counts.cores.delays.stages.tolist()))),
        most("bytes of a core's DTCM", machine.dtcm_bytes, list(enumerate(counts.dtcm_bytes.tolist()))),
        Limit("keys of spikes", keys_needed(spec, counts), 2**KEY_BITS),
    )


def keys_needed(spec: NetworkSpec, counts: CoreCounts) -> int:
    """Return the keys that all vertices need together: a power of two each, of cores, neurons and colours; the rule of :mod:`~.partitioning.keys`."""
    needed = 0
    for p, population in enumerate(spec.populations):
        cores = bits_for(int(counts.n_slices[p]))
        n, stages = int(counts.cores.neurons_per_core[p]), int(counts.cores.delays.stages[p])
        identities = [n] + [n * stages] * (stages > 0)
        identities += [n] * (population.drive is not None and population.drive.rate > 0)
        # the vertices of synapse cores send nothing, but have their block
        identities += [0] * int(counts.each[p, 3])
        needed += sum(2 ** (cores + bits_for(i) + COLOUR_BITS) for i in identities)
    return needed
