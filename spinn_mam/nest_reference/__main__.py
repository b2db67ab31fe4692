"""Make or extend the reference ensemble: ``python -m spinn_mam.nest_reference pd14 --seeds 1-7 --t-sim 2500``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from spinn_mam.comparison import build_reference_statistics
from spinn_mam.models import load_model
from spinn_mam.nest_reference.ensemble import run_ensemble
from spinn_mam.provenance import command_line, versions
from spinn_mam.recording import Recording


def seeds(text: str) -> list[int]:
    """Read ``1-5`` or ``1,4,7``."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(s) for s in text.split(",")]


def main() -> None:
    """Run the ensemble."""
    parser = argparse.ArgumentParser(prog="python -m spinn_mam.nest_reference", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seeds", type=seeds, default=seeds("1-7"))
    parser.add_argument("--t-sim", type=float, default=2500.0, help="kept biological time (ms)")
    parser.add_argument("--warm-up", type=float, default=500.0, help="discarded before it (ms)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--n-scaling", type=float, default=1.0)
    parser.add_argument("--k-scaling", type=float, default=1.0)
    parser.add_argument("--write", type=Path, default=None, metavar="FILE.json", help="reduce the ensemble to reference statistics")
    parser.add_argument("--recordings", type=Path, default=Path("runs/reference"), help="where recordings are kept, to resume from")
    args = parser.parse_args()
    spec = load_model(args.model, args.settings).network(args.n_scaling, args.k_scaling)
    paths = run_ensemble(spec, args.seeds, t_sim=args.t_sim, warm_up=args.warm_up, threads=args.threads, folder=args.recordings)
    if args.write is not None:
        recordings = [Recording.load(path).window(0.0, args.t_sim) for path in paths]
        provenance = {
            "command": command_line(["python -m spinn_mam.nest_reference", *sys.argv[1:]]).replace("'", ""),
            "dynamics_digest": spec.dynamics_digest(),
            "model": spec.model,
            "drive": spec.drive,
            "N_scaling": spec.N_scaling,
            "K_scaling": spec.K_scaling,
            "n_synapses": spec.n_synapses,
            "warm_up_ms": args.warm_up,
            "threads": args.threads,
            "versions": versions(("nest-simulator",)),
            "mean_rates": {name: [round(r.rates()[name], 4) for r in recordings] for name in spec.names},
        }
        build_reference_statistics(recordings, args.seeds, provenance=provenance).save(args.write)
        print(f"reference statistics: {args.write}", flush=True)


if __name__ == "__main__":
    main()
