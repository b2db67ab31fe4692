"""Mean-field theory of PD14 equals nnmt's; ``make_nnmt_pd14.py`` says how the values were made."""

import json
from pathlib import Path

import numpy as np
import pytest

from spinn_mam.models import load_model
from spinn_mam.models.theory import MeanField, stationary_state

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
