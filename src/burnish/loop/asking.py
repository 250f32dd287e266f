"""How a training asks others: a judge, a writer of refinements, a judged reward; from one purse, and masked."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from burnish.feedback.masking import Masker
from burnish.judges.asking.asker import Asker
from burnish.judges.asking.backends import remembered, sampler_of
from burnish.judges.comparison import Comparison
from burnish.loop.folder import RunFolder
from burnish.loop.masked import Masked
from burnish.models.endpoint_address import PREFIX
from burnish.models.spending import Caps, Purse, Spent
from burnish.records import Judge, Reward, Sampler
from burnish.rewards import judged
from burnish.rewards.judged import KEY_FILE, When, mask_of
from burnish.store.judge_cache import JudgeCache


@dataclass(frozen=True)
class Asking:
    """What every question of one training has in common."""

    purse: Purse = field(default_factory=Purse)
    """Of all that are asked together. Raises `SpentError` in the middle of a step, when it does not suffice."""
    mask: When = "outside"
    key_file: str = KEY_FILE

    def judge(self, model: str) -> Judge:
        """Return a judge that compares two completions in both orders, by a name, a folder or openai:URL#MODEL."""
        return Comparison(self.asker(model))

    def reward(self, spec: str) -> Reward:
        """Return the reward `judged:SPEC`."""
        return judged.make(spec, self.asker)

    def writer(self, model: str) -> Sampler:
        """Return a model that writes texts; what an endpoint wrote is kept, so that going on pays for nothing twice."""
        if not model.startswith(PREFIX):
            return sampler_of(model)
        masker = self.masker(model)
        endpoint = remembered(model, JudgeCache(), self.purse, probed=False)
        return Masked(endpoint, masker) if masker else endpoint

    def asker(self, model: str) -> Asker:
        """Return a model that is asked for judgements, behind the memory of what it said."""
        return Asker(remembered(model, JudgeCache(), self.purse), mask=self.masker(model))

    def masker(self, model: str) -> Masker | None:
        """Return what takes personal data out of what this model is asked; None where it stays in."""
        return mask_of(model, self.mask, self.key_file)


def leaves(*names: str | None) -> bool:
    """Return whether a model at an address is among these: a judge, a refiner, a judged reward, a file of rewards."""
    files = [Path(name) for name in names if name and name.endswith(".toml")]
    told = [name or "" for name in names] + [file.read_text("utf-8") for file in files if file.is_file()]
    return any(PREFIX in each for each in told)


@contextlib.contextmanager
def purse_of(folder: RunFolder, caps: Caps) -> Iterator[Purse]:
    """Yield the purse of a run: what it spent before it was stopped counts, and what it spends is noted."""
    purse = Purse(caps.prices, tokens=caps.tokens, money=caps.money, spent=Spent(**folder.status.get("spent", {})))
    try:
        yield purse
    finally:
        note(folder, purse)


def note(folder: RunFolder, purse: Purse) -> None:
    """Write what was spent into status.json, where anything was."""
    if purse.spent.calls:
        folder.update(spent=asdict(purse.spent))
