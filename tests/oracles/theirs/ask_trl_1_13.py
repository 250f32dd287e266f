"""TRL 1.13.0, the last with process rewards and Nash-MD."""

from __future__ import annotations

import torch
from protocol import Anything, Window, answer, module
from torch import Tensor
from transformers.loss.loss_utils import ForTokenClassification

# a client of a sampling server, which nothing here uses and which needs a package more
module("trl.generation.vllm_client", VLLMClient=object)

from trl.experimental.nash_md import NashMDTrainer  # noqa: E402 -- its client is replaced only now


def nash_md(window: Window) -> list[Tensor]:
    stub = Anything(beta=window.beta)
    loss, *_ = NashMDTrainer._compute_losses(
        stub, window.held(window.leaf), window.held(window.reference_logprobs_BT), window.win_rates_B
    )
    return window.told(loss)[1:]


def process(window: Window) -> list[Tensor]:
    """Its model is one that classifies tokens in two: with logits 0 and z that is one head's z."""
    leaf = window.values_BT.clone().requires_grad_(True)
    logits = torch.stack([torch.zeros_like(leaf), leaf], -1)
    labels = window.labels_BT.long().masked_fill(~window.mask, -100)
    config = type("Config", (), {"num_labels": 2})()
    return window.told(ForTokenClassification(logits, labels, config), leaf)


QUESTIONS = {"nash-md": nash_md, "process reward": process}

if __name__ == "__main__":
    answer(QUESTIONS, "trl", "1.13.0")
