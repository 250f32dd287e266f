"""What is trained, as settings: read from TOML and flags, refused where it means nothing, read without torch."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest

from burnish import config
from burnish.errors import InputError
from burnish.models.tuning import KINDS, TuningConfig


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "dora"}, "'dora' is not one of lora"),
        ({"rank": 0}, "adapter.rank: 0"),
        ({"kind": "adalora", "rank": 4, "target_rank": 4}, "not below rank"),
        ({"kind": "adalora", "steps": 3}, "too few"),
        ({"dropout": 1.0}, "adapter.dropout: 1.0 is not in"),
        ({"kind": "ia3", "dropout": 0.1}, "adapter.dropout: ia3 has none"),
        ({"kind": "layers"}, "neither top nor patterns"),
        ({"kind": "layers", "patterns": ("(",)}, "no regular expression"),
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong, said):
    with pytest.raises(InputError, match=said):
        TuningConfig(**wrong)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_come_back_from_json_and_from_toml(kind):
    some = TuningConfig(kind, rank=12, top=2, patterns=("norm", r"layers\.0"))
    assert TuningConfig.from_json(some.to_json()) == some
    assert config.load(TuningConfig, tomllib.loads(config.to_toml(some)), [], where="x") == some


def test_they_are_read_without_torch():
    code = "import sys, burnish.models.tuning; print('torch' in sys.modules, 'peft' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
