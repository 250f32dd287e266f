"""What every file in methods/ promises; a new method is under test here as soon as its file is there."""

from __future__ import annotations

import dataclasses
import random
from itertools import pairwise

import pytest
import torch

from burnish import config as settings
from burnish import methods
from burnish.errors import InputError
from burnish.maths.batch import Batch, Outputs, length_mask
from burnish.records import Critique, Demonstration, Preference, Score

NAMES = methods.names()
LENGTHS = [3, 5, 1, 4, 2, 2, 5, 3]
UNITS = len(LENGTHS) // 2  # pairs of rows: a group of two completions, or chosen and rejected
WIDTH, HEADS = 7, 3  # two places more than the longest completion: padding that belongs to the window
VOCABULARY, ACTION_HEADS = 6, 2
LEAVES = ("logprobs_BT", "kl_BT", "teacher_kl_BT", "rewards_BK", "token_rewards_BTK", "values_BT", "q_BTKV")
SPOILT_IN_BATCH = (
    "token_rewards_BT",
    "token_labels_BT",
    "behaviour_logprobs_BT",
    "old_logprobs_BT",
    "old_values_BT",
    "reference_logprobs_BT",
    "slow_values_BT",
)
"""What may be rubbish where the mask is not set; the other fields of (B, T) are made by `targets` itself."""


BY_TOKEN = {"raft": {"least_part": 0.5, "beta": 0.1}, "star": {"least_part": 0.5}, "online_dpo": {"token_weight": 0.7}}
"""Settings without which what tokens are paid only counts as a sum."""


def every_config(name: str) -> list[object]:
    """The defaults, for each setting with named choices one config for each choice, and what reads tokens' pay."""
    module = methods.load(name)
    heads = {"heads": HEADS} if "heads" in {item.name for item in dataclasses.fields(module.Config)} else {}
    plain = [heads, *([BY_TOKEN[name]] if name in BY_TOKEN else [])]
    for key in settings.describe(module.Config):
        choices = [part.strip(' "') for part in key.expects.removeprefix("one of").split(",")]
        if key.expects.startswith("one of"):
            plain += [{**heads, key.name: choice} for choice in choices]
    return [settings.build(module.Config, each) for each in plain]


CASES = [pytest.param(name, config, id=f"{name}-{i}") for name in NAMES for i, config in enumerate(every_config(name))]


