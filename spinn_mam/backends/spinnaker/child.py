"""The child process: runs one job on sPyNNaker in a folder of its own and leaves results or one error there.

``python -m spinn_mam.backends.spinnaker.child FOLDER``, with HOME and the configuration below FOLDER. Standard input is a
pipe from the parent: when it ends, the parent is gone, and the child stops as on Ctrl-C, so that a machine is given back.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from spinn_mam.backends.spinnaker.job import ERROR, SPIKES, SYNAPSES, Facts, Job
from spinn_mam.backends.spinnaker.losses import read_counts, read_times

PACKAGES = ("sPyNNaker", "SpiNNFrontEndCommon", "SpiNNaker_PACMAN", "SpiNNMan", "SpiNNMachine", "PyNN")


def main(folder: Path) -> int:
    """Run the job in ``folder``; return the process's exit code."""
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        job = Job.load(folder)
        run(job, folder)
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        write_error(folder, error)
        raise
    return 0


def run(job: Job, folder: Path) -> None:
    """Build, run, read back and write the results of a job."""
    import spynnaker.pyNN as sim
    from spynnaker.pyNN.data import SpynnakerDataView

    from spinn_mam.backends.spinnaker import script

    spec = job.network.spec
    built = script.build(job)
    try:
        sim.run(job.n_steps * spec.dt)
        step, neuron = script.spikes(built, spec)
        if job.degree == "expander":
            found = {f"projection {index}": script.synapses(projection) for index, projection in built.projections.items()}
            np.savez(folder / SYNAPSES, allow_pickle=False, **found)
        machine, cores = _machine(SpynnakerDataView), _cores(SpynnakerDataView)
        database = Path(SpynnakerDataView.get_run_dir_path()) / "data.sqlite3"
        times = Path(SpynnakerDataView.get_timestamp_dir_path()) / "global_provenance.sqlite3"
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            sim.end()
        raise
    sim.end()
    np.savez(folder / SPIKES, allow_pickle=False, step=step, neuron=neuron)
    losses, counts = read_counts(database)
    versions = {name: metadata.version(name) for name in PACKAGES}
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    Facts(read_times(times), losses, counts | built.counts, machine, cores, versions, peak).save(folder)


def write_error(folder: Path, error: Exception) -> None:
    """Leave an error for the parent."""
    content = {"type": type(error).__name__, "message": str(error)}
    (folder / ERROR).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _machine(view: Any) -> dict[str, int]:
    machine = view.get_machine()
    placements = list(view.iterate_placemements())
    boards = {(chip.nearest_ethernet_x, chip.nearest_ethernet_y) for chip in (view.get_chip_at(p.x, p.y) for p in placements)}
    return {
        "boards": len(machine.ethernet_connected_chips),
        "chips": machine.n_chips,
        "boards_used": len(boards),
        "chips_used": len({(p.x, p.y) for p in placements}),
        "cores_used": len(placements),
    }


def _cores(view: Any) -> dict[str, list[list[int]]]:
    """List chip, core and neurons of all cores of each population (and of its drive)."""
    cores: dict[str, list[list[int]]] = {}
    for placement in view.iterate_placemements():
        vertex = placement.vertex
        if vertex.app_vertex is not None:
            part = vertex.vertex_slice
            cores.setdefault(vertex.app_vertex.label, []).append([placement.x, placement.y, placement.p, part.lo_atom, part.hi_atom + 1])
    return {label: sorted(found, key=lambda core: (core[3], core[:3])) for label, found in cores.items()}


def _stop_with_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
