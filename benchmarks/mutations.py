"""Does a test notice when the bug is put in? For every trap T1 to T40 at least one mutation, and the test that fails.

python benchmarks/mutations.py [--only T5 --only T20] [--docs]

src/ and tests/ are copied into a temporary folder. There one mutation at a time is made (an exact text of a file
becomes another), the named test is run on the copy, and the file is put back. Printed are trap, outcome, mutation, file
and test, with the words the test failed with; a test that cannot be run counts as broken. --docs writes the table to
docs/traps.md. Exit status 1 if one survived, is broken, or if an old text is not found exactly once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TRAPS = "tests/conformance/test_traps.py"
BURNISH, MODEL = f"{TRAPS}::test_burnish_is_not_in", f"{TRAPS}::test_a_model_is_not_in"
GENERAL = f"{TRAPS}::test_a_model_of_the_general_path_is_not_in"
BEGINNING = f"{TRAPS}::test_a_template_and_a_tokenizer_that_both_begin"
MERGED = "tests/models/test_merge.py::test_merged_and_adapted_say_the_same"


@dataclass(frozen=True)
class Mutation:
    """A bug: in `file` (below src/burnish), `old` becomes `new`. `test`: fails then; "": the check of the trap."""

    trap: int
    what: str
    file: str
    old: str
    new: str
    test: str

    @property
    def name(self) -> str:
        return f"T{self.trap}"

    @property
    def node(self) -> str:
        """The test's id for pytest."""
        return f"{self.test}[{self.name}]" if self.test in (BURNISH, MODEL, GENERAL) else self.test


