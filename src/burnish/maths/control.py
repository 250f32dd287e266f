"""Controllers: numbers that follow a measurement towards a target; their state is saved with the run (trap T25)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class LengthController:
    """Keeps the mean length of completions near a target by paying for length, or charging for it.

    reward_i += price * (length_i - target) / target, where after every window
        price <- clip(price + gain * (target - mean length) / target, -limit, limit).
    An integral controller, the dual ascent step of "maximise reward subject to mean length = target" (Altman 1999,
    constrained Markov decision processes). Inside `slack` around the target nothing moves. `gain = 0` switches it off.
    """

    target: float
    gain: float = 0.0
    slack: float = 0.05
    limit: float = 2.0
    price: float = 0.0

    def payment(self, lengths_B: Tensor) -> Tensor:
        """Return what each completion's reward changes by, (B,)."""
        return self.price * (lengths_B - self.target) / max(self.target, 1.0)

    def after(self, mean_length: float) -> LengthController:
        """Return the controller after a window whose completions had this mean length."""
        if not math.isfinite(mean_length):
            return self
        gap = (self.target - mean_length) / max(self.target, 1.0)
        if abs(gap) <= self.slack:
            return self
        return replace(self, price=min(max(self.price + self.gain * gap, -self.limit), self.limit))
