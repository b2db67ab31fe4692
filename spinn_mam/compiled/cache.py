"""Compiled code that is kept between runs of Python is thrown away when any module that it was compiled from has changed.

Problem
    Numba keeps a function's machine code until the function's own file changes. It holds the code of every function that it
    calls, so after an update of another file it computes what the older version did.

Method
    A locator of the same place (``__pycache__``) whose stamp is a digest of all modules of this package with compiled code.

Cost
    Reading some 50 files once, a few milliseconds.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from numba.core.caching import CacheImpl, InTreeCacheLocator

_PACKAGE = Path(__file__).parents[1]


@cache
def source_digest(package: Path = _PACKAGE) -> str:
    """Return a digest of all modules in a folder that have compiled code."""
    digest = hashlib.blake2b(digest_size=16)
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"njit" in source or b"intrinsic" in source:
            digest.update(str(path.relative_to(package)).encode() + b"\0" + source)
    return digest.hexdigest()


class PackageCacheLocator(InTreeCacheLocator):
    """Where Numba keeps functions of this package, and the stamp that says whether they are up to date."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Any:
        """Make the locator of a function of this package; None for others, and where the folder cannot be written."""
        if _PACKAGE not in Path(py_file).resolve().parents:
            return None
        return super().from_function(py_func, py_file)  # type: ignore[no-untyped-call]

    def get_source_stamp(self) -> str:
        """Return what must be unchanged for kept code to be used."""
        return source_digest()


def use() -> None:
    """Let Numba ask this locator first."""
    if PackageCacheLocator not in CacheImpl._locator_classes:
        CacheImpl._locator_classes.insert(0, PackageCacheLocator)
