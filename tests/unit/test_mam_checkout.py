"""A checkout of the public data, written here from the package's own tables in that layout: it is read back as equal, and each change is found."""

import json
from pathlib import Path

import numpy as np
import pytest

from spinn_mam.errors import DocumentError, UsageError
from spinn_mam.models import load_model
from spinn_mam.models.mam.areas import AREAS
from spinn_mam.models.mam.checkout import OVERLAP_NAMES, STAINED_REGIONS, compare_checkout
from spinn_mam.models.mam.in_degrees import read_in_degrees
from spinn_mam.models.mam.tables import load_facts


def text(value: object) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write all tables in the layout of the repository, with columns and rows that are not needed."""
    folder = tmp_path_factory.mktemp("checkout")
    raw = folder / "multiarea_model" / "data_multiarea" / "raw_data"
    raw.mkdir(parents=True)
    facts = load_facts()

    def tabs(name: str, rows: list[list[object]], head: str = "# about\n\n") -> None:
        (raw / name).write_text(head + "\n".join("\t".join(map(text, row)) for row in rows) + "\n", encoding="utf-8")

    typed = [[area, int(kind)] for area, kind in facts["architectural_types"].rows]
    tabs("ArchitecturalTypes.csv", [*typed, ["MIP", "?"], ["MDP", "?"]])
    tabs("hierarchy_Reid.csv", [*map(list, facts["hierarchy"].rows), ["MIP", "?"]])
    tabs("cortical_surface.csv", [*map(list, facts["surfaces"].rows)])
    tabs("CorticalThickness.csv", [[a, "", "5", "", t] for a, t in facts["thicknesses"].rows] + [["VP", "", "7", "", ""]], "# about\n\nAREA\n")
    tabs("NeuronalDensities_NeuN.csv", [[r, o, 1, a, 1, b, 1, c, 1] for r, o, a, b, c in facts["densities_neun"].rows])
    names = {mine: theirs for theirs, mine in STAINED_REGIONS.items()}
    nissl = [f"{names.get(region, region)},5,{density:g},1.0" for region, density in facts["densities_nissl"].rows]
    (raw / "NeuronalDensities_Nissl.csv").write_text("# about\n\n" + "\n".join([*nissl, "LIPd,5,61087,2", "VP,7,—,—"]) + "\n", encoding="utf-8")
    tabs("SchemeTranslation.csv", [["Area Barbas", "Area Fellemann/Van Essen"], *map(list, facts["regions"].rows)])
    head = ["area", "L1", "L2", "L2/3", "L4", "L5", "L6", "total", "source", "note"]
    layers = [[a, r[0], "", *r[1:], f"{study} A title", "Fig. 1"] for a, study, *r in facts["laminar_thicknesses"].rows]
    tabs("laminar_thicknesses_macaque.csv", [head, *layers, ["TE", 1, "", 1, 1, 1, 1, 5, "Other (2000)", ""], ["V1", *[""] * 7, "None (2001)", ""]])
    sizes = [[row[0], row[1], 1600] for row in facts["microcircuit"].rows]
    tabs("Numbers_V1.csv", [*sizes, ["Th", 902, 0]])
    tabs("Intrinsic_Connectivity.csv", [["", *(s[0] for s in sizes), "Th"], *([row[0], *row[2:], 0] for row in facts["microcircuit"].rows)])
    sites = [[region, k, case, "CORONAL", 1, 2, 3, 4, area, ""] for k, (case, region, area) in enumerate(facts["injections"].rows)]
    tabs("Markov2014_InjectionSites.csv", [*sites, ["24c", 99, "NICO", "CORONAL", 1, 2, 3, 4, "Area 9", ""]], "# about\nINJECTED\n\n")
    counts = [[1, case, source, "X", fln, 7, "Known"] for case, source, fln in facts["tracer_counts"].rows]
    first = [*counts[0][:4], 0.5, 7, "Known"]  # given twice: the last counts
    tabs("Markov2014_FLN_rawdata.csv", [first, *counts, [1, "NICO", "V1", "24c", 0.1, 7, "Known"]])
    upper = [f"1 X {s} {u:.0f} {v:.0f} 9 9 None {case} 1 1 X 1 1" for case, s, u, v in facts["layer_counts"].rows]
    (raw / "SLN_Data.csv").write_text("# about\n\nINDEX TO\n" + "\n".join(upper) + "\n", encoding="utf-8")
    shares: dict[str, dict[str, float]] = {}
    for region in {row[1] for row in facts["tracer_counts"].rows}:
        shares[f"{OVERLAP_NAMES.get(region, region)}_M132"] = {"FVE_all.UNK": 1.0}
    for region, area, percent in facts["overlaps"].rows:
        shares[f"{OVERLAP_NAMES.get(region, region)}_M132"] |= {f"FVE.{area}": percent / 4, f"FVE_all.{area}": percent * 3 / 4}
    (raw / "overlap.json").write_text(json.dumps({"all": shares, "visual": {}}), encoding="utf-8")
    patterns: dict[str, dict[str, list[str | None]]] = {}
    studies: dict[str, dict[str, int]] = {}
    for target, source, number, at_source, at_target in facts["existence"].rows:
        patterns.setdefault(f"FV91-{source}", {})[f"FV91-{target}"] = [at_source or None, at_target or None]
        studies.setdefault(f"FV91-{source}", {})[f"FV91-{target}"] = int(number)
    patterns["FV91-V1"] |= {"FV91-TH": [None, None], "FV91-45": [None, "XXXXXX"]}
    studies["FV91-V1"] |= {"FV91-TH": 0, "FV91-45": 3}
    (raw / "CoCoMac_complete_81.json").write_text(json.dumps(patterns), encoding="utf-8")
    (raw / "cocomac_confirmative_studies.json").write_text(json.dumps(studies), encoding="utf-8")
    far = {(a, b): d for a, b, d in facts["distances"].rows}
    outside = sorted({b for _, b in far} - set(AREAS))
    others = [*AREAS, *outside]

    def distance(a: str, b: str) -> float:
        return far.get((a, b), far.get((b, a), 0.0))

    tabs("Median_Distances_81areas.csv", [["", *others], *([a, *(distance(a, b) for b in others)] for a in others)])
    cells = [[c, f"L{v}" if v != "23" else "L2/3", p, n, 5, cc] for c, v, p, n, cc in facts["cell_types"].rows]
    columns = ["", "", "percent of cells (respect to total area)", "number of synapses per neuron", "nb1", "corticocortical"]
    tabs("BinzeggerData.csv", [columns, *cells, ["", "", "", "", "", "brainstem"], ["TCs", "", 0.5, 4000, 31, 0]])
    figures = folder / "figures" / "SchueckerSchmidt2017"
    figures.mkdir(parents=True)
    np.save(figures / "K_prime_original.npy", read_in_degrees("published", 254) + 1e-44)
    return folder


def test_the_package_s_tables_come_back_from_a_checkout(checkout: Path) -> None:
    found = compare_checkout(checkout)
    # what simulations are compared with is not among the model's own data
    names = [table.name for table in load_facts() if table.name not in ("functional_connectivity", "clusters")]
    assert [d.table for d in found] == [*names, "published_in_degrees"]
    assert [(d.table, d.missing, d.added, d.changed) for d in found if not d.equal] == []
    mine, theirs = (load_model("mam", s).network() for s in ([], [f"anatomy.facts={checkout}", "variants.connectivity=published"]))
    assert mine == theirs


def test_each_change_of_a_checkout_is_found(checkout: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    raw.mkdir()
    for file in (checkout / "multiarea_model" / "data_multiarea" / "raw_data").iterdir():
        (raw / file.name).write_bytes(file.read_bytes())
    surfaces = (raw / "cortical_surface.csv").read_text(encoding="utf-8")
    (raw / "cortical_surface.csv").write_text(surfaces.replace("V1\t1484.629", "V1\t1484.7"), encoding="utf-8")
    injections = (raw / "Markov2014_InjectionSites.csv").read_text(encoding="utf-8")
    (raw / "Markov2014_InjectionSites.csv").write_text(injections.replace("\tMSTd\t", "\tMT\t"), encoding="utf-8")
    types = (raw / "ArchitecturalTypes.csv").read_text(encoding="utf-8")
    (raw / "ArchitecturalTypes.csv").write_text(types.replace("TH\t2\n", "").replace("MIP\t?", "MIP\t5"), encoding="utf-8")
    changed = {d.table: (d.missing, d.added, d.changed) for d in compare_checkout(raw) if not d.equal}
    assert changed == {
        "architectural_types": (("TH",), ("MIP",), ()),
        "surfaces": ((), (), ("V1 surface_mm2: 1484.629 here, 1484.7 there",)),
        "injections": ((), (), ("M133LH area: MSTd here, MT there",)),
    }
    network = load_model("mam", [f"anatomy.facts={raw}", "variants.connectivity=unstabilised"]).network()
    assert network.n_synapses != load_model("mam", ["variants.connectivity=unstabilised"]).network().n_synapses


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no checkout of INM-6/multi-area-model"):
        compare_checkout(tmp_path)
    (tmp_path / "cortical_surface.csv").write_text("# about\n\nV1\t1\n", encoding="utf-8")
    with pytest.raises(DocumentError, match="at 'architectural_types': the table cannot be read"):
        compare_checkout(tmp_path)
