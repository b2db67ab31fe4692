"""The host tools as they are installed, against the board's server: spinnman call by call, and sPyNNaker with runs, continued runs and resets."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("unicorn")
pytest.importorskip("spynnaker")

from spinn_mam.machine.board_config import load_board_config
from spinn_mam.virtual_board.engine import Engine
from spinn_mam.virtual_board.hardware import Hardware
from spinn_mam.virtual_board.scp.server import BoardServer
from spinn_mam.virtual_board.structs import RunTimeError, Sv
from spinn_mam.virtual_board.system_variables import SystemVariables

CONFIGURATION = """
[Machine]
machine_name = {host}
version = 5
time_scale_factor = 1
post_simulation_overrun_before_error = 100000
"""
#: Without the tools' own cores that stream data and send lost packets again.
NO_MONITORS = """
enable_advanced_monitor_support = False
enable_reinjection = False
"""

#: Uses what the transceiver offers, one thing after the other, and prints what it saw.
TOOLS = r"""
import hashlib, json, os, sys, time
from spinnman.config_setup import unittest_setup
unittest_setup()
from spinn_utilities.config_holder import set_config
set_config("Machine", "version", "5")
from spinn_machine import CoreSubsets, MulticastRoutingEntry, RoutingEntry
from spinn_machine.tags import IPTag, ReverseIPTag
from spinnman.data import SpiNNManDataView
from spinnman.data.spinnman_data_writer import SpiNNManDataWriter
from spinnman.messages.scp.enums import Signal
from spinnman.messages.spinnaker_boot import SystemVariableDefinition
from spinnman.model import DiagnosticFilter
from spinnman.model.enums import CPUState, UserRegister, DiagnosticFilterPacketType
from spinnman.transceiver import create_transceiver_from_hostname

host, binary = sys.argv[1:]
seen = {}
writer = SpiNNManDataWriter.mock()
t = create_transceiver_from_hostname(host)
machine = t.get_machine_details()
writer.set_machine(machine)
t.discover_scamp_connections()
seen["machine"] = [machine.width, machine.height, machine.n_chips, machine.total_available_user_cores]
seen["ethernet"] = sorted((c.x, c.y, c.ip_address) for c in machine.ethernet_connected_chips)
seen["links"] = sorted(link.source_link_id for link in machine[1, 1].router.links)
seen["chip"] = [machine[1, 1].n_placable_processors, machine[1, 1].sdram, machine[1, 1].router.n_available_multicast_entries]
seen["variables"] = {v.name: v.offset for v in SystemVariableDefinition}

data = bytes(i * 7 & 255 for i in range(200_003))
t.write_memory(5, 5, 0x60300001, data)
seen["memory"] = t.read_memory(5, 5, 0x60300001, len(data)) == data
addresses = t.malloc_sdram_multi([(5, 5, 1000, 30, 3), (5, 5, 2000, 30, 4), (8, 8, 10, 30, 0)])
seen["malloc"] = [addresses[1] - addresses[0], addresses[2] > 0]
t.write_user(5, 5, 3, UserRegister.USER_0, 0x1234)
seen["user"] = t.read_user(5, 5, 3, UserRegister.USER_0)

routes = [MulticastRoutingEntry(i << 8, 0xFFFFFF00, RoutingEntry(processor_ids=[i + 1], link_ids=[i])) for i in range(5)]
t.load_multicast_routes(5, 5, routes, 30)
back = t.get_multicast_routes(5, 5, 30)
seen["routes"] = [[r.key, r.mask, sorted(r.processor_ids), sorted(r.link_ids)] for r in back]
t.load_fixed_route(5, 5, RoutingEntry(processor_ids=[1, 2], link_ids=[3]), 30)
fixed = t.read_fixed_route(5, 5, 30)
seen["fixed"] = [sorted(fixed.processor_ids), sorted(fixed.link_ids)]