MUTATIONS = (
    Mutation(
        1, "the last token of every text is masked", "maths/batch.py",
        "torch.tensor(lengths, dtype=torch.int64)[:, None]",
        "torch.tensor(lengths, dtype=torch.int64)[:, None] - 1", MODEL,
    ),
    Mutation(
        1, "the mask comes from the padding token's id", "training/window.py",
        "    mask_BT = length_mask([len(each) for each in tokens])\n",
        "    mask_BT = length_mask([len(each) for each in tokens])\n"
        "    mask_BT &= _padded(tokens, mask_BT, torch.int64, 0) != network.policy.tokenizer.pad_token_id\n", MODEL,
    ),
    Mutation(
        2, "an end is added to a text that has one", "models/headed.py",
        "if end is not None and not cut and (not ids or ids[-1] != end):",
        "if end is not None and not cut:", MODEL,
    ),
    Mutation(
        2, "no end is added at all", "models/headed.py",
        "if end is not None and not cut and (not ids or ids[-1] != end):", "if end is None:", MODEL,
    ),
    Mutation(
        3, "the templated text is tokenised with special tokens", "models/policy.py",
        "self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)",
        "self.tokenizer(self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))",
        BEGINNING,
    ),
    Mutation(
        3, "a completion is tokenised with special tokens", "models/headed.py",
        "tokenizer(text, add_special_tokens=False)", "tokenizer(text, add_special_tokens=True)", BEGINNING,
    ),
    Mutation(
        4, "a long prompt loses its end, which asks for the answer", "models/headed.py",
        "self.policy.encode(prompt)[-max(room, 1) :]", "self.policy.encode(prompt)[: max(room, 1)]", MODEL,
    ),
    Mutation(
        5, "positions are counted through the padding", "models/general.py",
        "positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, -width:]",
        "positions = torch.arange(width)[None].expand(len(requests), -1)", GENERAL,
    ),
    Mutation(
        6, "the first token is predicted by the state one too early", "models/packing.py",
        "places[0] = last\n", "places[0] = last - 1\n", MODEL,
    ),
    Mutation(
        7, "a packed completion begins at position 0", "models/packing.py",
        "(0 if part.prompt is None else part.prompt.length)", "0", MODEL,
    ),
    Mutation(
        7, "a packed completion sees those before it", "models/general.py",
        "return past & ((part[:, None] == part[None, :]) | (part[None, :] == 0))", "return past", GENERAL,
    ),
    Mutation(
        8, "an unscored completion is in its group's mean", "maths/advantages.py",
        "scored_B = torch.isfinite(rewards_B)\n    # where",
        "scored_B = torch.ones_like(rewards_B, dtype=torch.bool)\n    # where", BURNISH,
    ),
    Mutation(
        8, "a row without tokens is divided by 0", "maths/policy_loss.py",
        "mask_BT.sum(-1).clamp(min=1) / max(", "mask_BT.sum(-1) / max(", BURNISH,
    ),
    Mutation(
        9, "masked by multiplication", "maths/policy_loss.py",
        "return torch.where(mask_BT, values_BT, torch.zeros_like(values_BT))", "return values_BT * mask_BT", BURNISH,
    ),
    Mutation(
        10, "the reward is paid on the first padding", "maths/returns.py",
        "last_BT = mask_BT & (later_BT == 1)", "last_BT = mask_BT.roll(1, -1) & ~mask_BT", BURNISH,
    ),
    Mutation(
        11, "every masked token costs a decay", "maths/returns.py",
        "carried_B = torch.where(here_B, values_BT[:, place] + decay * carried_B, carried_B)",
        "carried_B = masked(values_BT[:, place], here_B) + decay * carried_B", BURNISH,
    ),
    Mutation(
        12, "the mean counts padding", "maths/returns.py",
        "mean = masked(values_BT, mask_BT).sum() / count.clamp(min=1)", "mean = values_BT.nanmean()", BURNISH,
    ),
    Mutation(
        12, "the spread without Bessel's correction", "maths/returns.py",
        "(count - 1).clamp(min=1)).sqrt()", "count.clamp(min=1)).sqrt()", BURNISH,
    ),
    Mutation(
        13, "truncated completions leave the mean and stay in the count", "methods/grpo.py",
        "mask_BT = mask_BT & ~batch.truncated_B[:, None]", "mask_BT = mask_BT & True", BURNISH,
    ),
    Mutation(
        14, "only the tokenizer's end ends a completion", "models/policy.py",
        "ends.update(configured if isinstance(configured, list) else [configured])", "ends.update([])", MODEL,
    ),
    Mutation(
        14, "an end at the very limit is a truncation", "models/engine.py",
        "if tokens[-1] in ends or any(", "if len(tokens) < sampling.max_new_tokens and tokens[-1] in ends or any(",
        MODEL,
    ),
    Mutation(
        15, "the rounding of the mean is an advantage", "maths/advantages.py",
        "centred_B = torch.where(flat_B, torch.zeros_like(centred_B), centred_B)", "centred_B = centred_B", BURNISH,
    ),
    Mutation(
        16, "the group's spread without Bessel's correction", "maths/advantages.py",
        "(count_G - 1).clamp(min=1)).sqrt()", "count_G.clamp(min=1)).sqrt()", BURNISH,
    ),
    Mutation(
        17, "an abstention is 0", "rewards/combined.py",
        "value = None if score.value is None else (score.value - mean) / std",
        "value = (0.0 if score.value is None else score.value - mean) / std", BURNISH,
    ),
    Mutation(
        17, "weights go to the parts in the other order", "rewards/combined.py",
        "weights = [part.weight_at(self.step) for part in self.parts]",
        "weights = [part.weight_at(self.step) for part in self.parts[::-1]]", BURNISH,
    ),
    Mutation(
        18, "the mean is not taken off", "rewards/normalised.py",
        "value = (score.value - self.mean) / self.std", "value = score.value / self.std", BURNISH,
    ),
    Mutation(
        19, "the trainer's log-probs are at temperature 1", "models/headed.py",
        "token_statistics(before_N, tokens_N, self.temperature, plain)",
        "token_statistics(before_N, tokens_N, 1.0, plain)",
        MODEL,
    ),
    Mutation(
        19, "the temperature divides no logits", "models/head.py",
        "wide = wide / self.temperature", "wide = wide / 1.0", MODEL,
    ),
    Mutation(
        20, "the model is left in training mode", "models/policy.py",
        "self.tuning = config\n        self.model.eval()", "self.tuning = config\n        self.model.train()", GENERAL,
    ),
    Mutation(
        21, "the reference is the policy itself, in our own arithmetic", "models/policy.py",
        "read = decoder.adapter(name) if adapter and name else None", "read = decoder.adapter(name) if name else None",
        MODEL,
    ),
    Mutation(
        21, "the reference is the policy itself, on the general path", "models/adapters.py",
        "with model.disable_adapter():", "with contextlib.nullcontext():", GENERAL,
    ),
    Mutation(
        22, "old log-probs are those of the present step", "training/steps.py",
        "several = self.needs.fresh and self.settings.passes * self.settings.parts > 1", "several = False", MODEL,
    ),
    Mutation(
        23, "the weight of a token has no cap", "maths/policy_loss.py",
        "torch.exp(old_logprobs_BT.detach() - behaviour_logprobs_BT).clamp(max=cap)",
        "torch.exp(old_logprobs_BT.detach() - behaviour_logprobs_BT)", MODEL,
    ),
    Mutation(
        23, "the ratio of sampler and trainer is upside down", "maths/policy_loss.py",
        "torch.exp(old_logprobs_BT.detach() - behaviour_logprobs_BT)",
        "torch.exp(behaviour_logprobs_BT - old_logprobs_BT.detach())", MODEL,
    ),
    Mutation(
        24, "k2 is twice the half square", "maths/kl.py",
        "return 0.5 * difference.square()", "return difference.square()", BURNISH,
    ),
    Mutation(
        24, "k3 of the other direction", "maths/kl.py",
        "torch.exp((-difference).clamp(max=40.0)) - 1 + difference",
        "torch.exp(difference.clamp(max=40.0)) - 1 - difference",
        BURNISH,
    ),
    Mutation(
        25, "the controller's error is not clipped", "maths/kl.py",
        "error = min(max(kl_nats / self.target_nats - 1.0, -0.2), 0.2)", "error = kl_nats / self.target_nats - 1.0",
        BURNISH,
    ),
    Mutation(
        25, "a resumed run begins with the first coefficient", "training/course.py",
        'self.kl = replace(self.kl, beta=float(numbers["beta"]))', "self.kl = replace(self.kl)", BURNISH,
    ),
    Mutation(
        26, "completions are counted in the slice", "maths/policy_loss.py",
        "mask_BT.sum(-1).clamp(min=1) / max(window_completions, 1)", "mask_BT.sum(-1).clamp(min=1) / len(mask_BT)",
        BURNISH,
    ),
    Mutation(
        26, "slices are averaged", "training/trainer.py",
        "loss = share_B.sum() if scale == 1.0", "loss = share_B.mean() if scale == 1.0", BURNISH,
    ),
    Mutation(
        27, "the optimiser begins anew after a resume", "training/steps.py",
        'self.trainer.load_state(groups["optimiser"], step)', "self.trainer.step = step", BURNISH,
    ),
    Mutation(
        27, "draws begin anew after a resume", "training/course.py",
        'self.step = int(numbers["step"])', "self.step = 0", BURNISH,
    ),
    Mutation(
        28, '"constant" divides by the padded width', "maths/policy_loss.py",
        "return sums_B / (max(window_completions, 1) * constant)",
        "return sums_B / (max(window_completions, 1) * mask_BT.shape[1])", BURNISH,
    ),
    Mutation(
        28, "SimPO's reward is the sum of log-probs", "methods/simpo.py",
        "token_mean(outputs.logprobs_BT, batch.completion_mask_BT)",
        "outputs.logprobs_BT.masked_fill(~batch.completion_mask_BT, 0).sum(-1)", BURNISH,
    ),
    Mutation(
        29, "SFT's label smoothing does not reach the loss", "methods/sft.py",
        "imitation.token_nll(outputs.logprobs_BT, mask_BT, config.label_smoothing)",
        "imitation.token_nll(outputs.logprobs_BT, mask_BT)", BURNISH,
    ),
    Mutation(
        29, "DPO's label smoothing does not reach the loss", "methods/dpo.py",
        "q_N = smoothed(probability_N, config.label_smoothing, config.smoothing)", "q_N = probability_N", BURNISH,
    ),
    Mutation(
        29, "the reward's margin does not reach the loss", "methods/reward.py",
        "probability_N, _lead(batch, config))", "probability_N)", BURNISH,
    ),
    Mutation(
        30, "KTO's point may be negative", "methods/kto.py",
        "max(0.0, float(log_ratio_B[batch.mismatched_B].double().mean()))",
        "float(log_ratio_B[batch.mismatched_B].double().mean())", BURNISH,
    ),
    Mutation(
        30, "mismatched by reversal, where the middle faces itself", "methods/kto.py",
        "rows[order[(place + shift) % len(order)]]", "rows[order[len(order) - 1 - place]]", BURNISH,
    ),
    Mutation(
        31, "a value head begins at random", "models/headed.py",
        'scale = 0.02 if name == "reward" and parameter.ndim > 1 else 0.0', "scale = 0.02", MODEL,
    ),
    Mutation(
        31, "the value's loss is the smaller of the two", "maths/policy_loss.py",
        "0.5 * torch.maximum(plain_BT", "0.5 * torch.minimum(plain_BT", MODEL,
    ),
    Mutation(
        32, "metrics sum over the padding", "maths/rollouts.py",
        "total_B = masked_sum(values_BT.detach().float(), mask_BT)", "total_B = values_BT.detach().float().sum(-1)",
        BURNISH,
    ),
    Mutation(
        33, "an adapter on the output matrix", "models/adapters.py",
        'lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"\n',
        'lora_dropout=0.0, target_modules=["c_attn", "lm_head"], task_type="CAUSAL_LM"\n', GENERAL,
    ),
    Mutation(
        34, "completions are drawn from the untouched model", "models/sampler.py",
        "name = self.policy.adapter_name if self.adapter else None\n        numbers", "name = None\n        numbers",
        MODEL,
    ),
    Mutation(
        34, "the optimiser never steps", "training/optimiser.py",
        "            self.adam.step()\n", "            pass\n", MODEL,
    ),
    Mutation(
        35, "sampled completions are tokenised from their text", "models/headed.py",
        "return list(completion.token_ids)\n        ids =", "return self._encoded(completion.text)\n        ids =",
        MODEL,
    ),
    Mutation(
        35, "behind another prompt a completion loses its ids", "examples.py",
        "prompt_id=prompt.id, logprobs=None)", "prompt_id=prompt.id, token_ids=None, logprobs=None)", MODEL,
    ),
    Mutation(
        36, "a group shares one seed", "models/sampler.py",
        "seed_of(seed, prompts[i].id, k), name))", "seed_of(seed, prompts[i].id), name))", MODEL,
    ),
    Mutation(
        36, "draws come from the global generator", "models/engine.py",
        "torch.rand(request.sampling.max_new_tokens, generator=generator, dtype=torch.float64)",
        "torch.rand(request.sampling.max_new_tokens, dtype=torch.float64)", MODEL,
    ),
    Mutation(
        37, "an adapter is merged into bfloat16", "models/merge.py",
        'use_safetensors=True, dtype="float32")', 'use_safetensors=True, dtype="bfloat16")', MERGED,
    ),
    Mutation(
        37, "models may be loaded in 8 bits", "models/policy.py",
        '"bfloat16": torch.bfloat16}', '"bfloat16": torch.bfloat16, "int8": torch.int8}', MODEL,
    ),
    Mutation(
        38, "the same order is asked twice", "judges/comparison.py",
        "together(asker, prompt, texts[::-1], names)", "together(asker, prompt, texts, names)", BURNISH,
    ),
    Mutation(
        38, "the first order decides", "judges/comparison.py",
        "if (first.share - 0.5) * (second.share - 0.5) > 0:", "if first.share != 0.5:", BURNISH,
    ),
    Mutation(
        39, "a group is flat only when nothing is scored", "training/course.py",
        "if math.isfinite(row.score)}) < 2 for example", "if math.isfinite(row.score)}) < 1 for example", BURNISH,
    ),
    Mutation(
        40, "the shortest row goes first", "conformance/traps/system.py",
        "key=lambda row: _length(network, row), reverse=True", "key=lambda row: _length(network, row)", MODEL,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What became of one mutation."""

    mutation: Mutation
    outcome: str
    """"caught", "survived", "broken" (the test cannot be run) or "not found" (the old text)."""
    words: str = ""
    """What the test failed with."""


class Watcher:
    """A plugin of pytest that remembers what a test failed with."""

    def __init__(self) -> None:
        self.passed, self.failed, self.broken = 0, "", ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            said = crash.message.splitlines()[0] if crash is not None else "failed"
            if report.when == "call":
                self.failed = said
            else:
                self.broken = said
        elif report.when == "call":
            self.passed += 1


def copied(folder: Path) -> None:
    """Put what tests need into the folder."""
    for name in ("src", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".pytest_cache"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def warm() -> None:
    """Import what takes long and is not ours, so that a forked child begins at once."""
    import peft  # noqa: F401
    import pytest  # noqa: F401
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2LMHeadModel, LlamaForCausalLM  # noqa: F401

    torch.set_num_threads(1)  # a fork does not take threads with it


def run(folder: Path, nodes: Sequence[str]) -> Watcher:
    """Return what became of these tests on the copy, in a child of this process that has not seen burnish yet."""
    assert "burnish" not in sys.modules
    result = folder / "result.json"
    result.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        try:
            _run_here(folder, nodes, result)
        finally:  # never up into the parent's own code
            os._exit(0)
    os.waitpid(child, 0)
    found = Watcher()
    if result.exists():
        vars(found).update(json.loads(result.read_text("utf-8")))
    else:
        found.broken = "the process died"
    return found


def _run_here(folder: Path, nodes: Sequence[str], result: Path) -> None:
    """Run the tests, write what became of them, and leave the process."""
    import pytest

    log = os.open(folder / "pytest.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(folder)
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # plugins want to be there before what `warm` imported
    sys.path.insert(0, str(folder / "src"))
    watcher = Watcher()
    status = pytest.main([*nodes, "-q", "-p", "no:cacheprovider", "--basetemp", str(folder / "tmp")], plugins=[watcher])
    import burnish

    if not str(burnish.__file__).startswith(str(folder)):
        watcher.broken = f"the tests ran on {burnish.__file__}, not on the copy"
    elif status not in (0, 1):
        watcher.broken = f"pytest ended with {status}"
    result.write_text(json.dumps(vars(watcher)), encoding="utf-8")


def tried(folder: Path, mutation: Mutation) -> Found:
    """Return what became of one mutation; the copy is afterwards what it was."""
    path = folder / "src" / "burnish" / mutation.file
    before = path.read_text("utf-8")
    if before.count(mutation.old) != 1:
        return Found(mutation, "not found", f"{mutation.old!r} stands {before.count(mutation.old)} times in the file")
    path.write_text(before.replace(mutation.old, mutation.new), encoding="utf-8")
    try:
        watcher = run(folder, [mutation.node])
    finally:
        path.write_text(before, encoding="utf-8")
    if watcher.failed:
        return Found(mutation, "caught", watcher.failed)
    if watcher.broken or not watcher.passed:
        return Found(mutation, "broken", watcher.broken or "no test ran")
    return Found(mutation, "survived")


def page(found: Sequence[Found]) -> str:
    """Return docs/traps.md."""
    from burnish.conformance.traps import traps

    caught = sum(each.outcome == "caught" for each in found)
    lines = [
        "# Traps, and what is done about each",
        "",
        "Forty known ways to train something else than was meant while every curve looks healthy. Each has a check in",
        "`burnish.conformance.traps`, which our own tests run on two tiny models, and which `burnish doctor --model M",
        "--data D` runs on yours where it looks at a model (marked *). For each the bug was put into a copy of the",
        f"source and the named test run: {caught} of {len(found)} were caught.",
        "",
        "Written by `python benchmarks/mutations.py --docs`.",
        "",
        "| trap | what its check holds to | bug put in | in | caught by |",
        "|---|---|---|---|---|",
    ]
    for trap in traps():
        mine = [each for each in found if each.mutation.trap == trap.number]
        for number, each in enumerate(mine):
            name = f"{trap.name}{'*' if trap.takes_model else ''}" if number == 0 else ""
            says = trap.says if number == 0 else ""
            test = each.mutation.node.rpartition("::")[2]
            outcome = f"`{test}`" if each.outcome == "caught" else f"**{each.outcome}**: `{test}`"
            lines.append(f"| {name} | {says} | {each.mutation.what} | `{each.mutation.file}` | {outcome} |")
    lines += ["", "The mutations themselves (old text, new text) stand in `benchmarks/mutations.py`."]
    return "\n".join(lines) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    """Try every mutation, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="T", action="append", default=[], help="a trap's name; may be repeated")
    parser.add_argument("--docs", action="store_true", help="write docs/traps.md")
    args = parser.parse_args(words)
    if args.docs and args.only:
        parser.error("--docs writes the table of all: leave --only out")
    chosen = [each for each in MUTATIONS if not args.only or each.name in args.only]
    sys.dont_write_bytecode = True  # else a mutation as long as the old text, made in the same second, goes unseen
    began = time.monotonic()
    warm()
    found: list[Found] = []
    with tempfile.TemporaryDirectory(prefix="mutations-") as name:
        folder = Path(name).resolve()
        copied(folder)
        healthy = run(folder, sorted({each.node for each in chosen}))
        if healthy.failed or healthy.broken:
            print(f"without any mutation a test fails: {healthy.failed or healthy.broken}")
            print((folder / "pytest.log").read_text("utf-8")[-3000:])
            return 1
        for mutation in chosen:
            each = tried(folder, mutation)
            found.append(each)
            test = mutation.node.rpartition("::")[2]
            print(f"{mutation.name:4} {each.outcome:9} {mutation.what} ({mutation.file})", flush=True)
            print(f"               {test}: {each.words[:200]}", flush=True)
    caught = sum(each.outcome == "caught" for each in found)
    bare = sorted({f"T{n}" for n in range(1, 41)} - {each.name for each in MUTATIONS})
    print(f"{caught} of {len(found)} mutations caught, of {len({e.mutation.trap for e in found})} traps")
    print(f"traps without a mutation: {', '.join(bare) or 'none'}; {time.monotonic() - began:.0f} s")
    if args.docs:
        sys.path.insert(0, str(ROOT / "src"))
        (ROOT / "docs" / "traps.md").write_text(page(found), encoding="utf-8")
    return 0 if caught == len(found) and not bare else 1


if __name__ == "__main__":
    raise SystemExit(main())
