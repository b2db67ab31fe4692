"""Tables of in-degrees: those that ship with the facts, and a user's own."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import numpy as np

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models.mam.tables import FORMAT, folder
from spinn_mam.network.spec import FloatArray

#: In a document: the in-degrees are those derived from the facts.
UNSTABILISED = "unstabilised"
#: In-degrees at or below this are none.
LEAST = 1e-8


def read_in_degrees(which: str, n: int) -> FloatArray:
    """Read a table of in-degrees that ships with the facts, or a user's, shape (n, n), [target, source].

    Parameters
    ----------
    which : str
        Name of a table, such as ``"published"`` for ``facts/published_in_degrees.npz``, or the path of a table (``.npz``) that
        :func:`write_in_degrees` wrote, or of a matrix (``.npy``).
    n : int
        Number of populations.

    Raises
    ------
    UsageError
        If there is no such table or file.
    DocumentError
        If it is for another network or no table of in-degrees.
    """
    if which.endswith(".npy"):
        return _own_matrix(Path(which), n)
    if which.endswith(".npz"):
        return _read_table(Path(which), which, n)
    file = folder() / f"{which}_in_degrees.npz"
    if not file.is_file():
        known = sorted(entry.name.removesuffix("_in_degrees.npz") for entry in folder().iterdir() if entry.name.endswith("_in_degrees.npz"))
        raise UsageError(
            f"anatomy.in_degrees = {which}: use {', '.join(known)}, {UNSTABILISED}, or the path of a .npy or .npz file of {n} x {n} in-degrees"
        )
    return _read_table(file, f"facts/{file.name}", n)


def write_in_degrees(path: Path, matrix: FloatArray, head: Mapping[str, str]) -> None:
    """Write a table of in-degrees; entries of LEAST and less are left out. The same numbers give the same bytes.

    Parameters
    ----------
    path : Path
        The ``.npz``.
    matrix : ndarray, shape (n, n)
        [target, source].
    head : mapping of str to str
        What it is, such as the command that made it.
    """
    there = np.argwhere(matrix > LEAST)
    words: dict[str, Any] = {key: np.array(value) for key, value in {"format": FORMAT, **head}.items()}
    index = there.astype(np.min_scalar_type(len(matrix)))
    np.savez_compressed(path, **words, n_populations=np.array(len(matrix)), index=index, in_degree=matrix[tuple(there.T)])


def _read_table(file: Path | Traversable, shown: str, n: int) -> FloatArray:
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as table:
            size, index, values = int(table["n_populations"]), table["index"], table["in_degree"]
        matrix = np.zeros((size, size))
        matrix[index[:, 0], index[:, 1]] = values
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise UsageError(f"anatomy.in_degrees = {shown}: no table of in-degrees ({error})") from None
    if size != n:
        raise DocumentError(shown, "n_populations", f"in-degrees of {size} populations for a network of {n}")
    return _checked(matrix, shown)


def _own_matrix(path: Path, n: int) -> FloatArray:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"anatomy.in_degrees = {path}: no matrix of in-degrees ({error})") from None
    if not isinstance(matrix, np.ndarray) or matrix.shape != (n, n) or matrix.dtype.kind not in "fiu":
        found = f"{matrix.dtype} {matrix.shape}" if isinstance(matrix, np.ndarray) else "an archive"
        raise DocumentError(str(path), "", f"needs a matrix of {n} x {n} in-degrees, [target, source] in the order of the populations; found {found}")
    return _checked(matrix.astype(np.float64), str(path))


def _checked(matrix: FloatArray, shown: str) -> FloatArray:
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise DocumentError(shown, "", "in-degrees must be numbers that are not negative")
    return matrix
