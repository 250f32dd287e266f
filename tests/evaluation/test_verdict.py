import copy

import pytest

from burnish.errors import InputError
from burnish.evaluation.verdict import Limits, guards, require_independent, verdict

BETTER = {"mean": 0.3, "ci95": [0.2, 0.4], "n": 128}
FLAT = {"mean": 0.02, "ci95": [-0.05, 0.09], "n": 128}
WORSE = {"mean": -0.3, "ci95": [-0.4, -0.2], "n": 128}

GOOD = {
    "before": {"gold": -1.5, "on_topic": 0.9, "perplexity": 20.0, "distinct_2": 0.7, "length": 60.0, "truncated": 0.05},
    "after": {"gold": -1.2, "on_topic": 0.9, "perplexity": 21.0, "distinct_2": 0.7, "length": 55.0, "truncated": 0.05},
    "difference": {"gold": BETTER, "proxy": BETTER, "asked_rated_correlation": {"mean": 0.2, "ci95": [0.1, 0.3]}},
    "win_rate": {"mean": 0.62, "ci95": [0.57, 0.67], "n": 128},
    "kl_nats": 6.0,
    "kl_budget_nats": 15.0,
    "reward_model": {"pair_accuracy": 0.82, "baselines": {"words": 0.75}},
    "gold_model": {"pair_accuracy": 0.79},
    "curve": [],
}


def changed(**changes):
    """The good report with some parts replaced: `gold=` is the difference of gold, `after__length=` one figure."""
    report = copy.deepcopy(GOOD)
    for name, value in changes.items():
        part, _, key = name.partition("__")
        if part in ("gold", "proxy"):
            report["difference"][part] = value
        elif key:
            report[part][key] = value
        else:
            report[part] = value
    return report


@pytest.mark.parametrize(
    ("changes", "improved", "first", "also"),
    [
        ({}, True, "The model got better", "Nothing else got worse than allowed"),
        ({"gold": FLAT}, False, "No improvement could be shown", "over-optimisation"),
        ({"gold": FLAT, "proxy": FLAT}, False, "No improvement could be shown", "the training itself did little"),
        ({"gold": WORSE}, False, "The model got worse", "over-optimisation"),
        (
            {"gold": {**BETTER, "ci95": [0.0, 0.6]}},
            False,
            "No improvement could be shown",
            "would usually go unnoticed",
        ),
        (
            {"after__on_topic": 0.8},
            False,
            "Not counted as an improvement",
            "about the thing they were asked about: 0.89",
        ),
        ({"after__perplexity": 26.0}, False, "Not counted as an improvement", "perplexity is 1.30 times"),
        ({"after__distinct_2": 0.5}, False, "Not counted as an improvement", "distinct word pairs are 0.71 times"),
        ({"after__length": 30.0}, False, "Not counted as an improvement", "it is 0.50 times"),
        ({"after__length": 90.0}, False, "Not counted as an improvement", "it is 1.50 times"),
        ({"kl_nats": 16.0}, False, "Not counted as an improvement", "16.0 nats away"),
        (
            {"difference": {**GOOD["difference"], "asked_rated_correlation": {"mean": -0.1, "ci95": [-0.2, 0.1]}}},
            False,
            "Not counted as an improvement",
            "do not agree more than before (\u22120.10)",
        ),
        ({"gold": None, "after__gold": None}, False, "there is no independent judge", "cannot stand in for it"),
        ({"gold": {"mean": None, "ci95": None}, "after__gold": None}, False, "there is no independent judge", ""),
        ({"gold": None, "win_rate": None}, False, "fewer than two give no interval", ""),
    ],
)
def test_verdict(changes, improved, first, also):
    found = verdict(changed(**changes))
    assert found["improved"] is improved
    assert first in found["reasons"][0]
    assert any(also in reason for reason in found["reasons"])


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        ({"gold": {**BETTER, "n": 8}, "win_rate": None}, "Only 8 prompts"),
        ({"after__on_topic": None}, "Not measured, so not guarded: on topic"),
        ({"kl_budget_nats": None}, "Not measured, so not guarded: distance"),
        (
            {"reward_model": {"pair_accuracy": 0.7, "baselines": {"words": 0.75}}},
            "no better (70.0%) than the baseline words",
        ),
        ({"gold_model": {"pair_accuracy": 0.6}}, "only 60.0% of the time"),
        ({"gold_model": {"pair_accuracy": None}}, "how far it can be trusted is not known"),
        ({"reward_model": {"pair_accuracy": None, "baselines": {}}}, "it may know little more than chance"),
        ({"after__truncated": 0.4}, "40.0% of the texts"),
        (
            {
                "curve": [
                    {"step": 0, "gold": -1.5, "gold_ci95": [-1.6, -1.4]},
                    {"step": 8, "gold": -1.0, "gold_ci95": [-1.1, -0.9]},
                    {"step": 16, "gold": -1.3, "gold_ci95": [-1.4, -1.2]},
                ]
            },
            "highest at step 8",
        ),
    ],
)
def test_warnings(changes, warning):
    found = verdict(changed(**changes))
    assert [text for text in found["warnings"] if warning in text]
    assert found["improved"], "a warning alone takes no improvement away"


def test_a_good_run_brings_no_warnings():
    assert verdict(GOOD)["warnings"] == []
    assert verdict(GOOD, not_finite=["curve[2].gold"])["warnings"] == [
        "Not a finite number, so left out: curve[2].gold."
    ]


def test_too_little_feedback_for_gold_says_how_much_would_do():
    found = verdict(changed(gold=None, after__gold=None, gold_model={"n_texts": 40, "n_needed": 300}))
    assert "40 rated texts were set aside for it; at least 300 would be needed." in found["reasons"]


def test_smallest_visible_change_follows_from_the_interval():
    # the interval is 3.92 standard errors wide, what is seen 4 times in 5 is 2.80: 0.14 * 2.80 / 3.92 = 0.10
    assert any("smaller than about 0.10" in reason for reason in verdict(changed(gold=FLAT))["reasons"])


def test_limits_can_be_moved():
    report = changed(after__length=30.0)
    assert verdict(report, Limits(length=0.6))["improved"]
    assert not verdict(GOOD, Limits(perplexity=1.01))["improved"]


def test_a_guard_exactly_at_its_limit_holds():
    held = {guard["name"]: guard["held"] for guard in guards(changed(after__length=78.0, after__perplexity=25.0))}
    assert held["length"] is held["perplexity"] is True


def test_a_correlation_that_stays_the_same_has_not_risen():
    report = changed(difference={**GOOD["difference"], "asked_rated_correlation": {"mean": 0.0, "ci95": [-0.1, 0.1]}})
    assert not verdict(report)["improved"]


def test_the_report_is_not_changed():
    report = changed()
    verdict(report)
    assert report == GOOD


def test_gold_from_the_checkpoint_s_own_lineage_is_refused():
    require_independent(["ratings/gold"], ["ratings/proxy", "smollm2"])
    with pytest.raises(InputError, match="ratings/proxy took part in training"):
        require_independent(["ratings/gold", "ratings/proxy"], ["ratings/proxy"])
