"""Provenance of sPyNNaker's databases: what was lost, late or clipped, and where the time went."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path

#: What cores count (descriptions as in 7.4.1), and what the loss is called here.
CORE_LOSSES = {
    "Times_the_input_buffer_lost_packets": "n_lost_packets",
    "Late spikes": "n_late_spikes",
    "Number_of_late_spikes": "n_spikes_cut_off",
    "Skipped synapses": "n_skipped_synapses",
    "Times_synaptic_weights_have_saturated": "n_saturated_slots",
    "saturation_count": "n_saturated_slots",
    "Times_the_timer_tic_over_ran": "n_timer_overruns",
    "Times_a_time_step_was_skipped": "n_skipped_steps",
    "Times_the_transfer_did_not_complete_in_time": "n_late_transfers",
    "Times_the_dma_queue_was_overloaded": "n_queue_overloads",
    "Times_the_user_queue_was_overloaded": "n_queue_overloads",
    "Times_the_background_queue_overloaded": "n_queue_overloads",
}
#: What cores count that is no loss.
CORE_COUNTS = {
    "Total_pre_synaptic_events": "n_deliveries",
    "How many spikes were processed": "n_packets_processed",
}
#: What routers count while the network runs. Packets that the reinjector sent again are not lost.
DROPPED, REINJECTED = "RunDropped_Multicast_Packets", "RunReinjected"
NO_ROUTE = "RunDropped_Multicast_Packets_via_local_transmission"
#: sPyNNaker's algorithms and what their time is called here.
TIMES = {"Application runner": "simulate_s", "Synapse expander": "synapse_expander_s", "Graph data specification writer": "generate_s"}
CATEGORIES = {"Turning on Machine": "machine_s", "Mapping Stage": "mapping_s", "Loading Stage": "load_s", "Running Stage": "run_s"}


def read_counts(database: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Sum up the cores' and routers' provenance.

    Parameters
    ----------
    database : Path
        ``data.sqlite3`` of a run.

    Returns
    -------
    losses, counts : dict of str to int
        Every loss is there, also those of which there are none.
    """
    losses: Counter[str] = Counter(dict.fromkeys(CORE_LOSSES.values(), 0) | {"n_dropped_packets": 0, "n_packets_without_route": 0})
    counts: Counter[str] = Counter(dict.fromkeys(CORE_COUNTS.values(), 0))
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        for description, total in connection.execute("SELECT description, SUM(the_value) FROM core_provenance GROUP BY description"):
            if description in CORE_LOSSES:
                losses[CORE_LOSSES[description]] += int(total)
            elif description in CORE_COUNTS:
                counts[CORE_COUNTS[description]] += int(total)
        for description, total in connection.execute("SELECT description, SUM(the_value) FROM router_provenance GROUP BY description"):
            if description == DROPPED:
                losses["n_dropped_packets"] += int(total)
            elif description == REINJECTED:
                losses["n_dropped_packets"] -= int(total)
            elif description == NO_ROUTE:
                losses["n_packets_without_route"] += int(total)
    connection.close()
    losses["n_dropped_packets"] = max(0, losses["n_dropped_packets"])
    return dict(losses), dict(counts)


def read_times(database: Path) -> dict[str, float]:
    """Sum up wall times (s) of sPyNNaker's stages and main algorithms from ``global_provenance.sqlite3``, kept there in milliseconds."""
    times: Counter[str] = Counter()
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        for name, taken in connection.execute("SELECT algorithm, SUM(time_taken) FROM timer_provenance WHERE skip_reason IS NULL GROUP BY algorithm"):
            if name in TIMES:
                times[TIMES[name]] += taken / 1e3
        for name, taken in connection.execute("SELECT category, SUM(time_taken) FROM category_timer_provenance GROUP BY category"):
            if name in CATEGORIES and taken:
                times[CATEGORIES[name]] += taken / 1e3
    connection.close()
    return {name: float(value) for name, value in times.items()}
