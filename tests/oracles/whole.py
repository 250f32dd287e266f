"""The whole path beside TRL's: the same texts and the same model's folder in, the losses of SFT and DPO out.

Template, tokens, masks, end token, shift and log-probs all have to be right for these to be equal. Nothing of it is
kept: the model is made on the spot.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from burnish.examples import from_demonstration, from_preference, given
from burnish.maths.batch import Outputs
from burnish.methods import dpo, sft
from burnish.models import tiny
from burnish.models.headed import HeadedPolicy
from burnish.models.policy import Policy
from burnish.records import Demonstration, Preference, Prompt
from burnish.training.window import window

HERE = Path(__file__).resolve().parent
BETA = 0.3
TEXTS = (
    ("Name a colour.", "Red, of course.", "A colour is a colour."),
    ("What is tea?", "A drink of leaves and hot water.", "Tea is"),
    ("Say hello!", "Hello!", "No, no, no and no; I will not say it to you today."),
)
NEAR = 1e-5
WHY = {
    "plain": "",
    "conversation": "TRL trains on all that its template writes: here a line's end after each completion's end token",
}
"""TRL's two forms of the same data; the first is ours."""


@dataclass(frozen=True)
class Loss:
    """One method, one form of the data: the loss, and how many tokens it is of."""

    method: str
    form: str
    ours: tuple[float, float]
    theirs: tuple[float, float]

    @property
    def is_as_it_should_be(self) -> bool:
        """Equal in the plain form; in a conversation TRL has a token more for each completion."""
        completions = len(TEXTS) * (2 if self.method == "dpo" else 1)
        more = completions if self.form == "conversation" else 0
        near = abs(self.ours[0] - self.theirs[0]) <= NEAR * max(1.0, abs(self.theirs[0]))
        return near == (self.form == "plain") and self.theirs[1] - self.ours[1] == more


def losses(peers: Path, folder: Path, environment: Mapping[str, str]) -> list[Loss]:
    """Return every loss of both sides."""
    theirs, mine = ask(peers, folder, environment), ours(folder)
    return [Loss(method, form, mine[method], theirs[f"{method}, {form}"]) for method in mine for form in WHY]


def table(found: list[Loss]) -> str:
    """Return the losses in Markdown."""
    rows = ["| method | TRL's form | our loss, tokens | TRL's loss, tokens | |", "|---|---|---|---|---|"]
    for each in found:
        wrong = "" if each.is_as_it_should_be else "**not as it should be** "
        numbers = " | ".join(f"{loss:.7f}, {tokens:.0f}" for loss, tokens in (each.ours, each.theirs))
        rows.append(f"| {each.method} | {each.form} | {numbers} | {wrong}{WHY[each.form]} |")
    return "\n".join(rows)


def ask(peers: Path, folder: Path, environment: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """Return what TRL says of each form of the data: its loss and how many tokens it trains on."""
    dialogues = [(asked, chosen) for asked, chosen, _ in TEXTS]
    for name, steps in (("policy", 12), ("reference", 3)):
        (folder / name).mkdir()
        tiny.make(folder / name, dialogues, steps=steps)
    policy = Policy.load(folder / "policy")
    pairs = [
        {
            "prompt": asked, "chosen": chosen, "rejected": rejected,
            "templated": policy.tokenizer.decode(policy.encode(Prompt.of(asked))),
        }
        for asked, chosen, rejected in TEXTS
    ]  # fmt: skip
    (folder / "texts.json").write_text(json.dumps({"pairs": pairs, "beta": BETA}), encoding="utf-8")
    script = str(HERE / "theirs" / "ask_trl_whole.py")
    subprocess.run([str(peers / "bin" / "python"), script, str(folder)], check=True, env=dict(environment))
    said = json.loads((folder / "theirs.json").read_text("utf-8"))
    return {name: (loss, tokens) for name, (loss, tokens) in said.items()}


def ours(folder: Path) -> dict[str, tuple[float, float]]:
    """Return our losses of the same texts, and how many tokens they are of."""
    policy, reference = (
        HeadedPolicy(Policy.load(folder / name), heads={}, temperature=1.0, max_tokens=512, speaks=True, seed=0)
        for name in ("policy", "reference")
    )
    found = {}
    for name, method, config in (("sft", sft, sft.Config()), ("dpo", dpo, dpo.Config(beta=BETA))):
        examples = []
        for asked, chosen, rejected in TEXTS:
            prompt = Prompt.of(asked)
            both = (given(prompt, chosen), given(prompt, rejected))
            examples.append(
                from_demonstration(Demonstration(prompt, both[0]))
                if name == "sft"
                else from_preference(Preference(prompt, both, (0, 1), probability=1.0))
            )
        said = []
        for network in (policy, reference):
            batch, slices = window(
                network, examples, method.needs(config), rows_per_slice=64, max_new_tokens=64, seed=0
            )
            with torch.no_grad():
                said.append(network.outputs(slices[0].inputs).logprobs_BT)
        outputs = Outputs(logprobs_BT=said[0], reference_logprobs_BT=said[1])
        shares, _ = method.loss(method.targets(batch, config), outputs, config)
        found[name] = (float(shares.sum()), float(batch.completion_mask_BT.sum()))
    return found
