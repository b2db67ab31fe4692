"""Mean-field theory of PD14 equals nnmt's; ``make_nnmt_pd14.py`` says how the values were made."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from spinn_mam.models import load_model
from spinn_mam.models.theory import MeanField, linear_response, stationary_state
from spinn_mam.models.theory.response import effective_connectivity, transfer_functions

NNMT = json.loads(Path(__file__).with_name("nnmt_pd14.json").read_text())


@pytest.fixture(scope="module")
def field() -> MeanField:
    return MeanField.of(load_model("pd14", ["synapses.weight_rel_sd=0", "synapses.L4E_to_L23E_weight_rel_sd=0"]).network())


def test_rates_and_input(field: MeanField) -> None:
    rates = stationary_state(field).rates
    mean, variance, _ = field.input(rates)
    assert list(field.names) == NNMT["names"]
    assert np.allclose(rates, NNMT["rates"], rtol=1e-9)  # nnmt's own tolerance is 1e-7
    assert np.allclose(mean, NNMT["mean_mV"], rtol=1e-9)
    assert np.allclose(np.sqrt(variance), NNMT["sigma_mV"], rtol=1e-9)


def test_transfer_functions_and_spectra(field: MeanField) -> None:
    # nnmt takes delays that end at zero, NEST and the specification ones that end at half a time step
    same = dataclasses.replace(field, delay_least=np.zeros_like(field.delay_least))
    rates = stationary_state(same).rates
    frequencies = np.array(NNMT["frequencies_hz"])
    filtered = transfer_functions(same, rates, frequencies) / (1.0 + 2j * np.pi * frequencies[:, None] * 0.5e-3)
    theirs = np.array(NNMT["transfer_real"]) + 1j * np.array(NNMT["transfer_imag"])
    assert np.abs(filtered / theirs - 1).max() < 1e-7
    response = linear_response(same, rates, frequencies)
    assert np.allclose(response.power, np.array(NNMT["power"]) * same.sizes, rtol=1e-7)
    largest = [np.abs(np.linalg.eigvals(w)).max() for w in effective_connectivity(same, rates, frequencies)]
    assert np.allclose(largest, NNMT["largest_eigenvalue_abs"], rtol=1e-8)
