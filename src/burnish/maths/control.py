"""Controllers: numbers that follow a measurement towards a target; their state is saved with the run (trap T25)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from torch import Tensor


@dataclass(frozen=True)
class LengthController:
    """Keeps the mean length of completions near a target by paying for length, or charging for it.

    reward_i += price * (length_i - target) / target,   price = gain * (target - smoothed mean length) / target,
    smoothed <- decay * smoothed + (1 - decay) * mean length of the window.

    Proportional, not integral: a price moves the policy's length a little with every step, so the policy itself
    integrates; an integral price on top of that swings (docs/log.md, 2026-11-22). `gain = 0` switches it off.
    """

    target: float
    gain: float = 0.0
    decay: float = 0.5
    smoothed: float = -1.0
    """Below 0: nothing seen yet."""

    @property
    def price(self) -> float:
        """Reward units for a text longer than the target by the target itself."""
        if self.smoothed < 0:
            return 0.0
        return self.gain * (self.target - self.smoothed) / max(self.target, 1.0)

    def payment(self, lengths_B: Tensor) -> Tensor:
        """Return what each completion's reward changes by, (B,)."""
        return self.price * (lengths_B - self.target) / max(self.target, 1.0)

    def after(self, mean_length: float) -> LengthController:
        """Return the controller after a window whose completions had this mean length; NaN moves nothing."""
        if not math.isfinite(mean_length):
            return self
        before = self.target if self.smoothed < 0 else self.smoothed
        return replace(self, smoothed=self.decay * before + (1 - self.decay) * mean_length)
