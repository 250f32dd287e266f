"""choix 0.4.1: Luce's choice axiom, fitted to rankings and to choices of the best; its objective and its gradient."""

from __future__ import annotations

import torch
from choix.opt import Top1Fcts
from protocol import Window, answer
from torch import Tensor


def _orders(window: Window) -> list[list[int]]:
    """The rows of each group, the best first."""
    rows = range(len(window.groups))
    return [sorted((i for i in rows if window.groups[i] == g), key=lambda i: float(window.ranks_B[i])) for g in (0, 1)]


def _told(window: Window, likelihood: Top1Fcts) -> list[Tensor]:
    """The mean over rankings of the negative log-likelihood, and its gradient along the probe."""
    rewards, count = window.rewards_B.double().numpy(), len(_orders(window))
    gradient = torch.tensor(likelihood.gradient(rewards)) * window.probe_B
    return [torch.tensor(float(likelihood.objective(rewards)) / count, dtype=torch.float64), gradient.sum() / count]


def ranked(window: Window) -> list[Tensor]:
    return _told(window, Top1Fcts.from_rankings(_orders(window), 0.0))


def best(window: Window) -> list[Tensor]:
    return _told(window, Top1Fcts([(order[0], order[1:]) for order in _orders(window)], 0.0))


QUESTIONS = {"ranking reward": ranked, "ranking reward, best of n": best}

if __name__ == "__main__":
    answer(QUESTIONS, "choix", "0.4.1")
