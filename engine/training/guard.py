"""When a run has run away: judged by the divergence that is minimised, in the direction that was chosen.

D(Q||P) has no upper bound, so one value far above the first says enough. D(P||Q') has one, ln(V / e) with
e = `REVERSE_MIX`: what a model costs that gives all its probability to tokens nobody wants. There a run is stuck,
since the gradient is zero. But a single batch can come near it in a run that is getting better, so it has to stay
there. The penalty is not judged: KL(P||P_start) cannot exceed the start's largest surprisal.
"""

import math
from dataclasses import dataclass

from engine.training.config import Direction
from engine.training.losses import REVERSE_MIX

EXPLODED_NATS = 10.0
"""D(Q||P) this far above twice its first value has run away: the default run starts at 4 nats and only falls."""
PATIENCE = 3
"""Batches in a row on which D(P||Q') looks lost before it counts as lost."""
_LEAST_RISE = 1.0
_ODD_GRADIENT = (1e-3, 5.0)
"""Factors of the first gradient's norm beyond which a norm is what dead or exploding networks have."""


@dataclass(eq=False)
class Guard:
    """Looks at every record of a run.

    Parameters
    ----------
    direction : of the divergence that is minimised
    vocab_size : V
    first, first_gradient : divergence in nats and L2 norm of the gradient at the first step
    """

    direction: Direction
    vocab_size: int
    first: float = math.nan
    first_gradient: float = math.nan
    _strikes: int = 0

    def holds(self, divergence: float, loss: float, gradient: float) -> bool:
        """Whether the run is sound; to be asked once for each batch.

        Parameters
        ----------
        divergence : of this step's batch, in nats
        loss : everything that is minimised
        gradient : L2 norm of its gradient
        """
        if not all(map(math.isfinite, (divergence, loss, gradient))):
            return False
        if math.isnan(self.first):
            self.first, self.first_gradient = divergence, gradient
        if self.direction == "forward":
            return divergence <= 2 * self.first + EXPLODED_NATS
        self._strikes = self._strikes + 1 if self._looks_lost(divergence, gradient) else 0
        return self._strikes < PATIENCE

    @property
    def is_in_doubt(self) -> bool:
        """Whether the last step looked lost, and more of them would decide."""
        return 0 < self._strikes < PATIENCE

    def is_worth_keeping(self, divergence: float) -> bool:
        """Whether weights of this divergence may be fallen back on."""
        return divergence <= 1.1 * self.first + 0.1

    def _looks_lost(self, divergence: float, gradient: float) -> bool:
        ceiling = math.log(self.vocab_size / REVERSE_MIX)
        if divergence <= self.first + max(_LEAST_RISE, (ceiling - self.first) / 2):
            return False
        low, high = (factor * self.first_gradient for factor in _ODD_GRADIENT)
        return not low < gradient < high
