"""What the machine does to packets and a board in software does not: lose them, delay them, reorder them."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_mam.errors import UsageError


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults to inject, each from the seed.

    Attributes
    ----------
    drop : float
        Probability that a packet is lost on its way to one of its target cores.
    late : float
        Probability that it arrives a time step later.
    shuffle : bool
        Whether the packets of a step arrive in random order.
    seed : int

    Raises
    ------
    UsageError
        If a probability is outside 0 to 1.
    """

    drop: float = 0.0
    late: float = 0.0
    shuffle: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        for name in ("drop", "late"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise UsageError(f"--{name} {value:g}: a probability between 0 and 1 is needed")

    @property
    def any(self) -> bool:
        """Whether anything is injected."""
        return bool(self.drop or self.late or self.shuffle)
