"""A network as mean-field theory sees it: mean and variance of each population's input as linear functions of the rates.

Problem
    Condense a :class:`~spinn_mam.network.spec.NetworkSpec` of any size into what decides its stationary rates.
Method
    Diffusion approximation: with in-degrees K, weights J (mV, a current's charge over the capacitance: W tau_syn / C_m) and rates nu,

        mu_i      = tau_m,i (sum_j K_ij <J_ij> nu_j + K_ext J_ext nu_ext) + I_e,i tau_m,i / C_m,i
        sigma_i^2 = tau_m,i (sum_j K_ij <J_ij^2> nu_j + K_ext J_ext^2 nu_ext),

    where <> averages over the distribution of weights, so its spread counts. Delays do not enter. If excitatory and inhibitory currents have
    different time constants, the coloured-noise correction takes their mean, weighted by the variance that each brings (exact if they are equal).
Cost
    A product of matrix and vector for each evaluation.
Reference
    Amit and Brunel (1997), doi 10.1093/cercor/7.3.237; for layered networks: Schuecker et al. (2017), doi 10.1371/journal.pcbi.1005179.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spinn_mam.errors import UsageError
from spinn_mam.models.theory.siegert import Neurons, Slopes, siegert, siegert_slopes
from spinn_mam.network.distributions import moments
from spinn_mam.network.spec import Distribution, FloatArray, IntArray, NetworkSpec, NeuronParameters


@dataclass(frozen=True)  # no slots: cached properties need a __dict__
class MeanField:
    """Input statistics of a network's populations of neurons; all matrices are [target, source].

    Attributes
    ----------
    names : tuple of str
        Populations of neurons, in the order of the specification; Poisson sources that never end are part of the constant input.
    sizes : ndarray, shape (n,)
        Numbers of neurons.
    neurons : Neurons
    in_degrees : ndarray, shape (n, n)
        Mean number of synapses of a neuron.
    J, J_square : ndarray, shape (n, n)
        Mean of the weights (mV) and of their squares (mV^2).
    tau_syn : ndarray, shape (n, n)
        Time constants of the synapses (ms).
    delay, delay_sd, delay_least : ndarray, shape (n, n)
        Normal distribution of the delays: mean and standard deviation before clipping, lower bound (ms).
    drive_rate, drive_J, drive_tau_syn : ndarray, shape (n,)
        Poisson drive: summed rate (spikes/s), weight (mV), time constant (ms).
    constant_mean : ndarray, shape (n,)
        Mean input by constant currents and sources (mV).
    constant_variance, constant_variance_tau : ndarray, shape (n,)
        Variance by sources (mV^2), and the same times the time constant of their synapses (mV^2 ms).
    """

    names: tuple[str, ...]
    sizes: FloatArray
    neurons: Neurons
    in_degrees: FloatArray
    J: FloatArray
    J_square: FloatArray
    tau_syn: FloatArray
    delay: FloatArray
    delay_sd: FloatArray
    delay_least: FloatArray
    drive_rate: FloatArray
    drive_J: FloatArray
    drive_tau_syn: FloatArray
    constant_mean: FloatArray
    constant_variance: FloatArray
    constant_variance_tau: FloatArray

    @classmethod
    def of(cls, spec: NetworkSpec) -> MeanField:
        """Condense a network.

        Raises
        ------
        UsageError
            If it has no neurons.

        Examples
        --------
        >>> from spinn_mam.models import load_model
        >>> field = MeanField.of(load_model("pd14").network())
        >>> print(field.in_degrees[0].round(1))
        [2199.9 1079.3  979.2  467.6  159.2    0.   109.8    0. ]
        """
        neurons = [(k, p.neuron) for k, p in enumerate(spec.populations) if p.neuron is not None]
        if not neurons:
            raise UsageError(f"{spec.model}: there are no neurons, so there are no rates to find")
        n = len(neurons)
        place = {k: i for i, (k, _) in enumerate(neurons)}
        K, J, J2, tau_syn, delay, delay_sd, least = (np.zeros((n, n)) for _ in range(7))
        constant = np.zeros((3, n))  # mean, variance, variance times tau_syn
        for i, (k, neuron) in enumerate(neurons):
            current = spec.populations[k].current
            constant[0, i] = (spec.populations[k].I_e + (current.mean if current else 0.0)) * neuron.tau_m / neuron.C_m
        for p in spec.projections:
            i, source = place[p.target], spec.populations[p.source]
            per_neuron = p.n_synapses / spec.populations[p.target].size
            mean, square, tau = _weight(p.weight, neurons[i][1])
            if source.is_source:
                if source.source_start <= 0 and math.isinf(source.source_stop):
                    rate = per_neuron * source.source_rate * neurons[i][1].tau_m / 1000.0
                    constant[:, i] += rate * mean, rate * square, rate * square * tau
                continue
            j = place[p.source]
            d = p.delay
            values = (1.0, mean, square, tau, d.mean, d.sd, max(d.lower, 0.0))
            for total, value in zip((K, J, J2, tau_syn, delay, delay_sd, least), values, strict=True):
                total[i, j] += per_neuron * value
        J, J2, tau_syn, delay, delay_sd, least = (total / np.where(K > 0, K, 1.0) for total in (J, J2, tau_syn, delay, delay_sd, least))
        drives = [
            (0.0, 0.0, neuron.tau_syn_ex) if (drive := spec.populations[k].drive) is None else (drive.rate, *_charge(drive.weight, neuron))
            for k, neuron in neurons
        ]
        return cls(
            names=tuple(spec.populations[k].name for k, _ in neurons),
            sizes=np.array([spec.populations[k].size for k, _ in neurons], dtype=float),
            neurons=Neurons(
                tau_m=np.array([p.tau_m for _, p in neurons]),
                t_ref=np.array([p.t_ref for _, p in neurons]),
                theta=np.array([p.V_th - p.E_L for _, p in neurons]),
                V_reset=np.array([p.V_reset - p.E_L for _, p in neurons]),
            ),
            in_degrees=K,
            J=J,
            J_square=J2,
            tau_syn=tau_syn,
            delay=delay,
            delay_sd=delay_sd,
            delay_least=least,
            drive_rate=np.array([d[0] for d in drives]),
            drive_J=np.array([d[1] for d in drives]),
            drive_tau_syn=np.array([d[2] for d in drives]),
            constant_mean=constant[0],
            constant_variance=constant[1],
            constant_variance_tau=constant[2],
        )

    @cached_property
    def mean_by_rate(self) -> FloatArray:
        """Change of mu with the rates, shape (n, n) (mV s)."""
        return self.neurons.tau_m[:, None] / 1000.0 * self.in_degrees * self.J

    @cached_property
    def variance_by_rate(self) -> FloatArray:
        """Change of sigma^2 with the rates, shape (n, n) (mV^2 s)."""
        return self.neurons.tau_m[:, None] / 1000.0 * self.in_degrees * self.J_square

    @cached_property
    def external(self) -> FloatArray:
        """Mean (mV), variance (mV^2) and variance times tau_syn (mV^2 ms) of the input from outside, shape (3, n)."""
        drive = self.neurons.tau_m / 1000.0 * self.drive_rate
        variance = drive * self.drive_J**2
        return np.stack(
            [
                self.constant_mean + drive * self.drive_J,
                self.constant_variance + variance,
                self.constant_variance_tau + variance * self.drive_tau_syn,
            ]
        )

    @cached_property
    def kinds_of_delays(self) -> tuple[FloatArray, IntArray]:
        """Distinct distributions of delays, shape (n_kinds, 3): mean, standard deviation, bound (ms); and which each pair has, shape (n, n)."""
        of_pairs = np.stack([self.delay, self.delay_sd, self.delay_least], axis=-1).reshape(-1, 3)
        kinds, which = np.unique(of_pairs, axis=0, return_inverse=True)
        return kinds, which.reshape(self.delay.shape)

    @cached_property
    def _one_tau_syn(self) -> FloatArray | None:
        """The time constant of all synapses of each population, if each has just one."""
        there = self.in_degrees > 0
        own = np.where(self.drive_rate > 0, self.drive_tau_syn, self.tau_syn.max(axis=1, initial=0.0))
        own = np.where(own > 0, own, self.drive_tau_syn)
        constant = self.constant_variance_tau == self.constant_variance * own
        return own if constant.all() and ((self.tau_syn == own[:, None]) | ~there).all() else None

    @cached_property
    def _variance_tau_by_rate(self) -> FloatArray:
        return self.variance_by_rate * self.tau_syn

    def input(self, rates: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return mu (mV), sigma^2 (mV^2) and tau_syn (ms) of the input at rates of shape (..., n) in spikes/s."""
        mean = rates @ self.mean_by_rate.T + self.external[0]
        variance = rates @ self.variance_by_rate.T + self.external[1]
        if self._one_tau_syn is not None:
            return mean, variance, self._one_tau_syn
        weighted = rates @ self._variance_tau_by_rate.T + self.external[2]
        return mean, variance, np.where(variance > 0, weighted / np.where(variance > 0, variance, 1.0), self.drive_tau_syn)

    def transfer(self, rates: FloatArray) -> FloatArray:
        """Rates that the populations have if their input comes from populations with these rates (spikes/s), shape (..., n)."""
        return siegert(self.neurons, *self.input(rates))

    def slopes(self, rates: FloatArray) -> Slopes:
        """Rates and derivatives of the transfer function at the input that these rates cause."""
        return siegert_slopes(self.neurons, *self.input(rates))

    def gain(self, rates: FloatArray) -> FloatArray:
        """Gain matrix M_ij = d transfer_i / d rate_j, shape (..., n, n): the effective connectivity without time.

        tau_m (S_i K_ij J_ij + T_i K_ij J_ij^2) of Schuecker et al. (2017), S and T being the derivatives with respect to mu and sigma^2.
        """
        slopes = self.slopes(rates)
        gain = slopes.by_mean[..., :, None] * self.mean_by_rate + slopes.by_variance[..., :, None] * self.variance_by_rate
        if self._one_tau_syn is None:
            _, variance, tau = self.input(rates)
            by_tau = slopes.by_tau_syn / np.where(variance > 0, variance, 1.0)
            gain = gain + by_tau[..., :, None] * (self._variance_tau_by_rate - tau[..., :, None] * self.variance_by_rate)
        return np.asarray(gain)


def _charge(weight: float, neuron: NeuronParameters) -> tuple[float, float]:
    """Jump (mV) that the charge of a synaptic current (pA) would cause at once, and the time constant (ms) of the current."""
    tau = neuron.tau_syn_ex if weight >= 0 else neuron.tau_syn_in
    return weight * tau / neuron.C_m, tau


def _weight(weight: Distribution, neuron: NeuronParameters) -> tuple[float, float, float]:
    unit, tau = _charge(math.copysign(1.0, weight.mean), neuron)
    mean, variance = moments(weight)
    return mean * abs(unit), (mean**2 + variance) * unit**2, tau
