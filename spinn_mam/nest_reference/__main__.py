"""Make or extend the reference ensemble: ``python -m spinn_mam.nest_reference pd14 --seeds 1-5 --t-sim 2500``."""

from __future__ import annotations

import argparse
from pathlib import Path

from spinn_mam.models import load_model
from spinn_mam.nest_reference.ensemble import run_ensemble


def seeds(text: str) -> list[int]:
    """Read ``1-5`` or ``1,4,7``."""
    first, dash, last = text.partition("-")
    return list(range(int(first), int(last) + 1)) if dash else [int(s) for s in text.split(",")]


def main() -> None:
    """Run the ensemble."""
    parser = argparse.ArgumentParser(prog="python -m spinn_mam.nest_reference", description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--seeds", type=seeds, default=seeds("1-5"))
    parser.add_argument("--t-sim", type=float, default=2500.0, help="kept biological time (ms)")
    parser.add_argument("--warm-up", type=float, default=500.0, help="discarded before it (ms)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="settings")
    parser.add_argument("--n-scaling", type=float, default=1.0)
    parser.add_argument("--k-scaling", type=float, default=1.0)
    parser.add_argument("--recordings", type=Path, default=Path("runs/reference"), help="where recordings are kept, to resume from")
    args = parser.parse_args()
    spec = load_model(args.model, args.settings).network(args.n_scaling, args.k_scaling)
    run_ensemble(spec, args.seeds, t_sim=args.t_sim, warm_up=args.warm_up, threads=args.threads, folder=args.recordings)


if __name__ == "__main__":
    main()