def window(name: str, config: object) -> tuple[Batch, dict[str, torch.Tensor]]:
    """A window that has everything any method may ask for, and what a made-up model says about it."""
    generator = torch.Generator().manual_seed(7)

    def noise(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    n = len(LENGTHS)
    mask = torch.nn.functional.pad(length_mask(LENGTHS), (0, WIDTH - max(LENGTHS)))
    says = {
        "logprobs_BT": -noise(n, WIDTH).abs() - 0.1,
        "reference_logprobs_BT": -noise(n, WIDTH).abs() - 0.1,
        "kl_BT": noise(n, WIDTH).abs(),
        "teacher_kl_BT": noise(n, WIDTH).abs(),
        "teacher_logprobs_BT": -noise(n, WIDTH).abs() - 0.1,
        "entropy_BT": noise(n, WIDTH).abs(),
        "rewards_BK": noise(n, HEADS),
        "token_rewards_BTK": noise(n, WIDTH, HEADS),
        "values_BT": noise(n, WIDTH),
        "q_BTKV": noise(n, WIDTH, ACTION_HEADS, VOCABULARY),
    }
    weights = noise(n, HEADS).abs()
    probability = torch.rand(UNITS, generator=generator, dtype=torch.float64).repeat_interleave(2)
    if Preference in methods.load(name).needs(config).eats:
        weights = weights[0::2].repeat_interleave(2, dim=0)
        total = float(weights[0::2].sum())
    else:
        total = float(weights.sum())
    some = torch.rand(n, WIDTH, generator=generator) < 0.6
    some[:, 0] = True
    batch = Batch(
        completion_mask_BT=mask,
        group_B=torch.arange(UNITS).repeat_interleave(2),
        tokens_BT=torch.randint(VOCABULARY, (n, WIDTH), generator=generator).masked_fill(~mask, 0),
        rewards_B=noise(n),
        token_rewards_BT=(
            of_tokens := torch.where(some & mask, torch.rand(n, WIDTH, generator=generator).double(), torch.nan)
        ),
        token_labels_BT=of_tokens,
        old_values_BT=says["values_BT"] + 0.2 * noise(n, WIDTH),
        reference_logprobs_BT=says["reference_logprobs_BT"],
        slow_values_BT=noise(n, WIDTH),
        slow_q_BTKV=noise(n, WIDTH, ACTION_HEADS, VOCABULARY),
        fresh_B=torch.tensor([True, False] * UNITS),
        mismatched_B=torch.tensor([False, False, False, False, False, False, True, True]),
        ranks_B=torch.tensor([0, 1] * UNITS),
        margin_B=torch.rand(UNITS, generator=generator, dtype=torch.float64).repeat_interleave(2),
        variance_B=torch.rand(n, generator=generator, dtype=torch.float64),
        behaviour_logprobs_BT=says["logprobs_BT"] + 0.01 * noise(n, WIDTH),
        old_logprobs_BT=says["logprobs_BT"] + 0.2 * noise(n, WIDTH),
        truncated_B=torch.tensor([False, True, False, False, True, False, False, False]),
        targets_BK=noise(n, 1).expand(-1, HEADS),
        probability_B=probability,
        weights_BK=weights,
        scalars={"weight": total, "max_new_tokens": 5.0, "beta": 0.3},
    )
    module = methods.load(name)
    return (module.targets(batch, config) if hasattr(module, "targets") else batch), says


def run(name, config, batch, says, parts=None):
    """Return (share of each row, metrics, gradients) when the window is walked in these parts."""
    leaves = {key: value.clone().requires_grad_(key in LEAVES) for key, value in says.items()}
    shares, metrics = torch.zeros(len(batch), dtype=torch.float64), {}
    for rows in parts or [list(range(len(batch)))]:
        outputs = Outputs(**{key: value[rows] for key, value in leaves.items()})
        share_B, found = methods.load(name).loss(batch.slice(torch.tensor(rows)), outputs, config)
        assert share_B.shape == (len(rows),)
        share_B.sum().backward()
        shares[rows] = share_B.detach()
        for key, values in found.items():
            assert values.shape == (len(rows),)
            assert not values.requires_grad
            metrics.setdefault(key, torch.zeros(len(batch), dtype=torch.float64))[rows] = values.double()
    return shares, metrics, {key: leaf.grad for key, leaf in leaves.items() if leaf.grad is not None}


def spoil(values: torch.Tensor, hidden_BT: torch.Tensor, rubbish: float) -> torch.Tensor:
    """Rubbish wherever the mask is not set, whatever stands behind (B, T)."""
    return values.masked_fill(hidden_BT.reshape(hidden_BT.shape + (1,) * (values.ndim - 2)), rubbish)


def agree(one, other) -> None:
    found, expected = flat(one), flat(other)
    assert found.keys() == expected.keys()
    for key, value in found.items():
        assert torch.allclose(value, expected[key], atol=1e-9, equal_nan=True), key


def flat(ran) -> dict[str, torch.Tensor]:
    shares, metrics, gradients = ran
    return {"share": shares, **metrics, **{f"gradient of {key}": value for key, value in gradients.items()}}


# ------------------------------------------------------------------------------------------------------------- loss


@pytest.mark.parametrize(("name", "config"), CASES)
def test_the_loss_is_finite_and_so_is_a_gradient_that_is_there(name, config):
    shares, _, gradients = run(name, config, *window(name, config))
    assert torch.isfinite(shares).all()
    assert gradients
    for gradient in gradients.values():
        assert torch.isfinite(gradient).all()
    assert sum(float(gradient.abs().sum()) for gradient in gradients.values()) > 1e-3


@pytest.mark.parametrize(("name", "config"), CASES)
def test_masked_tokens_change_nothing_even_when_they_are_not_numbers(name, config):
    batch, says = window(name, config)
    expected = run(name, config, batch, says)
    hidden = ~batch.completion_mask_BT
    for rubbish in (99.0, torch.nan, -torch.inf):
        spoilt = {k: spoil(v, hidden, rubbish) if "_BT" in k else v for k, v in says.items()}
        changed = {
            name: spoil(value, hidden, rubbish)
            for name in SPOILT_IN_BATCH
            if (value := getattr(batch, name)) is not None
        }
        agree(run(name, config, dataclasses.replace(batch, **changed), spoilt), expected)


@pytest.mark.parametrize(("name", "config"), CASES)
def test_the_order_of_the_batch_changes_nothing(name, config):
    batch, says = window(name, config)
    shares, metrics, gradients = run(name, config, batch, says)
    units = [3, 0, 2, 1]
    order = torch.tensor([row for unit in units for row in (2 * unit, 2 * unit + 1)])
    moved = run(name, config, batch.slice(order), {key: value[order] for key, value in says.items()})
    agree(moved, (shares[order], *({k: v[order] for k, v in each.items()} for each in (metrics, gradients))))


@pytest.mark.parametrize(("name", "config"), CASES)
def test_slices_of_a_window_add_up_to_the_window(name, config):
    batch, says = window(name, config)
    whole = run(name, config, batch, says)
    together = methods.load(name).needs(config).together
    blocks = [[2 * i, 2 * i + 1] for i in range(UNITS)] if together else [[i] for i in range(2 * UNITS)]
    agree(run(name, config, batch, says, blocks), whole)
    for seed in range(3):
        chance = random.Random(seed)
        chance.shuffle(blocks)
        cuts = sorted({0, len(blocks), *(chance.randrange(len(blocks)) for _ in range(2))})
        parts = [[row for block in blocks[a:b] for row in block] for a, b in pairwise(cuts)]
        agree(run(name, config, batch, says, parts), whole)


@pytest.mark.parametrize(("name", "config"), CASES)
def test_neither_targets_nor_loss_changes_what_it_is_given(name, config):
    batch, says = window(name, config)
    before = {item.name: getattr(batch, item.name) for item in dataclasses.fields(batch)}
    copies = {key: value.clone() for key, value in before.items() if isinstance(value, torch.Tensor)}
    run(name, config, batch, says)
    for key, copy in copies.items():
        assert torch.equal(before[key].nan_to_num(), copy.nan_to_num()), key


SMOOTHED = [name for name in NAMES if hasattr(methods.load(name).Config, "label_smoothing")]


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_can_be_smoothed_reach_the_loss(name):
    """Trap T29; and a half, which would say nothing, is refused."""
    if name not in SMOOTHED:
        return
    plain, smoothed = methods.load(name).Config(), methods.load(name).Config(label_smoothing=0.2)
    one, other = (run(name, config, *window(name, config))[0].sum() for config in (plain, smoothed))
    assert abs(float(one - other)) > 1e-5
    with pytest.raises(InputError, match="label_smoothing"):
        methods.load(name).Config(label_smoothing=0.5)


def test_all_that_imitate_or_compare_can_smooth_labels():
    assert set(SMOOTHED) == {
        "conditional", "constitution", "cpo", "dpo", "feedback_conditional", "hindsight", "ilf", "ipo", "kto",
        "online_dpo", "orpo", "pretrain", "process_reward", "raft", "ranking_reward", "reward", "sft", "simpo", "star",
        "weighted_sft",
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ config


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_explained_under_its_field(name):
    keys = settings.describe(methods.load(name).Config)
    assert keys
    assert [key.name for key in keys if len(key.doc) < 10] == []


@pytest.mark.parametrize(("name", "config"), CASES)
def test_settings_go_through_a_file_and_back(name, config, tmp_path):
    (tmp_path / "config.toml").write_text(settings.to_toml(config), "utf-8")
    assert settings.build(type(config), settings.parse_toml(tmp_path / "config.toml")) == config


@pytest.mark.parametrize("name", NAMES)
def test_a_config_is_frozen_and_an_unknown_setting_is_refused(name):
    config = methods.load(name).Config()
    field = dataclasses.fields(config)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(config, field, None)
    with pytest.raises(InputError, match="unknown key"):
        settings.build(type(config), {f"{field}x": 1})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_no_number_may_be_less_than_nothing_or_none_at_all(name, value):
    config = methods.load(name).Config()
    docs = {key.name: key.doc for key in settings.describe(type(config))}
    numbers = [item.name for item in dataclasses.fields(config) if isinstance(getattr(config, item.name), float)]
    for field in numbers:
        if value == -1.0 and "either sign" in docs[field]:
            continue
        with pytest.raises(InputError, match=field):
            dataclasses.replace(config, **{field: value})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -3])
