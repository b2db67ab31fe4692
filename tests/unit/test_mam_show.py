"""``show mam``: areas and their sources, populations for programs, and what is refused."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from spinn_mam import cli
from spinn_mam.models import load_model, model_settings
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.tables import load_facts

Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Invoke:
    """Run the command line in this process, in a folder of its own: exit code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["spinn-mam", *map(str, arguments)])
        code = cli._guarded(
            lambda: cli.app(list(map(str, arguments)), standalone_mode=False, prog_name="spinn-mam"), Console(stderr=True, highlight=False, width=300)
        )
        return code, *capsys.readouterr()

    return run


def test_it_says_where_the_numbers_of_each_area_come_from(invoke: Invoke) -> None:
    code, out, _ = invoke("show", "mam")
    assert code == 0
    lines = [cells for line in out.splitlines() if (cells := [c.strip() for c in line.split("│")][1:-1]) and cells[0] in AREAS]
    rows, synapses = ({cells[0]: cells[1:] for cells in part} for part in (lines[:32], lines[32:]))
    assert list(rows) == list(synapses) == list(AREAS)
    assert synapses["V1"] == ["2,534", "1,919", "1,314", "15", "5"]  # on a terminal of 80 columns no number is cut off
    assert synapses["MDP"][3:] == ["0", ""]
    assert rows["V1"][:6] == ["8 m", "0.00", "197,932", "173.4 m", "1.24 m", "1 2/3 4 5 6"]
    assert rows["MDP"][:6] == ["5 n", "", "124,313", "65.3 t", "2.07 f", ""]
    assert rows["TF"][3:6] == ["61.9 m", "1.62 m", "1 2/3 4"]
    assert "32 areas, 254 populations, 4,129,924 neurons, 24,126,516,728 synapses in 8,344 projections" in " ".join(out.split())
    assert "CC BY-NC-SA 4.0" in out
    assert all(table.name in out for table in load_facts())


@pytest.mark.parametrize("columns", [80, 100, 160])
@pytest.mark.parametrize("model", ["mam", "pd14"])
def test_it_is_as_wide_as_the_terminal_and_nothing_is_cut_off(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, model: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    code, out, _ = invoke("show", model)
    assert code == 0
    assert max(map(len, out.splitlines())) == columns
    assert "…" not in out


def test_json_has_sizes_in_degrees_weights_and_delays_by_population(invoke: Invoke) -> None:
    code, out, _ = invoke("show", "mam", "--areas", "V1,46", "--k-scaling", "0.25", "--json")
    assert code == 0
    shown = json.loads(out)
    assert [row["area"] for row in shown["areas"]] == ["V1", "46"]
    spec = load_model("mam", ['areas.simulated="V1,46"']).network(1.0, 0.25)
    assert list(shown["populations"]) == list(spec.names)
    population = shown["populations"]["V1-23E"]
    assert population["size"] == 47386
    assert population["external_rate"] == spec.populations[0].drive.rate  # type: ignore[union-attr]
    between = next(p for p in spec.projections if (spec.names[p.source], spec.names[p.target]) == ("46-5E", "V1-23E"))
    for key, value in (("in_degree", between.n_synapses / 47386), ("weight_pA", between.weight.mean), ("delay_ms", between.delay.mean)):
        assert population[key]["46-5E"] == value
    assert shown["areas"][0]["source_areas"] == ["46"]
    assert shown["network"]["n_synapses"] == spec.n_synapses
    assert {fact["license"] for fact in shown["facts"]} == {"https://creativecommons.org/licenses/by-nc-sa/4.0/"}
    assert all(value["source"] for value in shown["values"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mam", "--areas", "V1,V9"), "no area called 'V9': known are V1, V2"),
        (("mam", "--areas", "V1,V2,V1"), "V1 named more than once: name each area once"),
        (("mam", "--surface", "0"), "at 'anatomy.surface': must be positive, found 0"),
        (("mam", "--surface", "half"), "or the word 'whole'"),
        (("pd14", "--areas", "V1"), "--areas: pd14 is no multi-area model"),
        (("pd14", "--surface", "2"), "--surface: pd14 is no multi-area model"),
        (("pd14", "--compare-with", "."), "--compare-with: pd14 is no multi-area model"),
        (("mam", "--compare-with", "."), "no checkout of INM-6/multi-area-model"),
        (("mam", "--set", "external.fac_nu_ext_6E=much"), "or the word 'kappa'"),
        (("mam", "--set", "cc_weights_factor=2"), "did you mean synapses.cc_weights_factor?"),
        (("mam", "--set", "anatomy.intrinsic_fraction=1.5"), "a share, must be between 0 and 1"),
        (("mam", "--set", "synapses.speed=0"), "at 'synapses.speed': must be positive"),
        (("mam", "--set", "synapses.speed='3 mV'"), "wrong dimension"),
        (("mam", "--set", "rates.full_scale=nowhere.json", "--k-scaling", "0.5"), "rates.full_scale is 'theory', or a JSON file"),
        (("mam", "--k-scaling", "0.5", "--set", "variants.state=metastable"), "need recorded rates of the full-scale network"),
    ],
)
def test_what_is_not_possible_is_one_message(invoke: Invoke, arguments: tuple[str, ...], message: str) -> None:
    code, out, err = invoke("show", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_flags_become_settings() -> None:
    assert model_settings("mam", ["synapses.g=-16"], "46", "whole") == ("synapses.g=-16", 'areas.simulated="46"', "anatomy.surface=whole")
    assert model_settings("pd14", None) == ()