second = machine.get_chip_at(4, 8).ip_address
t.set_ip_tag(IPTag(second, 4, 8, 2, "127.0.0.1", 12345, strip_sdp=True))
t.set_reverse_ip_tag(ReverseIPTag(second, 3, 23456, 5, 5, 6, 1))
seen["tags"] = sorted(str(tag) for tag in t.get_tags())
t.clear_ip_tag(2)
t.clear_ip_tag(3)
seen["tags left"] = len(list(t.get_tags()))

t.clear_router_diagnostic_counters()
t.set_router_diagnostic_filter(5, 5, 12, DiagnosticFilter(False, False, [], [], [], [], [], [DiagnosticFilterPacketType.MULTICAST]))
seen["diagnostics"] = [int(v) for v in t.get_router_diagnostics(5, 5).registers][:2]
t.reset_routing()
t.control_sync(True)

cores = CoreSubsets()
for x, y, p in ((0, 0, 1), (0, 0, 17), (5, 5, 4), (11, 11, 2)):
    cores.add_processor(x, y, p)
t.execute_flood(cores, binary, 30, wait=True)
t.wait_for_cores_to_be_in_state(cores, 30, [CPUState.READY], timeout=20)
infos = t.get_cpu_infos(cores)
seen["cores"] = sorted((i.x, i.y, i.p, i.state.name, i.application_id, i.application_name) for i in map(lambda xyp: infos.get_cpu_info(*xyp), infos))
seen["count"] = t.get_core_state_count(30, CPUState.READY)
t.send_signal(30, Signal.START)
for _ in range(200):
    if t.get_core_state_count(30, CPUState.RUN_TIME_EXCEPTION) == 4:
        break
    time.sleep(0.05)
infos = t.get_cpu_infos(cores)
seen["crashed"] = sorted({(i.state.name, i.run_time_error.name) for i in map(lambda xyp: infos.get_cpu_info(*xyp), infos)})
seen["iobuf"] = len(list(t.get_iobuf(cores)))
t.stop_application(30)
seen["stopped"] = sorted({i.state.name for infos in [t.get_cpu_infos(cores)] for i in map(lambda xyp: infos.get_cpu_info(*xyp), infos)})
seen["routes left"] = len(t.get_multicast_routes(5, 5, 30))
t.close()
print("SEEN " + json.dumps(seen))
"""

#: The same network in both layouts: run, run on, reset and run.
NETWORK = r"""
import json
import sys
import numpy as np
import pyNN.spiNNaker as sim
from spynnaker.pyNN.extra_algorithms.splitter_components import SplitterPopulationVertexFixed

def simulate(split):
    sim.setup(timestep=0.1)
    source = sim.Population(4, sim.SpikeSourceArray(spike_times=[[1.0 + 3 * i + 0.7 * k for k in range(12)] for i in range(4)]))
    neurons = sim.Population(64, sim.IF_curr_exp(tau_syn_E=0.5, tau_syn_I=0.5), **({} if split else {"splitter": SplitterPopulationVertexFixed()}))
    rng = np.random.default_rng(1)
    forward = [(i, j, float(rng.uniform(2, 12)), float(rng.integers(1, 20)) / 10) for i in range(4) for j in range(64)]
    sim.Projection(source, neurons, sim.FromListConnector(forward), receptor_type="excitatory")
    sim.Projection(neurons, neurons, sim.FromListConnector([(i, (i * 7 + 3) % 64, -1.0, 1.0) for i in range(64)]), receptor_type="inhibitory")
    neurons.record(["spikes", "v"])
    seen = []
    def look():
        segment = neurons.get_data().segments[-1]
        seen.append([[[round(float(t), 6) for t in train] for train in segment.spiketrains], np.asarray(segment.analogsignals[0]).tolist()])
    # 320 steps: spikes carry the time step modulo 16, and that of a neuron core goes on over a reset while its receivers' begins anew.
    sim.run(32)
    look()
    if sys.argv[1] == "once":
        sim.end()
        return seen
    sim.run(32)
    look()
    sim.reset()
    sim.run(32)
    look()
    sim.end()
    return seen