def test_no_count_may_be_less_than_one(name, value):
    config = methods.load(name).Config()
    counts = [item.name for item in dataclasses.fields(config) if type(getattr(config, item.name)) is int]
    for field in counts:
        with pytest.raises(InputError, match=field):
            dataclasses.replace(config, **{field: value})


# ------------------------------------------------------------------------------------------------------- what it says


@pytest.mark.parametrize(("name", "config"), CASES)
def test_it_says_what_it_needs(name, config):
    needs = methods.load(name).needs(config)
    assert needs.eats or needs.fresh
    assert set(needs.eats) <= {Demonstration, Preference, Score, Critique}
    assert set(needs.views) <= {"reference", "old", "slow", "teacher"}
    assert set(needs.heads) <= {"reward", "value", "q"}
    assert needs.heads.get("reward", HEADS) == HEADS
    assert needs.partner in {"", *NAMES}
    assert (needs.slow_rate > 0) == ("slow" in needs.views)


@pytest.mark.parametrize(("name", "config"), CASES)
def test_every_metric_says_what_it_means(name, config):
    _, metrics, _ = run(name, config, *window(name, config))
    told = methods.load(name).METRICS
    assert set(metrics) <= set(told)
    assert [metric for metric, meaning in told.items() if len(meaning) < 20] == []


@pytest.mark.parametrize("name", NAMES)
def test_its_docstring_names_a_source(name):
    assert "ource" in methods.load(name).__doc__


def test_every_file_is_known_and_a_wrong_name_gets_the_nearest():
    assert {"grpo", "reward", "score_reward"} <= set(NAMES)
    with pytest.raises(InputError, match="Did you mean 'grpo'"):
        methods.load("gpro")
