"""Tables of in-degrees: those that ship with the facts, and a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models.mam.tables import folder
from spinn_mam.network.spec import FloatArray

#: In a document: the in-degrees are those derived from the facts.
UNSTABILISED = "unstabilised"


def read_in_degrees(which: str, n: int) -> FloatArray:
    """Read a table of in-degrees that ships with the facts, or a user's matrix, shape (n, n), [target, source].

    Parameters
    ----------
    which : str
        Name of a table, such as ``"published"`` for ``facts/published_in_degrees.npz``, or the path of a ``.npy`` file of the matrix.
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
    file = folder() / f"{which}_in_degrees.npz"
    if not file.is_file():
        known = sorted(entry.name.removesuffix("_in_degrees.npz") for entry in folder().iterdir() if entry.name.endswith("_in_degrees.npz"))
        raise UsageError(f"anatomy.in_degrees = {which}: use {', '.join(known)}, {UNSTABILISED}, or the path of a .npy file of {n} x {n} in-degrees")
    with file.open("rb") as stream, np.load(stream) as table:
        size, index, values = int(table["n_populations"]), table["index"], table["in_degree"]
    if size != n:
        raise DocumentError(f"facts/{file.name}", "n_populations", f"in-degrees of {size} populations for a network of {n}")
    matrix = np.zeros((n, n))
    matrix[index[:, 0], index[:, 1]] = values
    return matrix


def _own_matrix(path: Path, n: int) -> FloatArray:
    try:
        matrix = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UsageError(f"anatomy.in_degrees = {path}: no matrix of in-degrees ({error})") from None
    if not isinstance(matrix, np.ndarray) or matrix.shape != (n, n) or matrix.dtype.kind not in "fiu":
        found = f"{matrix.dtype} {matrix.shape}" if isinstance(matrix, np.ndarray) else "an archive"
        raise DocumentError(str(path), "", f"needs a matrix of {n} x {n} in-degrees, [target, source] in the order of the populations; found {found}")
    if not np.isfinite(matrix).all() or (matrix < 0).any():
        raise DocumentError(str(path), "", "in-degrees must be numbers that are not negative")
    return matrix.astype(np.float64)
