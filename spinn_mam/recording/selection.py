"""Which neurons are recorded: so many of each population, as the command line says it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError


def parse_selection(flag: str, text: str, names: Sequence[str], sizes: Sequence[int]) -> tuple[int, ...]:
    """Read a selection of neurons.

    Parameters
    ----------
    flag : str
        Named in errors.
    text : str
        ``all``, ``none``, or separated by commas: a number (so many of each population, or all if it has fewer), a population
        (all of it), or ``POPULATION:NUMBER``.
    names : sequence of str
    sizes : sequence of int
        Of the populations; 0 for one that has nothing to record.

    Returns
    -------
    tuple of int
        Neurons of each population: its first ones.

    Raises
    ------
    UsageError
        If there is no such population, or it has fewer neurons.

    Examples
    --------
    >>> parse_selection("--record", "100,L4E:2000,L5E", ["L4E", "L4I", "L5E"], [21915, 5479, 4850])
    (2000, 100, 4850)
    """
    if text.strip() in ("all", "none"):
        return tuple(size if text.strip() == "all" else 0 for size in sizes)
    chosen = [0] * len(names)
    items = [item.strip() for item in text.split(",")]
    for item in sorted(items, key=lambda i: not i.isdecimal()):  # a number for each population first, so that names say it better
        name, colon, number = item.partition(":")
        if item.isdecimal():
            chosen = [min(int(item), size) for size in sizes]
            continue
        if name not in names:
            raise UsageError(f"{flag} {text}: no population '{name}'; use all, none, a number, or POPULATION:NUMBER of {', '.join(names)}")
        size = sizes[names.index(name)]
        if colon and not number.isdecimal():
            raise UsageError(f"{flag} {text}: '{number}' is no number of neurons; {name} has {size}")
        wanted = int(number) if colon else size
        if wanted > size or not size:
            raise UsageError(f"{flag} {text}: {wanted or 'all'} neurons of {name}, it has {size} to record")
        chosen[names.index(name)] = wanted
    return tuple(chosen)


def global_indices(chosen: Sequence[int], sizes: Sequence[int]) -> npt.NDArray[np.int32]:
    """Return the global indices of the first so many neurons of each population.

    Examples
    --------
    >>> global_indices((1, 0, 2), (5, 5, 5)).tolist()
    [0, 10, 11]
    """
    firsts = np.cumsum([0, *sizes])
    return np.concatenate([np.zeros(0, np.int32), *(np.arange(lo, lo + n, dtype=np.int32) for lo, n in zip(firsts, chosen, strict=False))])
