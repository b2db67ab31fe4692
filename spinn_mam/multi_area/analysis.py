"""All that is analysed of a run of a network of many areas, each part made when it is first asked for and kept."""

from __future__ import annotations

from functools import cached_property

from spinn_mam.multi_area.areas import Areas
from spinn_mam.multi_area.rate_series import RateSeries, area_rates, rate_series
from spinn_mam.multi_area.spiking import SpikingStatistics, spiking_statistics
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording

#: Bins of rates in time (ms).
BIN_MS = 1.0


class MultiAreaAnalysis:
    """The analysis of one recording.

    Parameters
    ----------
    recording : Recording
        The window that is analysed.
    areas : Areas
        Of its populations.
    network : NetworkSpec, optional
        The network that was run; what needs its connections cannot be had without.

    Attributes
    ----------
    recording, areas, network
        As above.
    """

    def __init__(self, recording: Recording, areas: Areas, network: NetworkSpec | None = None) -> None:
        self.recording, self.areas, self.network = recording, areas, network

    @cached_property
    def spiking(self) -> tuple[SpikingStatistics, SpikingStatistics]:
        """Spiking statistics of populations and of areas."""
        return spiking_statistics(self.recording, self.areas)

    @cached_property
    def rates(self) -> RateSeries:
        """Rates of populations in bins of BIN_MS."""
        return rate_series(self.recording, BIN_MS)

    @cached_property
    def area_rates(self) -> RateSeries:
        """Rates of areas in bins of BIN_MS."""
        return area_rates(self.rates, self.areas, self.recording.sizes)
