"""TRL 1.12.0, the last with PPO: of its trainer's pieces the one that is a function and has a counterpart here."""

from __future__ import annotations

from protocol import Window, answer
from torch import Tensor
from trl.experimental.ppo import ppo_trainer


def whitened(window: Window) -> list[Tensor]:
    return window.read(ppo_trainer.masked_whiten(window.advantages_BT, window.mask))


QUESTIONS = {"whitening": whitened}

if __name__ == "__main__":
    answer(QUESTIONS, "trl", "1.12.0")
