"""Whose setting a flag is, and what is said of one that has moved."""

from __future__ import annotations

from typing import Any

import pytest

from burnish import methods
from burnish.cli.train import _settings
from burnish.config import parse_toml
from burnish.errors import InputError
from burnish.loop.train_settings import Settings, settings_of
from burnish.methods import grpo, inverse_rl


def of(method: str, *sets: str, given: dict[str, Any] | None = None) -> Settings:
    return settings_of(method, methods.load(method), given or {}, sets, "config.toml")


def test_a_flag_goes_to_the_method_its_partner_or_the_run(tmp_path):
    found = of("inverse_rl", "base=reference", "partner.beta=1.0", "inverse_rl.heads=2", "course.steps=7")
    assert found.method == inverse_rl.Config(base="reference", heads=2)
    assert found.partner == grpo.Config(beta=1.0)
    assert found.run.course.steps == 7
    (tmp_path / "config.toml").write_text(found.to_toml({"seed": 0}), "utf-8")
    assert of("inverse_rl", given=parse_toml(tmp_path / "config.toml")) == found


def test_the_partner_is_the_one_that_the_method_was_given():
    assert of("discriminator", "partner=rloo", "partner.ratio=token").partner == methods.load("rloo").Config("token")
    with pytest.raises(InputError, match=r"partner\.beta=1.0: grpo trains nothing in turn"):
        of("grpo", "partner.beta=1.0")


def test_the_partner_s_settings_are_listed():
    assert "[partner] of grpo, which is trained in turn" in _settings("inverse_rl", inverse_rl)
    assert "[partner]" not in _settings("grpo", grpo)


@pytest.mark.parametrize("key", ["minibatches", "grpo.minibatches"])
def test_a_setting_that_has_moved_says_where(key):
    with pytest.raises(InputError, match=r"is walk\.parts here, a setting of every method\. Use --set walk\.parts=3"):
        of("grpo", f"{key}=3")


def test_an_older_file_is_read_where_nothing_is_lost_and_refused_where_it_would_be():
    assert of("grpo", given={"grpo": {"minibatches": 1, "beta": 0.5}}).method == grpo.Config(beta=0.5)
    with pytest.raises(InputError, match=r"minibatches = 3 is now walk\.parts.*write parts = 3 under \[walk\]"):
        of("grpo", given={"grpo": {"minibatches": 3}})


@pytest.mark.parametrize(("method", "setting"), [("dpo", "new.dropout=0.1"), ("raft", "new.teacher_forcing=0.5")])
def test_dropout_is_refused_where_it_would_be_left_off(method, setting):
    model = "model=new:encoder_decoder"
    with pytest.raises(InputError, match=rf"{setting.partition('=')[0]}: .*{method} compares log-probs.*T20"):
        of(method, model, setting)
    for learns in ("sft", "pretrain", "reward", "process_reward"):
        of(learns, model, setting)
    of(method, model)
    of("discriminator", "model=new:encoder", "new.dropout=0.1")  # an encoder says no log-probs


@pytest.mark.parametrize("method", ["dpo", "grpo", "raft", "discriminator"])
def test_dropout_in_the_adapter_is_refused_where_it_would_be_left_off(method):
    with pytest.raises(InputError, match=rf"adapter.dropout: 0.1, and {method} compares log-probs.*T20"):
        of(method, "adapter.dropout=0.1")
    for learns in ("sft", "reward", "span_reward"):
        assert of(learns, "adapter.dropout=0.1").run.adapter.dropout == 0.1
    of(method)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("grpo", "rewards"),
        ("ilql", "rewards"),
        ("sdpo", "teacher"),
        ("score_reward", "grades"),
        ("inverse_rl", "texts"),
    ],
)
def test_smoothing_of_labels_that_are_none_is_refused_with_the_reason(method, said):
    with pytest.raises(InputError, match=rf"label_smoothing: {method} has no labels.*{said}"):
        of(method, "label_smoothing=0.1")
