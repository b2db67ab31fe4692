"""Whether to run on all threads or on one, by how long the last chunks took.

Threads that wait for each other thousands of times a second are slower than one thread as soon as another process takes a
core from one of them. Results do not depend on the number of threads, so it may change between chunks.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Chunks until the slower way is tried again, while both are about as fast and when one is clearly faster.
SOON, LATE = 10, 50
#: One way is clearly faster if the other takes this many times as long.
CLEAR = 1.4


@dataclass(slots=True)
class Pace:
    """Chooses the number of threads of each chunk.

    Attributes
    ----------
    threads : int
        The most that may be used.

    Examples
    --------
    >>> pace = Pace(2)
    >>> for seconds in (0.9, 0.3):
    ...     pace.note(pace.choose(), seconds)
    >>> pace.choose()
    1
    """

    threads: int
    _cost: dict[int, float] = field(default_factory=dict)
    _wait: int = 0

    def choose(self) -> int:
        """Return the number of threads of the next chunk."""
        ways = (self.threads, 1)
        for way in ways:
            if way not in self._cost:
                return way
        best = min(ways, key=lambda way: self._cost[way])
        return best if self._wait > 0 else (1 if best != 1 else self.threads)

    def note(self, threads: int, seconds: float) -> None:
        """Take down how long a step of the last chunk took."""
        probe = self._wait <= 0
        self._cost[threads] = seconds
        if len(self._cost) < 2:
            return
        costs = sorted(self._cost.values())
        self._wait = (LATE if costs[1] > CLEAR * costs[0] else SOON) if probe else self._wait - 1
