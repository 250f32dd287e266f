"""What does a run of `burnish run reviews` compute, stage by stage, and how long must that take at the least?

python benchmarks/where_a_run_goes.py RUN [--docs docs]      RUN: the folder of a finished run, such as runs/reviews-0

Operations are those of the reference formula (`burnish.bench.flops`: no padding, every prompt once, no adapter, no
attention scores) for the texts that the run has kept; seconds are those the run wrote down. The least possible time is
the operations at the rate of a large product, measured now: on another machine, or in another hour, it says little.
With --docs the table goes into DIR/profile.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from burnish import config, files, tasks
from burnish.bench.flops import Group, Size
from burnish.loop import measure
from burnish.loop.folder import RunFolder
from burnish.loop.recipe import Recipe
from burnish.loop.reward_stage import CALIBRATION_TEXTS, OTHER_TEXTS
from burnish.loop.ring import Ring
from burnish.loop.rollouts import prompts_of_step
from burnish.loop.run import RunOptions
from burnish.machine.speed import rate
from burnish.models.encoder_reward import EncoderReward
from burnish.models.policy import Policy
from burnish.models.reward_model import RewardModel
from burnish.records import Prompt, seed_of

MATRIX = 2048
BEGIN, END = "<!-- a run -->", "<!-- end of a run -->"


class Counted:
    """Operations of one finished run."""

    def __init__(self, path: Path) -> None:
        folder = RunFolder(path)
        self.path, self.status = path, folder.status
        self.recipe = config.build(Recipe, config.parse_toml(path / "config.toml"), where=str(path))
        self.ring = Ring(folder, tasks.load(self.recipe.task), self.recipe, RunOptions(self.recipe.task, out=path))
        self.policy = Policy.load(self.ring.model_folder, dtype=self.recipe.dtype)
        plain = json.loads((self.ring.model_folder / "config.json").read_text("utf-8"))
        self.size, self.layers = Size.of(plain), int(plain["num_hidden_layers"])
        self.reward = RewardModel.load(path / "checkpoints" / "reward-0", dtype=self.recipe.dtype)
        self.gold = EncoderReward.load(path / "checkpoints" / "gold" / "encoder")
        self.gold_weights = sum(p.numel() for p in self.gold.encoder.encoder.parameters() if p.ndim == 2)

    def stages(self) -> Iterator[tuple[str, float]]:
        """Yield each stage's name and operations."""
        before, after = (self._groups(self.path / "samples" / f"{side}.jsonl", "test") for side in ("before", "after"))
        yield "before", 2 * self._read(before)  # drawn, then measured by the untouched model
        yield "reward-0", self._reward()
        yield "train-0", self._train()
        yield "after", 3 * self._read(after)  # drawn, then measured by the policy and by the untouched model
        yield "gold", self._gold()
        kept = [self.path / "samples" / "before.jsonl", self.path / "samples" / "after.jsonl", *self._looks()]
        yield "report", sum(self._scored(texts) + self._judged(texts) for texts in map(_texts, kept))

    # ----------------------------------------------------------------------------------------------- what is read

    def _read(self, groups: Sequence[Group]) -> float:
        """Return operations of one forward pass over these completions, each prompt once, the output head too."""
        completion = sum(sum(lengths) for _, lengths in groups)
        prompts = sum(prompt for prompt, _ in groups)
        return 2.0 * self.size.layers * (prompts + completion) + 2.0 * self.size.head * completion

    def _scored(self, texts: Sequence[str]) -> float:
        """Return operations of the reward model's forward pass."""
        shape = self.recipe.reward_model
        return 2.0 * self.size.layers * shape.layers / self.layers * sum(map(self._shown, texts))

    def _judged(self, texts: Sequence[str]) -> float:
        return 2.0 * self.gold_weights * sum(len(self.gold.encode(text)) for text in texts)

    def _shown(self, text: str) -> int:
        return len(self.reward.encode(text))

    # ------------------------------------------------------------------------------------------------- the stages

    def _reward(self) -> float:
        evidence, shape = self.ring.evidence, self.recipe.reward_model
        token = 2.0 * self.size.layers / self.layers  # a token through one layer
        learned = sum(self._shown(signal.completion.text) for signal in evidence.fit)
        trained = 2 * (shape.layers - shape.frozen) * self.recipe.reward.epochs  # forward, gradient of activations
        others = [score for scores in evidence.other_domains.values() for score in scores[:OTHER_TEXTS]]
        seen = [*evidence.calibration[:CALIBRATION_TEXTS], *evidence.test, *others]
        return token * learned * (shape.frozen + trained) + self._scored([each.completion.text for each in seen])

    def _train(self) -> float:
        rl, total = self.recipe.rl, 0.0
        logged = [json.loads(line) for line in (self.path / "metrics.jsonl").read_text("utf-8").splitlines()]
        template = self._shown("")
        for line in logged:
            asked = prompts_of_step(
                self.ring.prompts["train"],
                line["step"] - 1,
                rl.prompts_per_step,
                seed_of(self.recipe.seed, "prompts", 0),
            )
            groups = [(self._asked(prompt), [line["length"]] * rl.group_size) for prompt in asked]
            count = rl.prompts_per_step * rl.group_size
            shown = 2.0 * self.size.layers * self.recipe.reward_model.layers / self.layers
            # drawn; forward, backward, and the reference's forward; scored
            total += 4 * self._read(groups) + shown * count * (line["length"] + template)
        for look in self._looks():
            total += 3 * self._read(self._groups(look, "validation")) + self._scored(_texts(look))
        return total

    def _gold(self) -> float:
        evidence = self.ring.evidence
        learned = self._judged([signal.completion.text for signal in evidence.gold])
        # forward, gradient of activations, gradient of weights
        return 3 * self.recipe.gold.epochs * learned + self._judged([each.completion.text for each in evidence.test])

    def _looks(self) -> list[Path]:
        return sorted((self.path / "validation").glob("round-0-*.jsonl"))

    def _asked(self, prompt: Prompt) -> int:
        return len(self.policy.encode(prompt))

    def _groups(self, file: Path, split: str) -> list[Group]:
        lengths: dict[str, list[int]] = {}
        for completion, _, _ in measure.read(file):
            lengths.setdefault(completion.prompt_id, []).append(len(completion.token_ids or ()))
        asked = {prompt.id: self._asked(prompt) for prompt in self.ring.prompts[split]}
        return [(asked[name], found) for name, found in lengths.items()]


