"""Plain data about a run, without anybody's name in it."""

import json
import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

import spinn_mam
from spinn_mam import provenance

HOME = Path("/home/ada")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("/home/ada", "~"),
        ("/home/ada/runs/x", "~/runs/x"),
        ("/home/adam/runs/x", "x"),
        ("/scratch/ada/x.npz", "x.npz"),
        ("--out=/home/ada/runs", "--out=~/runs"),
        ("--out=/data/ada", "--out=USER"),
        ("runs/ada/x", "runs/USER/x"),
        ("no file /srv/a/b.toml: give another", "no file b.toml: give another"),
        ("~ada/x", "~/x"),
        ("1/2 and 3 / 4, spikes/s", "1/2 and 3 / 4, spikes/s"),
        ("https://doi.org/10.1/x", "https://doi.org/10.1/x"),
        ("C:\\Users\\ada\\x.toml", "x.toml"),
        (3.5, 3.5),
        (None, None),
    ],
)
def test_scrub(given, kept):
    assert provenance.scrub(given, home=HOME, user="ada") == kept


def test_scrub_reaches_keys_and_nested_values():
    given = {"/home/ada/a": [{"p": HOME / "b"}, ("/home/ada/c", 1)]}
    assert provenance.scrub(given, home=HOME, user="ada") == {"~/a": [{"p": "~/b"}, ["~/c", 1]]}


def test_command_line_can_be_pasted():
    argv = ["/opt/env/bin/spinn-mam", "run", "pd14", "--set", "neuron.tau_m=12 ms", "--out", "/home/ada/my runs/a"]
    assert provenance.command_line(argv, home=HOME, user="ada") == "spinn-mam run pd14 --set 'neuron.tau_m=12 ms' --out ~/'my runs/a'"
    assert provenance.command_line(["/x/spinn_mam/__main__.py", "plan"], home=HOME, user="ada") == "spinn-mam plan"
    assert provenance.command_line([]) == ""


def test_versions_leave_out_what_is_not_installed():
    found = provenance.versions(("no-such-distribution-here",))
    assert found["spinn_mam"] == spinn_mam.__version__
    assert {"python", "numpy", "scipy", "numba"} <= found.keys()
    assert "no-such-distribution-here" not in found


def test_host_is_plain_and_nameless():
    h = provenance.host()
    assert h["cores_logical"] >= 1
    assert h["memory_GiB"] > 0
    assert len(h["load_average"]) == 3
    assert not {"name", "node", "hostname", "user"} & h.keys()


def test_revision_of_a_checkout_and_of_an_installation(tmp_path, monkeypatch):
    package = tmp_path / "spinn_mam"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(spinn_mam, "__file__", str(package / "__init__.py"))
    assert provenance.source_revision() == {}

    def git(*arguments):
        who = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        return subprocess.run(["git", *who, "-C", str(tmp_path), *arguments], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    git("add", "spinn_mam/__init__.py")
    git("commit", "-q", "--no-verify", "-m", "first")
    assert provenance.source_revision() == {"commit": git("rev-parse", "HEAD"), "modified": False}
    (package / "__init__.py").write_text("x = 1\n")
    assert provenance.source_revision()["modified"] is True


def test_manifest_is_json_and_names_nobody(monkeypatch):
    monkeypatch.setattr(provenance, "_user", lambda: "adalovelace")
    monkeypatch.setattr(Path, "home", lambda: Path("/home/adalovelace"))
    m = provenance.manifest(
        command=["spinn-mam", "run", "pd14", "--out", "/home/adalovelace/r"],
        seeds={"network": 1},
        digests={"network": "ab"},
        wall_times_s={"map": 0.5},
        started=datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))),
        extra={"outputs": ["/home/adalovelace/r/report.html"], "reference": "/data/adalovelace/ref"},
    )
    text = json.dumps(m)
    assert m["format"] == "spinn_mam.manifest/1"
    assert m["started"] == "2026-01-01T11:00:00+00:00"
    assert m["command"] == "spinn-mam run pd14 --out ~/r"
    assert m["outputs"] == ["~/r/report.html"]
    assert "adalovelace" not in text
    assert "/home" not in text


def test_manifest_refuses_a_key_twice():
    with pytest.raises(ValueError, match="seeds"):
        provenance.manifest(command=["x"], seeds={}, digests={}, wall_times_s={}, extra={"seeds": 1}, started=datetime.now(UTC))
