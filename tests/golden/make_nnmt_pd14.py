"""Rates, transfer function and power spectra of PD14 by nnmt 1.3.0 (Layer et al. 2022, doi 10.3389/fninf.2022.835657).

Made by, with nnmt in an environment of its own:

    spinn-mam show pd14 --json --set synapses.weight_rel_sd=0 --set synapses.L4E_to_L23E_weight_rel_sd=0 > pd14.json
    python make_nnmt_pd14.py pd14.json > nnmt_pd14.json

nnmt knows no spread of weights, hence none here. The arrays come from the synapse numbers, weights and delays that ``show`` prints.
"""

import json
import sys
from pathlib import Path

import nnmt
import numpy as np
from nnmt.lif import exp
from nnmt.network_properties import _delay_dist_matrix

FREQUENCIES_HZ = [0.1, 1.0, 5.0, 10.0, 20.0, 40.0, 64.0, 83.0, 120.0, 200.0, 300.0, 400.0]

network = json.loads(Path(sys.argv[1]).read_text())["network"]
populations = network["populations"]
n = len(populations)
K, J, delay, delay_sd = (np.zeros((n, n)) for _ in range(4))
for p in network["projections"]:
    i, j = p["target"], p["source"]
    K[i, j] = p["n_synapses"] / populations[i]["size"]
    J[i, j] = p["weight"]["mean"]
    delay[i, j], delay_sd[i, j] = p["delay"]["mean"], p["delay"]["sd"]
neuron = populations[0]["neuron"]
assert all(p["neuron"] == neuron for p in populations)
unit = 1e-3 * neuron["tau_syn_ex"] / neuron["C_m"]  # V for each pA
tau_m, tau_s, tau_r = (np.full(n, 1e-3 * neuron[key]) for key in ("tau_m", "tau_syn_ex", "t_ref"))
threshold, reset = (np.full(n, 1e-3 * (neuron[key] - neuron["E_L"])) for key in ("V_th", "V_reset"))
drive = populations[0]["drive"]
J = unit * J
external = {"J_ext": np.eye(n) * unit * drive["weight"], "K_ext": np.eye(n), "nu_ext": np.array([p["drive"]["rate"] for p in populations])}
state = {"V_0_rel": reset, "V_th_rel": threshold, "tau_m": tau_m, "tau_r": tau_r, "tau_s": tau_s}
rates = exp._firing_rates(J=J, K=K, **state, **external)
mean, sigma = (f(rates, J, K, tau_m, **external) for f in (exp._mean_input, exp._std_input))
omega = 2 * np.pi * np.array(FREQUENCIES_HZ)
transfer = exp._transfer_function_shift(mu=mean, sigma=sigma, omegas=omega, **state)
spread = np.where(delay_sd > 0, delay_sd, 1.0)  # no synapses, no spread: any will do
delays = _delay_dist_matrix(1e-3 * np.where(delay > 0, delay, 1.0), 1e-3 * spread, "truncated_gaussian", omega)
effective = exp._effective_connectivity(transfer, delays, J, K, tau_m[0])
power = exp._power_spectra(rates, effective, J, K, np.array([p["size"] for p in populations]), tau_m[0])
json.dump(
    {
        "nnmt": nnmt.__version__,
        "names": [p["name"] for p in populations],
        "rates": rates.tolist(),
        "mean_mV": (1e3 * mean).tolist(),
        "sigma_mV": (1e3 * sigma).tolist(),
        "frequencies_hz": FREQUENCIES_HZ,
        "transfer_real": (1e-3 * transfer.real).tolist(),
        "transfer_imag": (1e-3 * transfer.imag).tolist(),
        "largest_eigenvalue_abs": [float(np.abs(np.linalg.eigvals(w)).max()) for w in effective],
        "power": power.tolist(),
    },
    sys.stdout,
    indent=1,
)
