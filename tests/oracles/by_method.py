"""Which check outside of our own code each method has: its cases or, where no library has it, a test that is exact."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

CASES = {
    "a2c": ("a2c",),
    "cispo": ("cispo",),
    "cpo": ("cpo, preference", "sft"),
    "dpo": ("dpo", "dpo conservative", "dpo robust"),
    "dqn": ("dqn", "dqn, double"),
    "grpo": ("grpo", "dapo", "dr. grpo", "gspo", "advantages grpo"),
    "ilql": ("ilql",),
    "ipo": ("ipo sum", "ipo mean"),
    "kto": ("kto",),
    "nash_md": ("nash-md",),
    "orpo": ("orpo, odds", "sft"),
    "ppo": ("ppo update", "ppo policy", "ppo value", "gae returns", "whitening"),
    "process_reward": ("process reward",),
    "ranking_reward": ("ranking reward", "ranking reward, best of n"),
    "reinforce": ("reinforce",),
    "reward": ("reward", "reward with margin"),
    "rloo": ("rloo", "advantages rloo"),
    "sdpo": ("sdpo kl", "sdpo log-ratio"),
    "sft": ("sft", "sft by completion", "sft of logits"),
    "simpo": ("simpo",),
}
"""Method -> cases of `ours.ANSWERS`."""

EXACT = {
    "conditional": ("conditional", "test_the_loss_is_the_mean_over_tokens", "the loss of `sft`, behind a token"),
    "constitution": ("constitution", "test_the_losses_are_those_of_sft_and_dpo", "the losses of `sft` and `dpo`"),
    "discriminator": (
        "discriminator",
        "test_the_optimum_is_the_log_ratio_of_the_two_sides",
        "every completion listed: the optimum of the loss is the log-ratio that theory gives",
    ),
    "feedback_conditional": (
        "feedback_conditional",
        "test_the_loss_is_the_mean_over_tokens",
        "the loss of `sft`, beside the comment",
    ),
    "hindsight": ("hindsight", "test_only_answers_are_trained_on", "the loss of `sft`, on the answers of a chain"),
    "ilf": ("ilf", "test_the_loss_is_that_of_sft", "the loss of `sft`, on refinements"),
    "inverse_rl": (
        "inverse_rl",
        "test_the_optimum_has_the_demonstrators_own_distribution",
        "every completion listed: the optimum has the demonstrators' distribution",
    ),
    "online_dpo": ("online_dpo", "test_it_is_dpo_on_the_pair_and_a_controller_moves_beta", "the loss of `dpo`"),
    "pretrain": ("pretrain", "test_it_is_torch_s_cross_entropy", "torch's own cross-entropy"),
    "raft": ("raft", "test_the_loss_by_hand", "the loss of `sft`, on the best of n"),
    "score_reward": ("score_reward", "test_the_share_of_each_text", "the loss and its gradient by hand"),
    "seqgan": (
        "seqgan",
        "test_with_exact_rollouts_it_is_the_gradient_of_being_taken_for_real",
        "every completion listed: the gradient of the true objective",
    ),
    "span_reward": ("span_reward", "test_the_gradient_is_that_of_finite_differences", "finite differences in float64"),
    "star": ("star", "test_the_loss_is_that_of_imitation_and_the_share_of_hints_is_told", "the loss of `sft`"),
    "weighted_sft": (
        "weighted_sft",
        "test_the_optimum_is_the_writer_tilted_by_the_scores_and_the_twin_s_is_tilted_the_other_way",
        "every completion listed: the optimum is the writer tilted by the scores",
    ),
}
"""Method -> (its test file, the test, what it compares with)."""


def told() -> str:
    """Return both tables in Markdown."""
    rows = ["| method | cases above |", "|---|---|"]
    rows += [f"| `{method}` | {'; '.join(cases)} |" for method, cases in sorted(CASES.items())]
    rows += ["", "No other library's loss stands beside these; what does:", ""]
    rows += ["| method | stands beside it | test |", "|---|---|---|"]
    for method, (file, test, what) in sorted(EXACT.items()):
        rows.append(f"| `{method}` | {what} | [`{test}`](../tests/methods/test_{file}.py) |")
    return "\n".join(rows)


def is_there(file: str, test: str) -> bool:
    """Return whether a test of a method's file has this name."""
    return f"\ndef {test}(" in (ROOT / "tests" / "methods" / f"test_{file}.py").read_text("utf-8")
