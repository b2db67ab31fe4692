"""The spinnaker backend without sPyNNaker: targets, configuration, refusals, the child process from outside, provenance."""

import dataclasses
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from spinn_mam.backends.base import Network, RunConfig
from spinn_mam.backends.emulator.emulation import initial_potentials as emulator_potentials
from spinn_mam.backends.emulator.layout import make_layout
from spinn_mam.backends.spinnaker import process
from spinn_mam.backends.spinnaker.backend import SpinnakerBackend, virtual_machine
from spinn_mam.backends.spinnaker.checks import check_run
from spinn_mam.backends.spinnaker.job import ERROR, Facts, Job, initial_potentials, pynn_seed
from spinn_mam.backends.spinnaker.losses import CORE_LOSSES, read_counts, read_times
from spinn_mam.backends.spinnaker.targets import Target, configuration, make_target
from spinn_mam.deployment import Deployment
from spinn_mam.errors import RunFailedError, UsageError
from spinn_mam.fixed_point.ring_buffer import ring_buffer_shifts
from spinn_mam.fixed_point.s1615 import ONE
from spinn_mam.flow.settings import RunSettings
from spinn_mam.machine.board_config import load_board_config
from spinn_mam.models import load_model
from spinn_mam.network.spec import Distribution, NetworkSpec, PoissonDrive
from spinn_mam.partitioning.pipeline import map_network
from spinn_mam.report.tables import LATE, LOSSES, loss_lines, summary_lines

SPEC = load_model("pd14", ["thalamus.enabled=true"]).network(0.02, 0.02)
RUN = RunConfig(100.0, 0.0, 1, 1, "shared")


def deployment(spec: NetworkSpec = SPEC, board: str = "spin5", factor: float = 20.0, layout: str = "combined") -> Deployment:
    machine, shifts, rng = load_board_config(board), ring_buffer_shifts(spec), np.random.default_rng(1)
    return map_network(spec, machine, neurons_per_core=80, time_scale_factor=factor, layout=layout, ring_buffer_shifts=shifts, rng=rng)


MAPPED = deployment()


# ----------------------------------------------------------------------------------------------------------------- targets


@pytest.mark.parametrize("name", ["192.168.240.1", "spinn-4.cs.example.org", "board7", "127.0.0.2"])
def test_a_board_is_named_in_the_configuration(name: str) -> None:
    text = configuration(make_target(name, version=5).machine)
    assert f"machine_name = {name}\nversion = 5\n" in text
    assert "write_provenance = True" in text


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("127.0.0.1", "answers without simulating"),
        ("localhost", "answers without simulating"),
        ("0.0.0.0", "address of its own"),
        ("224.0.0.1", "address of its own"),
        ("fe80::1", "IPv4"),
        ("192.168.1.255", "address of its own"),
        ("my board", "neither virtual"),
        ("", "neither virtual"),
        ("http://board", "neither virtual"),
        ("-board", "neither virtual"),
    ],
)
def test_what_is_no_board_is_refused(name: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        make_target(name, version=5)


def user_configuration(tmp_path: Path, *lines: str, name: str = "user.cfg") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(["[Machine]", *lines, ""]))
    return path


def test_spalloc_takes_the_server_and_nothing_else_from_the_user(tmp_path: Path) -> None:
    lines = ("spalloc_server = https://ada:secret@spalloc.example.org/", "spalloc_group=mam", "time_scale_factor = 3", "version = 5")
    target = make_target("spalloc", version=5, configurations=[user_configuration(tmp_path, *lines)])
    assert target.machine == {"version": "5", "spalloc_server": "https://ada:secret@spalloc.example.org/", "spalloc_group": "mam"}


def test_a_later_configuration_overrides_and_spelling_is_as_sPyNNaker_takes_it(tmp_path: Path) -> None:
    home = user_configuration(tmp_path, "spallocServer = old.example.org", name="home.cfg")
    here = user_configuration(tmp_path, "spalloc_server = new.example.org", name="here.cfg")
    target = make_target("spalloc", version=5, configurations=[home, here, tmp_path / "absent.cfg"])
    assert target.machine["spalloc_server"] == "new.example.org"