def _texts(file: Path) -> list[str]:
    return [completion.text for completion, _, _ in measure.read(file)]


def table(counted: Sequence[tuple[str, float]], seconds: dict[str, Any], peak: float) -> str:
    """Return the table as Markdown."""
    lines = ["| stage | seconds | operations, 10¹² | at the peak, seconds | share |", "|---|---|---|---|---|"]
    known = {name: float(seconds[name]) for name, _ in counted}
    rows = [(name, known[name], flops) for name, flops in counted]
    rows.append(("all of these", sum(known.values()), sum(flops for _, flops in counted)))
    for name, took, flops in rows:
        cells = (f"{took:.0f}", f"{flops / 1e12:.1f}", f"{flops / peak:.0f}", f"{flops / peak / took:.0%}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument("--docs", type=Path, help="folder that profile.md is written into")
    asked = parser.parse_args()
    counted = Counted(asked.run)
    if counted.recipe.loop.rounds != 1 or counted.status["state"] != "done":
        parser.error(f"{asked.run} is no finished run of one round.")
    threads = torch.get_num_threads()
    peak = rate("bfloat16", threads, MATRIX).gflops
    found = table(list(counted.stages()), counted.status["seconds"], peak * 1e9)
    told = f"A {MATRIX}³ product in bfloat16, measured when this was written: {peak:.0f} GFLOP/s; {threads} threads."
    print(found, told, sep="\n\n")
    if asked.docs:
        page = asked.docs / "profile.md"
        text = page.read_text("utf-8")
        kept = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
        files.write_atomic(page, f"{kept[0]}\n{found}\n\n{told}\n{kept[1]}")


if __name__ == "__main__":
    main()
