"""Start-up module of the interpreter that runs a script on the board; ``script.py`` copies it to ``sitecustomize.py`` in a folder of the run.

Problem: sPyNNaker reads its defaults, then the user's configuration, then ``spynnaker.cfg`` in the working directory, and the last one wins.
The board's address must win over all of them, and no file of the user may change.

Method: when the script imports sPyNNaker's configuration loader, its one function is replaced by one that calls it and then reads one file more.
Nothing else is touched; a script that does not import sPyNNaker runs as ever. It holds in interpreters that the script starts, too.

It imports the standard library only: it runs before everything else, in every interpreter below the script.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

#: Environment variables that name the two files: what is read before the user's configuration and what is read after it.
DEFAULTS = "SPINN_MAM_BOARD_DEFAULTS"
FORCED = "SPINN_MAM_BOARD_FORCED"
LOADER = "spinn_utilities.conf_loader"


class BoardConfigFinder(importlib.abc.MetaPathFinder):
    """Finds the configuration loader like any other module, and has it changed right after it is executed."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        """Return the specification of the one module that is changed."""
        del target
        if fullname != LOADER:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            execute = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _read_board_files(module)

            loader.exec_module = exec_module
        return spec


def _read_board_files(module: Any) -> None:
    load = module.load_config

    def load_config(local_name: str | None, user_cfg: str | None, defaults: Sequence[str]) -> Any:
        configs = load(local_name, user_cfg, [*defaults, os.environ[DEFAULTS]])
        configs.read(os.environ[FORCED])
        return configs

    module.load_config = load_config


def _run_shadowed() -> None:
    """Run the user's own ``sitecustomize``, which this module stands before."""
    here = os.path.dirname(os.path.abspath(__file__))
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", [entry for entry in sys.path if os.path.abspath(entry) != here])
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


if __name__ == "sitecustomize":
    if DEFAULTS in os.environ and FORCED in os.environ:
        sys.meta_path.insert(0, BoardConfigFinder())
    _run_shadowed()
