"""All that is analysed of a run of a network of many areas, each part made when it is first asked for and kept."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from spinn_mam.errors import UsageError
from spinn_mam.multi_area import bold
from spinn_mam.multi_area.anatomy import Anatomy, find_anatomy
from spinn_mam.multi_area.area_spectra import AreaSpectra, area_spectra
from spinn_mam.multi_area.areas import Areas
from spinn_mam.multi_area.communities import Similarity, louvain, modularity_matrix, similarity
from spinn_mam.multi_area.functional_connectivity import Agreement, compare_matrices, functional_connectivity, measured_connectivity
from spinn_mam.multi_area.granger import Causality, granger_causality
from spinn_mam.multi_area.hierarchy import Ensemble, anatomical_levels, optimal_hierarchies, relations
from spinn_mam.multi_area.map_equation import map_equation_modules
from spinn_mam.multi_area.paths import Path, strongest_paths
from spinn_mam.multi_area.rate_series import RateSeries, area_rates, rate_series
from spinn_mam.multi_area.spiking import SpikingStatistics, spiking_statistics
from spinn_mam.multi_area.stability import RankAgreement, Stability, area_stability, rank_agreement
from spinn_mam.multi_area.synaptic_input import absolute_weights, area_in_degrees, in_degrees, synaptic_input
from spinn_mam.multi_area.temporal_order import TemporalOrder, temporal_order
from spinn_mam.multi_area.timescales import Timescales, timescales
from spinn_mam.network.spec import NetworkSpec
from spinn_mam.recording import Recording

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Bins of rates in time (ms).
BIN_MS = 1.0
#: Bins of directed interactions (ms), and how many of the past: together as long as the 25 bins of 1 ms of Schmidt et al. (2018), in a
#: hundredth of the time.
PAST_BIN_MS, PAST_BINS = 5.0, 5
#: In-degree of the full-scale network above which a population could act on another: as there.
LEAST_IN_DEGREE = 1.0
#: What the published divisions are of.
PUBLISHED = {"structure": "unstabilised structure", "stabilised": "stabilised structure", "simulated": "metastable activity", "fmri": "fMRI"}
#: Seed of searches and of permutations.
SEED = 1


def possible_sources(network: NetworkSpec) -> npt.NDArray[np.bool_]:
    """Return which populations could act on which, [target, source], shape (n, n)."""
    return in_degrees(network) > LEAST_IN_DEGREE * network.K_scaling


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
    recording, areas
        As above.
    """

    def __init__(self, recording: Recording, areas: Areas, network: NetworkSpec | None = None) -> None:
        self.recording, self.areas, self._network = recording, areas, network

    @property
    def network(self) -> NetworkSpec:
        """The network.

        Raises
        ------
        UsageError
            If it is not known.
        """
        if self._network is None:
            raise UsageError("this needs the network that was run: give a run folder, not a recording alone")
        return self._network

    @cached_property
    def anatomy(self) -> Anatomy | None:
        """Facts about the areas; None if there are none."""
        return find_anatomy(self.areas.names)

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

    @cached_property
    def spectra(self) -> AreaSpectra:
        """Power spectra of areas."""
        return area_spectra(self.area_rates, self.areas.member @ np.array(self.recording.sizes))

    @cached_property
    def timescales(self) -> Timescales:
        """Intrinsic time-scales of areas."""
        return timescales(self.area_rates)

    @cached_property
    def order(self) -> TemporalOrder:
        """Temporal order of areas."""
        return temporal_order(self.area_rates)

    @cached_property
    def stability(self) -> Stability | None:
        """Stability of areas in mean-field theory; None if the network is not known or theory has no state of it."""
        return None if self._network is None else area_stability(self._network, self.areas.names)

    @cached_property
    def order_by_stability(self) -> dict[str, RankAgreement]:
        """How the times of areas agree by rank with their stability: of areas alone, and their part in the critical mode; what there is."""
        if self.stability is None:
            return {}
        measures = {"areas alone": self.stability.alone, "critical mode": self.stability.participation}
        found = {name: rank_agreement(values, self.order.time_ms, np.random.default_rng(SEED)) for name, values in measures.items()}
        return {name: agreement for name, agreement in found.items() if agreement is not None}

    @cached_property
    def synaptic_input(self) -> RateSeries:
        """Synaptic input of areas in bins of BIN_MS."""
        return synaptic_input(self.rates, self.network, self.areas)

    @cached_property
    def connectivity(self) -> FloatArray:
        """Functional connectivity of areas by synaptic input."""
        return functional_connectivity(self.synaptic_input)

    @cached_property
    def bold_connectivity(self) -> FloatArray | None:
        """Functional connectivity of areas by BOLD signals; None if the recording is too short."""
        if self.recording.duration_ms < bold.CUT_MS + bold.LEAST_MS:
            return None
        return functional_connectivity(bold.bold_signal(self.synaptic_input))

    @cached_property
    def measured_connectivity(self) -> FloatArray | None:
        """Functional connectivity of areas in fMRI, mean over the hemispheres; None if the facts are not installed."""
        return None if self.anatomy is None else np.asarray(measured_connectivity(self.areas.names).mean(axis=0), dtype=np.float64)

    @cached_property
    def agreements(self) -> dict[str, Agreement]:
        """How far functional connectivity, and the structure without activity, agree with fMRI; empty without the facts."""
        measured = self.measured_connectivity
        matrices = {"synaptic input": self.connectivity, "BOLD": self.bold_connectivity, "structure": (self.structure + self.structure.T) / 2}
        return {
            name: compare_matrices(matrix, measured, np.random.default_rng(SEED))
            for name, matrix in matrices.items()
            if measured is not None and matrix is not None
        }

    @cached_property
    def structure(self) -> FloatArray:
        """Share of each source area in the synapses that each area gets from others, [target, source]; the diagonal is 0."""
        synapses = area_in_degrees(self.network, self.areas)
        np.fill_diagonal(synapses, 0.0)
        total = synapses.sum(axis=1, keepdims=True)
        return np.asarray(np.divide(synapses, total, out=np.zeros_like(synapses), where=total > 0), dtype=np.float64)

    @cached_property
    def communities(self) -> dict[str, IntArray]:
        """Divisions of the areas: of the network by map equation and modularity, of activity and fMRI by modularity, and the published ones."""
        rng = np.random.default_rng(SEED)
        found: dict[str, IntArray] = {}
        if self.structure.any():
            found["structure, map equation"] = map_equation_modules(self.structure, rng)[0]
            found["structure, modularity"] = louvain(modularity_matrix(self.structure), rng)[0]
        for name, matrix in (("synaptic input", self.connectivity), ("BOLD", self.bold_connectivity), ("fMRI", self.measured_connectivity)):
            if matrix is not None and np.isfinite(matrix).any():
                found[name] = louvain(modularity_matrix(np.nan_to_num(matrix)), rng)[0]
        for name, labels in ({} if self.anatomy is None else self.anatomy.clusters).items():
            if (labels >= 0).all():
                found[f"{PUBLISHED[name]}, published"] = labels
        return found

    @cached_property
    def similarities(self) -> dict[tuple[str, str], Similarity]:
        """How far each division of the areas agrees with those before it."""
        rng = np.random.default_rng(SEED)
        divisions = list(self.communities.items())
        return {(a, b): similarity(first, second, rng) for i, (a, first) in enumerate(divisions) for b, second in divisions[:i]}

    @cached_property
    def levels(self) -> dict[str, FloatArray]:
        """Hierarchies of single measures, and the mean of the ensemble; empty without facts."""
        if self.anatomy is None:
            return {}
        found = anatomical_levels(self.anatomy)
        if self.ensemble is not None:
            found["ensemble"] = np.where(self.connected_by_relations, self.ensemble.positions().mean(axis=0), np.nan)
        return found

    @cached_property
    def ensemble(self) -> Ensemble | None:
        """Hierarchies that fit the measured relations best; None if none was measured."""
        if self.anatomy is None:
            return None
        relation = relations(self.anatomy.sln)
        return optimal_hierarchies(self.areas.names, relation, np.random.default_rng(SEED)) if np.isfinite(relation).any() else None

    @property
    def connected_by_relations(self) -> npt.NDArray[np.bool_]:
        """Which areas take part in a measured relation; the level of others is arbitrary."""
        assert self.anatomy is not None
        known = np.isfinite(relations(self.anatomy.sln))
        return np.asarray(known.any(axis=0) | known.any(axis=1))

    @cached_property
    def directions(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Pairs of areas by the direction of their pathway, [target, source]; all connected pairs alike without facts."""
        if self.anatomy is None:
            return {"all": self.structure > 0}
        relation = relations(self.anatomy.sln_completed)
        return {"feedforward": relation == 1, "lateral": relation == 0, "feedback": relation == -1}

    @cached_property
    def paths(self) -> dict[tuple[str, str], Path]:
        """Strongest paths between areas."""
        return strongest_paths(in_degrees(self.network) * absolute_weights(self.network), self.areas)

    @cached_property
    def interactions(self) -> Causality:
        """Directed interactions between populations."""
        return granger_causality(rate_series(self.recording, PAST_BIN_MS), possible_sources(self.network), order=PAST_BINS)