with open("seen.json", "w") as file:
    json.dump([simulate(layout == "split") for layout in sys.argv[2:]], file)
"""


def run(folder: Path, name: str, *arguments: object, configuration: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run a script with a home of its own."""
    home = folder / "home"
    home.mkdir()
    (home / ".spynnaker.cfg").write_text(configuration)
    (folder / name).write_text(text)
    command = [sys.executable, str(folder / name), *map(str, arguments)]
    environment = os.environ | {"HOME": str(home)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)


def test_every_call_of_the_transceiver_on_three_boards_from_cold(tmp_path: Path) -> None:
    from spinn_mam.virtual_board.binaries import binary_path

    hardware = Hardware(load_board_config("spin5-3"), "127.66.7.2")
    engine = Engine(hardware)
    failed: list[Any] = []
    with BoardServer(hardware, engine) as server:
        server.events.core_failed.append(failed.append)
        result = run(tmp_path, "tools.py", server.addresses[0], binary_path("IF_curr_exp"), configuration="", text=TOOLS)
        assert result.returncode == 0, result.stderr[-3000:]
        assert server.booted
        assert server.failure is None
    engine.close()
    seen = json.loads(next(line for line in result.stdout.splitlines() if line.startswith("SEEN "))[5:])
    n_cores = sum(chip.n_cores for chip in hardware.chips)
    assert seen["machine"] == [16, 16, 144, n_cores - 144]
    assert seen["ethernet"] == [[chip.x, chip.y, chip.ip_address] for chip in hardware.ethernet_chips]
    assert seen["links"] == [0, 1, 2, 3, 4, 5]
    assert seen["chip"] == [16, 123_469_792, 1023]
    assert seen["memory"] is True
    assert seen["malloc"] == [1008, True]
    assert seen["user"] == 0x1234
    assert seen["routes"] == [[i << 8, 0xFFFFFF00, [i + 1], [i]] for i in range(5)]
    assert seen["fixed"] == [[1, 2], [3]]
    assert len(seen["tags"]) == 2
    assert any("127.0.0.1" in tag and "12345" in tag for tag in seen["tags"])
    assert any("23456" in tag for tag in seen["tags"])
    assert seen["tags left"] == 0
    assert seen["diagnostics"] == [0, 0]
    places = [(0, 0, 1), (0, 0, 17), (5, 5, 4), (11, 11, 2)]
    assert seen["cores"] == [[*place, "READY", 30, "IF_curr_exp"] for place in places]
    assert seen["count"] == 4
    # Without data of its own the binary follows a pointer that leads nowhere, and SARK's handler says so.
    assert seen["crashed"] == [["RUN_TIME_EXCEPTION", "DABT"]]
    assert {status.rt_code for status in failed} == {RunTimeError.DATA_ABORT}
    assert sorted((status.x, status.y, status.p) for status in failed) == places
    assert seen["iobuf"] == 4
    assert seen["stopped"] == ["IDLE"]
    assert seen["routes left"] == 0
    names = {
        "x": (Sv.P2P_ADDRESS, 1),
        "x_size": (Sv.P2P_DIMENSIONS, 1),
        "nearest_ethernet_x": (Sv.ETHERNET_ADDRESS, 1),
        "clock_milliseconds": (Sv.CLOCK_MS, 0),
        "sdram_heap_address": (Sv.SDRAM_HEAP, 0),
        "iobuf_size": (Sv.IOBUF_BYTES, 0),
        "links_available": (Sv.LINKS_ENABLED, 0),
        "shared_message_first_free_address": (Sv.MESSAGE_FREE, 0),
        "physical_to_virtual_core_map": (Sv.PHYSICAL_TO_VIRTUAL, 0),
        "n_working_cores": (Sv.N_CPUS, 0),
        "router_table_copy_address": (Sv.ROUTER_COPY, 0),
        "allocated_tag_table_address": (Sv.TAG_TABLE, 0),
        "first_free_router_entry": (Sv.ROUTER_FREE, 0),
        "app_data_table_address": (Sv.APP_DATA, 0),
        "monitor_mailbox_flags": (Sv.MAILBOX_FLAGS, 0),
        "ethernet_ip_address": (Sv.IP_ADDRESS, 0),
        "fixed_route_copy": (Sv.FIXED_ROUTE_COPY, 0),
    }
    assert {name: seen["variables"][name] for name in names} == {name: offset + more for name, (offset, more) in names.items()}


