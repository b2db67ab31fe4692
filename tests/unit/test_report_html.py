"""The report: one file, valid, safe, and honest about what is missing."""

import dataclasses
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.figure import Figure

from spinn_mam.energy.constants import load_power_constants
from spinn_mam.energy.literature import literature_rows
from spinn_mam.energy.metered_run import check_metered_run
from spinn_mam.energy.model import MappingFacts, run_phase_energy
from spinn_mam.recording import ActivityCounts
from spinn_mam.report.html import (
    Absent,
    Cell,
    Citation,
    KeyNumber,
    Override,
    Picture,
    ReportContent,
    Table,
    Verdict,
    format_number,
    render_report,
    write_report,
)
from spinn_mam.report.inline import HEAVY_POINTS, figure_markup

HOSTILE = "<script>alert('x')</script> & \"quoted\" <img src=http://example.org/x onerror=x>"
VOID = {"meta", "img", "br", "link", "input", "hr"}
SECTIONS = ("parameters", "mapping", "real-time", "stages", "analysis", "energy", "comparison", "provenance", "reproduce", "sources")


class Page(HTMLParser):
    """Collect tags, attributes and text; complain of tags that do not match."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.text = [], [], [], [], {}
        self.section = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        names = [k for k, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        assert not [n for n in names if n.startswith("on")], names
        given = dict(attributes)
        if "id" in given:
            self.ids.append(given["id"])
        self.links += [given[k] for k in ("src", "href", "xlink:href", "data", "action") if k in given]
        if tag == "section":
            self.section = given["id"]

    def handle_endtag(self, tag):
        assert self.open, tag
        assert self.open.pop() == tag
        if tag == "section":
            self.section = ""

    def handle_data(self, data):
        self.text[self.section] = self.text.get(self.section, "") + data


def figure(text="rate (spikes/s)", n=10):
    f = Figure(figsize=(3, 2))
    axes = f.add_subplot()
    axes.plot(np.linspace(0, 1, n), np.random.default_rng(1).random(n), "k.")
    axes.set_xlabel(text)
    return f


def energy(n_events=9_380_000_000):
    activity = ActivityCounts(2_500_000, n_events, 1, 10_000.0)
    return run_phase_energy(activity, MappingFacts(6, 288, 967, 20.0), time_scale_factor=20.0, constants=load_power_constants())


def full(text="plain"):
    picture = Picture(figure(text), alt=text, caption=text)
    table = Table(("", text), ((text, Cell(0.05, "pass", doi="10.1/a", title=text)), ("L5I", Cell(text, "fail"))), caption=text, note=text)
    return ReportContent(
        title=text,
        subtitle=text,
        created=text,
        numbers=(KeyNumber(text, text, text),),
        verdict=Verdict("pass", text),
        raster=picture,
        rates=picture,
        accuracy=table,
        machine=Picture(figure(text), alt=text, png=True),
        energy=energy(),
        energy_checks=check_metered_run(load_power_constants()),
        literature=literature_rows(),
        drive=text,
        warnings=(text,),
        overrides=(Override(text, text, text),),
        parameters=table,
        mapping=table,
        mapping_pictures=(picture, picture),
        stages=table,
        real_time=(picture, table),
        analysis=(picture, table),
        provenance={text: {"seeds": {"a": 1}, text: [text, 2]}},
        citations=(Citation(text, "10.1/b"), Citation(text)),
        command=text,
    )


@pytest.mark.parametrize("content", [full(), ReportContent(title="empty"), full(HOSTILE)], ids=["full", "empty", "hostile"])
def test_page_is_balanced_and_needs_nothing_else(content):
    text = render_report(content)
    page = Page(text)
    assert text.startswith("<!DOCTYPE html>")
    assert len(page.ids) == len(set(page.ids))
    assert not {"script", "link", "iframe", "object", "base"} & set(page.tags)
    for link in page.links:
        assert re.match(r"#|data:image/png;base64,|https://doi\.org/10\.", link), link[:80]
    assert all(link[1:] in page.ids for link in page.links if link.startswith("#"))
    assert all(target in page.ids for target in re.findall(r"url\(#([^)]+)\)", text))
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)


def test_hostile_text_is_shown_not_run():
    text = render_report(full(HOSTILE))
    assert "<script" not in text
    assert "<img src=http" not in text
    page = Page(text)
    assert HOSTILE in page.text["parameters"]
    assert HOSTILE in page.text["provenance"]
    assert HOSTILE in page.text["reproduce"]
    assert text.count("<title>") == 1
    assert "&lt;script&gt;" in text


def test_every_section_has_its_heading_and_content():
    page = Page(render_report(full("zebra")))
    for section in SECTIONS:
        assert section in page.ids
        assert "Not shown" not in page.text[section], section
    for section in ("parameters", "mapping", "stages", "analysis", "provenance", "reproduce", "sources"):
        assert "zebra" in page.text[section], section
    first = page.text[""]
    assert all(heading in first for heading in ("Spikes", "Rates against the reference", "Accuracy", "Machine", "Energy of the run phase"))
    assert "not shown" not in first


def test_what_is_missing_says_why_and_leaves_no_box():
    reasons = {name: Absent(f"because of {name}.") for name in ("raster", "rates", "accuracy", "machine", "energy", "verdict")}
    below = {name: Absent(f"because of {name}.") for name in ("parameters", "mapping", "stages", "analysis", "provenance")}
    text = render_report(ReportContent(title="t", **reasons, **below))
    page = Page(text)
    for name in reasons:
        assert f"because of {name}." in page.text[""], name
    for name in below:
        assert f"because of {name}." in page.text[name], name
    for name in ("comparison", "reproduce", "sources"):
        assert "Not shown" in page.text[name], name
    assert 'class="card raster"' not in text
    assert 'class="first' not in text
    assert "No parameter differs" in page.text["parameters"]


def test_one_missing_part_leaves_the_others():
    text = render_report(dataclasses.replace(full(), machine=Absent("there is no deployment.")))
    assert 'class="card machine"' not in text
    assert 'class="card raster"' in text
    assert "Machine not shown: there is no deployment." in text


def test_a_table_of_hundreds_of_rows_is_folded_with_its_note_in_sight():
    rows = tuple((f"V{i}", i) for i in range(254))
    for shown, folded in ((rows, 1), (rows[:20], 0)):
        table = Table(("population", "rate"), shown, caption="Rates", note="A note.")
        page = Page(render_report(dataclasses.replace(full(), analysis=(table,))))
        assert page.tags.count("details") == folded
        assert ("Rates: 254 rows" in page.text["analysis"]) == bool(folded)
        assert "A note." in page.text["analysis"]


@pytest.mark.parametrize(("outcome", "word"), [("pass", "✓ pass"), ("fail", "✗ fail"), ("undecided", "~ undecided")])
def test_verdict_is_the_badge(outcome, word):
    text = render_report(ReportContent(title="t", verdict=Verdict(outcome, "against five seeds")))
    assert f'<div class="badge {outcome}"><b>{word}</b><span>against five seeds</span></div>' in text


def test_overrides_stand_out():
    text = render_report(ReportContent(title="t", overrides=(Override("neuron.tau_m", "10 ms", "12 ms"),)))
    assert "Differences to the model document" in text
    assert re.search(r"neuron\.tau_m</code></th><td>10 ms</td><td>12 ms", text)
    assert "No parameter differs" not in text


def test_energy_is_called_modelled_with_interval_neighbours_and_dispute():
    page = Page(render_report(dataclasses.replace(full(), energy=energy())))
    e = energy()
    first = page.text[""]
    assert f"{format_number(e.per_synaptic_event_uJ)} µJ" in first
    assert f"{format_number(e.interval_uJ[0])}–{format_number(e.interval_uJ[1])}" in first
    assert "modelled" in first
    assert "5.9 or 4.4" in first
    assert "disputed" in page.text["comparison"]
    for row in literature_rows():
        assert row.system in page.text["comparison"]
        assert row.boundary in page.text["comparison"]
    for constant in e.constants:
        assert constant.source in page.text["energy"]
    assert "held out" in page.text["energy"]


def test_energy_without_events_has_no_share_of_one():
    text = render_report(dataclasses.replace(full(), energy=energy(0)))
    Page(text)
    assert "no synaptic event was counted" in text
    assert 'class="dots"' not in text


def test_many_points_become_pixels_and_the_figure_stays_as_it_was():
    light, heavy = figure(n=20), figure(n=HEAVY_POINTS + 1)
    assert "data:image/png" not in figure_markup(light, alt="a", prefix="p")
    markup = figure_markup(heavy, alt="a", prefix="p")
    assert markup.startswith("<svg")
    assert "data:image/png" in markup
    assert heavy.axes[0].lines[0].get_rasterized() is False
    assert "rate (spikes/s)" in markup


def test_a_huge_figure_becomes_one_picture():
    f = Figure(figsize=(4, 3))
    axes = f.add_subplot()
    for i in range(150):
        axes.plot(np.arange(1000), np.random.default_rng(i).random(1000))
    assert figure_markup(f, alt='say "a"', prefix="p").startswith('<img class="figure" alt="say &quot;a&quot;" src="data:image/png;base64,')


def test_black_follows_the_reader_and_identifiers_are_apart():
    one, two = (figure_markup(figure(), alt="a", prefix=p) for p in ("a1", "b2"))
    assert "#000000" not in one
    assert "currentColor" in one
    ids = [set(re.findall(r'\bid="([^"]+)"', m)) for m in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert one == figure_markup(figure(), alt="a", prefix="a1")


def test_written_whole_and_small(tmp_path):
    path = write_report(tmp_path / "report.html", full())
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    assert path.stat().st_size < 3_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0"),
        (7, "7"),
        (1234567, "1\u202f234\u202f567"),
        (99.96, "100"),
        (np.int64(1023), "1\u202f023"),
        (np.float64(0.125), "0.125"),
        (0.00996, "0.00996"),
        (-3.14159, "-3.14"),
        (2e9, "2×10⁹"),
    ],
)
def test_numbers_are_for_reading(value, text):
    assert format_number(value) == text