def test_ebrains_takes_the_url_of_the_job(tmp_path: Path) -> None:
    path = user_configuration(tmp_path, "remote_spinnaker_url = http://server.example.org/job/7/machine", "version=5")
    assert make_target("ebrains", version=5, configurations=[path]).machine["remote_spinnaker_url"].endswith("job/7/machine")


@pytest.mark.parametrize(
    ("name", "lines", "why"),
    [
        ("spalloc", (), "no spalloc_server"),
        ("spalloc", ("spalloc_server = None",), "no spalloc_server"),
        ("spalloc", ("remote_spinnaker_url = http://x.example.org",), "no spalloc_server"),
        ("ebrains", ("machineName = board7",), "no remote_spinnaker_url"),
        ("spalloc", ("spalloc_server = s.example.org", "machineName = board7"), "takes one machine"),
        ("spalloc", ("spalloc_server = s.example.org", "virtual_board = True"), "takes one machine"),
        ("ebrains", ("spalloc_server = s.example.org", "remote_spinnaker_url = http://x.example.org"), "takes one machine"),
        ("spalloc", ("spalloc_server = s.example.org", "version = 3"), "version = 3"),
        ("ebrains", ("remote_spinnaker_url = s.example.org",), "no http address"),
        ("spalloc", ("spalloc_server s.example.org",), "no readable configuration"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(tmp_path: Path, name: str, lines: tuple[str, ...], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        make_target(name, version=5, configurations=[user_configuration(tmp_path, *lines)])


def test_small_boards_are_not_given_out(tmp_path: Path) -> None:
    path = user_configuration(tmp_path, "spalloc_server = s.example.org")
    with pytest.raises(UsageError, match="48 chips"):
        make_target("spalloc", version=3, configurations=[path])


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"target": "board7"}, "only --backend spinnaker"),
        ({"backend": "nest", "layout": "split"}, "NEST has no cores"),
        ({"synapse_cores": 2}, "--layout split"),
        ({"layout": "split", "synapse_cores": 15}, "1 to 14"),
        ({"drop": 0.1}, "virtual board"),
        ({"backend": "spinnaker", "target": "board7", "shuffle": True}, "virtual board"),
        ({"backend": "spinnaker", "late": 1.5}, "probability"),
        ({"backend": "nest", "connectivity": "expander"}, "--connectivity expander"),
    ],
)
def test_flags_of_the_machine_belong_to_the_spinnaker_backend(settings: dict[str, object], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        RunSettings("pd14", n_scaling=0.02, k_scaling=0.02, **settings).load()  # type: ignore[arg-type]


# ---------------------------------------------------------------------------------------------------------------- refusals


def violations(
    spec: NetworkSpec, run: RunConfig = RUN, mapped: Deployment | None = MAPPED, on_hardware: bool = True, layout: str = "combined"
) -> dict[str, str]:
    if mapped is not None and spec is not SPEC:
        mapped = dataclasses.replace(mapped, network_digest=spec.digest())
    found = check_run(Network.from_seed(spec, 1), run, mapped, layout=layout, offset=1, on_hardware=on_hardware)
    return {violation.rule: str(violation) for violation in found}


def changed(**changes: object) -> NetworkSpec:
    """Change a field of the first projection, of the first population's neuron, or of the network."""
    projection, population = SPEC.projections[0], SPEC.populations[0]
    if changes.keys() & {"weight", "delay"}:
        return dataclasses.replace(SPEC, projections=(dataclasses.replace(projection, **changes), *SPEC.projections[1:]))
    if "dt" in changes:
        return dataclasses.replace(SPEC, **changes)
    if "I_e" in changes:
        return dataclasses.replace(SPEC, populations=(dataclasses.replace(population, **changes), *SPEC.populations[1:]))
    last = dataclasses.replace(SPEC.populations[-1], **changes)
    return dataclasses.replace(SPEC, populations=(*SPEC.populations[:-1], last))


def test_the_microcircuit_passes() -> None:
    assert not violations(SPEC)


@pytest.mark.parametrize(
    ("spec", "rule", "text"),
    [
        (changed(dt=2.007), "time step", "2008 microseconds"),
        (changed(dt=0.0625), "time step", "63 microseconds"),
        (changed(weight=Distribution(1e7, 0.0)), "weight", "would be cut"),
        (changed(weight=Distribution(1e-3, 0.0)), "weight", "become zero"),
        (changed(weight=Distribution(100.0, 60.0)), "weight sign", "both signs"),
        (changed(delay=Distribution(100.0, 0.0)), "delay", "1001 steps, 576"),
        (changed(delay=Distribution(-1.0, 0.0)), "delay", "below one step"),
        (changed(I_e=1e9), "parameter", "s16.15"),
        (changed(source_rate=70_000.0), "rate", "65535 at most"),
        (changed(source_start=700.03), "source", "not a whole number"),
        (changed(source_stop=600.0), "source", "stops before"),
    ],
)
def test_what_would_go_wrong_without_a_word_is_refused(spec: NetworkSpec, rule: str, text: str) -> None:
    found = violations(spec)
    assert text in found[rule]
    assert len(found) == 1 or rule == "time step"  # which concerns the windows of sources too


def test_a_timer_too_fast_is_refused_on_hardware_only() -> None:
    fast = dataclasses.replace(MAPPED, time_scale_factor=0.5)
    assert "not reliable" in violations(SPEC, mapped=fast)["time scale"]
    assert not violations(SPEC, mapped=fast, on_hardware=False)
    odd = dataclasses.replace(MAPPED, time_scale_factor=1.234)
    assert "whole ones are needed" in violations(SPEC, mapped=odd)["time scale"]


def test_an_inhibitory_drive_is_refused_on_split_cores() -> None:
    drive = PoissonDrive(100.0, -50.0, 1.5)
    spec = dataclasses.replace(SPEC, populations=(dataclasses.replace(SPEC.populations[0], drive=drive), *SPEC.populations[1:]))
    assert "wrong neurons" in violations(spec, layout="split")["drive"]
    assert not violations(spec)


def test_lists_with_two_stages_of_delay_are_refused_unless_all_cores_are_full() -> None:
    spec = changed(delay=Distribution(13.0, 0.0))
    assert "131 steps: the source needs 2 stages" in violations(spec)["delay"]
    assert not violations(spec, dataclasses.replace(RUN, connectivity="law"))
    assert not violations(changed(delay=Distribution(12.7, 0.0)))  # one stage
    full = dataclasses.replace(MAPPED.partition, neurons_per_core=np.full(len(SPEC.populations), spec.populations[0].size // 6))
    assert spec.populations[0].size % 6 == 0
    assert not violations(spec, mapped=dataclasses.replace(MAPPED, partition=full))


def test_a_deployment_of_another_network_is_refused() -> None:
    other = dataclasses.replace(MAPPED, network_digest="0" * 32)
    assert "map this one again" in violations(SPEC, mapped=other)["deployment"]


def test_too_many_neurons_a_core_are_refused() -> None:
    partition = dataclasses.replace(MAPPED.partition, neurons_per_core=np.full(len(SPEC.populations), 300))
    assert "256 at most" in violations(SPEC, mapped=dataclasses.replace(MAPPED, partition=partition))["neurons a core"]


def test_too_many_synapses_for_lists_are_refused() -> None:
    spec = load_model("pd14").network(0.5, 0.5)
    assert "connectivity law" in violations(spec, mapped=None)["shared connectivity"]
    assert not violations(spec, dataclasses.replace(RUN, connectivity="law"), mapped=None)


# --------------------------------------------------------------------------------------------------------------------- job


def test_a_job_survives_its_file(tmp_path: Path) -> None:
    job = Job(Network.from_seed(SPEC, 7), "law", 5, 1000, (80,) * 9, ((2, 3),) * 9, (3,) * 9, 20.0, 1)
    job.save(tmp_path)
    assert Job.load(tmp_path) == job


def test_initial_potentials_are_the_emulators() -> None:
    layout = make_layout(SPEC, ring_buffer_shifts(SPEC), 5)
    everywhere = emulator_potentials(SPEC, layout, 5)[layout.state_of[layout.state_of >= 0]]
    ours = np.concatenate([initial_potentials(p, 5) for p in SPEC.populations if not p.is_source])
    assert np.array_equal(everywhere, ours * ONE)


def test_seeds_are_numpys_and_differ() -> None:
    seeds = [pynn_seed(seed, kind, p.name) for seed in (1, 2) for kind in ("drive", "synapses") for p in SPEC.populations]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**32 for seed in seeds)


@pytest.mark.parametrize(("scale", "layout", "boards"), [(0.02, "combined", 1), (0.1, "combined", 1), (0.3, "combined", 3), (0.3, "split", 3)])
def test_the_virtual_board_is_as_large_as_needed(scale: float, layout: str, boards: int) -> None:
    mapped = deployment(load_model("pd14").network(scale, 0.02), "spin5-6", layout=layout)
    assert virtual_machine(mapped).n_boards == boards
    assert virtual_machine(dataclasses.replace(mapped, machine=load_board_config("spin5"))).n_boards == 1


# ----------------------------------------------------------------------------------------------------------------- process


def test_the_phase_is_that_of_the_last_bar() -> None:
    bar = "|0%                          50%                         100%|\n "
    log = f"2026-01-01 INFO: Simulating\nRouting\n{bar}{60 * '='}\nGenerating data\n{bar}{15 * '='}"
    assert process.last_phase(log) == process.Phase("Generating data", 0.25)
    assert process.last_phase("nothing yet") == process.Phase("start sPyNNaker", 0.0)
    assert process.last_phase(f"Loading\n{bar.strip()}") == process.Phase("Loading", 0.0)


def test_a_failure_is_one_error_with_the_message_and_the_log(tmp_path: Path) -> None:
    (tmp_path / process.LOG).write_text("Loading\n|0%      50%      100%|\n ===")
    (tmp_path / ERROR).write_text(json.dumps({"type": "SpinnmanTimeoutException", "message": "Operation timed out\nafter 10 seconds."}))
    error = process.failure(tmp_path, 1, Path("runs/x/spynnaker.log"))
    assert (
        str(error)
        == "sPyNNaker stopped at 'Loading': SpinnmanTimeoutException: Operation timed out after 10 seconds. Its log is runs/x/spynnaker.log"
    )
    assert error.exit_code == 5
    (tmp_path / ERROR).unlink()
    assert "killed by signal 9" in str(process.failure(tmp_path, -9, Path("x")))
    assert "exit code 3" in str(process.failure(tmp_path, 3, Path("x")))


def test_an_interrupt_ends_the_child_and_what_it_started(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    grandchild = "import time; time.sleep(60)"
    code = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
        f"p = subprocess.Popen([sys.executable, '-c', {grandchild!r}]);"
        f"open({str(marker)!r} + '.part', 'w').write(str(p.pid));"
        f"import os; os.replace({str(marker)!r} + '.part', {str(marker)!r}); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code], start_new_session=True)
    while not marker.exists():
        time.sleep(0.02)
    process.end(child, grace_s=0.3)
    assert child.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and _runs(int(marker.read_text())):
        time.sleep(0.02)
    assert not _runs(int(marker.read_text()))


def _runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_a_job_that_cannot_be_read_is_an_error_with_a_log(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "job.json").write_text('{"format": "something else"}')
    kept = tmp_path / "kept.log"
    with pytest.raises(RunFailedError, match=r"expected 'spinn_mam\.spinnaker_job/1'"):
        process.run_child(folder, "[Machine]\n", kept, lambda phase: None)
    assert "Traceback" in kept.read_text()


def test_the_child_stops_when_its_parent_is_gone(tmp_path: Path) -> None:
    code = "import sys, time; from spinn_mam.backends.spinnaker import child; import threading; " + (
        "threading.Thread(target=child._stop_with_parent, daemon=True).start(); print('ready', flush=True); time.sleep(60)"
    )
    started = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path)
    assert started.stdout is not None
    assert started.stdout.readline() == b"ready\n"
    _, err = started.communicate(timeout=10)
    assert b"KeyboardInterrupt" in err
    assert started.returncode == -signal.SIGINT


def test_what_the_watch_raises_ends_the_child(tmp_path: Path) -> None:
    def watch() -> None:
        raise KeyboardInterrupt

    Job(Network.from_seed(SPEC, 7), "law", 5, 1000, (80,) * 9, ((2, 3),) * 9, (3,) * 9, 20.0, 1).save(tmp_path)
    before = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        process.run_child(tmp_path, "[Machine]\n", tmp_path / "kept.log", lambda phase: None, watch)
    assert time.monotonic() - before < 10


# -------------------------------------------------------------------------------------------------------------- provenance


def test_losses_are_summed_over_cores_and_routers(tmp_path: Path) -> None:
    path = tmp_path / "data.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE core_provenance(core_id, description, the_value)")
        connection.execute("CREATE TABLE router_provenance(x, y, description, the_value)")
        rows = [(1, "Late spikes", 3), (2, "Late spikes", 4), (1, "Total_pre_synaptic_events", 100), (1, "Max late spike", 9)]
        connection.executemany("INSERT INTO core_provenance VALUES (?, ?, ?)", rows)
        routers = [("RunDropped_Multicast_Packets", 10), ("RunReinjected", 7), ("LoadDropped_Multicast_Packets", 5)]
        connection.executemany("INSERT INTO router_provenance VALUES (0, 0, ?, ?)", routers)
    connection.close()
    losses, counts = read_counts(path)
    assert losses.pop("n_late_spikes") == 7
    assert losses.pop("n_dropped_packets") == 3
    assert set(losses.values()) == {0}
    assert counts["n_deliveries"] == 100


def test_times_are_seconds(tmp_path: Path) -> None:
    path = tmp_path / "global.sqlite3"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE timer_provenance(algorithm, time_taken, skip_reason)")
        connection.execute("CREATE TABLE category_timer_provenance(category, time_taken)")
        connection.execute("INSERT INTO timer_provenance VALUES ('Application runner', 1500.0, NULL), ('Application runner', 500.0, NULL)")
        connection.execute("INSERT INTO category_timer_provenance VALUES ('Mapping Stage', 250.0), ('Waiting', 1.0)")
    connection.close()
    assert read_times(path) == {"simulate_s": 2.0, "mapping_s": 0.25}


def test_every_loss_has_its_words() -> None:
    assert set(CORE_LOSSES.values()) | {"n_dropped_packets", "n_packets_without_route"} == {*LOSSES, *LATE}
    assert loss_lines(dict.fromkeys(LOSSES, 0)) == []
    run = {"timing": "functionally executed, timing not modelled", "n_spikes": 12, "wall_time_s": 3.0, "losses": {"n_late_spikes": 2}}
    assert summary_lines({"run": run})[1:] == ["no packet lost, no sum clipped", f"late: 2 {LATE['n_late_spikes']}"]
    assert summary_lines({"run": run | {"losses": {"n_lost_packets": 2}}})[1].startswith("run with losses: 2 packets")


def test_facts_survive_their_file(tmp_path: Path) -> None:
    facts = Facts({"run_s": 1.0}, {"n_late_spikes": 0}, {}, {"boards": 1}, {"L4E": [[0, 0, 3, 0, 80]]}, {"sPyNNaker": "1!7.4.1"}, 10)
    facts.save(tmp_path)
    assert Facts.load(tmp_path) == facts


def test_only_what_hardware_has_is_hardware() -> None:
    board = SpinnakerBackend(Target("board7", MappingProxyType({"machine_name": "board7"})))
    assert board.capabilities.needs_hardware
    assert not SpinnakerBackend(Target("virtual")).capabilities.needs_hardware
    assert os.fspath(board.kept_log) == "spynnaker.log"