Seen = list[list[list[Any]]]


def simulate(folder: Path, name: str, host: str, more: str, runs: str, *layouts: str) -> Seen:
    """Run the network on a board of its own, once or again and again; for each layout and run the spikes and potentials."""
    hardware = Hardware(load_board_config(name), host)
    engine = Engine(hardware)
    server = BoardServer(hardware, engine)
    server.boot()
    with server:
        result = run(folder, "network.py", runs, *layouts, configuration=CONFIGURATION.format(host=host) + more, text=NETWORK)
        assert result.returncode == 0, result.stderr[-3000:]
        assert server.failure is None
        # All cores were stopped, and nothing that they or the host have allocated is left: both work on the same heaps.
        assert server.core_statuses() == []
        for chip in hardware.chips:
            sv = SystemVariables(chip)
            assert sv.sdram_heap.blocks() == []
            assert {block.app_id for block in sv.system_heap.blocks()} == {0}
            assert sv.sdram_heap.free_bytes == 123_469_792
            assert sv.router_table.largest_free() == 1023
    engine.close()
    seen: Seen = json.loads((folder / "seen.json").read_text())
    return seen


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return simulate(tmp_path_factory.mktemp("plain"), "spin5", "127.66.8.2", NO_MONITORS, "again", "combined", "split")


def test_a_network_in_both_layouts_runs_runs_on_and_runs_again(plain: Seen) -> None:
    combined, split = plain
    assert combined == split
    (spikes, v), (spikes_on, v_on), (spikes_again, v_again) = combined
    assert sum(map(len, spikes)) > 300
    assert [[t for t in train if t < 32] for train in spikes_on] == spikes
    assert (v_on[:320], len(v_on)) == (v, 640)
    assert (spikes_again, v_again) == (spikes, v)


@pytest.mark.parametrize(("machine", "runs"), [("spin5", "once"), pytest.param("spin5-3", "again", marks=pytest.mark.slow)])
def test_the_same_comes_through_the_tools_own_monitors(plain: Seen, tmp_path: Path, machine: str, runs: str) -> None:
    """Data goes in and out over their own protocol and fixed-route packets, as the tools do by default."""
    (seen,) = simulate(tmp_path, machine, "127.66.10.2", "", runs, "combined")
    assert seen == plain[0][: 1 if runs == "once" else None]


#: Spikes go in and out while the cores run, over datagrams.
LIVE = r"""
import json, time
import pyNN.spiNNaker as sim
sim.setup(timestep=1.0)
injector = sim.Population(5, sim.external_devices.SpikeInjector(), label="injector")
neurons = sim.Population(5, sim.IF_curr_exp(), label="neurons")
sim.Projection(injector, neurons, sim.OneToOneConnector(), sim.StaticSynapse(weight=20.0, delay=1))
sim.external_devices.activate_live_output_for(neurons)
neurons.record("spikes")
injector.record("spikes")
got = []
def take(label, time, neurons):
    got.extend([time, neuron] for neuron in neurons)
def inject(label, connection):
    for i in range(5):
        connection.send_spike(label, i)
        time.sleep(0.02)
connection = sim.external_devices.SpynnakerLiveSpikesConnection(receive_labels=["neurons"], send_labels=["injector"], local_port=19999)
connection.add_receive_callback("neurons", take)
connection.add_start_resume_callback("injector", inject)
sim.run(3000)
recorded = [[[round(float(t)) for t in train] for train in p.get_data("spikes").segments[0].spiketrains] for p in (injector, neurons)]
sim.end()
print("SEEN " + json.dumps([*recorded, got]))
"""


def test_spikes_go_in_and_out_live(tmp_path: Path) -> None:
    hardware = Hardware(load_board_config("spin5"), "127.66.12.2")
    engine = Engine(hardware)
    server = BoardServer(hardware, engine)
    server.boot()
    with server:
        result = run(tmp_path, "live.py", configuration=CONFIGURATION.format(host=server.addresses[0]) + NO_MONITORS, text=LIVE)
        assert result.returncode == 0, result.stderr[-3000:]
        assert server.failure is None
    engine.close()
    injected, recorded, live = json.loads(next(line for line in result.stdout.splitlines() if line.startswith("SEEN "))[5:])
    assert [len(train) for train in injected] == [1] * 5
    assert all(recorded)
    assert sorted(live) == sorted([time, neuron] for neuron, train in enumerate(recorded) for time in train)


#: Prints the machine that the tools make of what the board says.
MACHINE = r"""
import json, sys
from spinnman.config_setup import unittest_setup
unittest_setup()
from spinn_utilities.config_holder import set_config
set_config("Machine", "version", "5")
from spinnman.transceiver import create_transceiver_from_hostname
machine = create_transceiver_from_hostname(sys.argv[1]).get_machine_details()
links = {(chip.x, chip.y): sorted(link.source_link_id for link in chip.router.links) for chip in machine.chips}
chips = sorted((chip.x, chip.y, list(chip.placable_processors_ids), links[chip.x, chip.y]) for chip in machine.chips)
print("SEEN " + json.dumps(chips))
"""


def test_the_tools_see_which_chips_cores_and_links_are_dead(tmp_path: Path) -> None:
    document = tmp_path / "damaged.toml"
    document.write_text(
        'format = "spinn_mam.board_config/1"\nname = "damaged"\ntitle = "Dead chips, cores and links"\nboard = "version5"\n'
        "triads = [1, 1]\nwrap = { x = true, y = true }\nmonitors_per_chip = 0\nmonitors_per_ethernet_chip = 0\ndead_boards = []\n"
        "dead_chips = [[3, 3], [11, 0]]\ndead_cores = [[2, 2, 5], [2, 2, 9], [8, 4, 17]]\n"
        "dead_links = [[0, 0, 1], [1, 1, 4], [5, 5, 0], [6, 5, 3]]\n"
    )
    machine = load_board_config(document)
    hardware = Hardware(machine, "127.66.11.2")
    engine = Engine(hardware)
    server = BoardServer(hardware, engine)
    server.boot()
    with server:
        result = run(tmp_path, "machine.py", server.addresses[0], configuration="", text=MACHINE)
        assert result.returncode == 0, result.stderr[-3000:]
    engine.close()
    seen = json.loads(next(line for line in result.stdout.splitlines() if line.startswith("SEEN "))[5:])
    expected = []
    for row in range(machine.n_chips):
        cores = [core for core in range(18) if int(machine.core_ids[row]) >> core & 1]
        links = [link for link in range(6) if machine.neighbour[row, link] >= 0]
        expected.append([int(machine.x[row]), int(machine.y[row]), cores, links])
    assert len(seen) == 144 - 2
    assert seen == expected


def test_the_board_is_not_there_any_more_after_it_was_stopped() -> None:
    hardware = Hardware(load_board_config("spin3"), "127.66.9.2")
    engine = Engine(hardware)
    with BoardServer(hardware, engine):
        pass
    engine.close()
    for port in (17893, 54321):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
            free.bind(("127.66.9.2", port))
