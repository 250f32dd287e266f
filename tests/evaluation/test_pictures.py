import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from burnish.evaluation import pictures, svg
from burnish.evaluation.compare import asked_levels
from burnish.evaluation.figures import Levels, draw, logged
from burnish.evaluation.reward_card import PairAccuracy, RewardCard, reward_card
from burnish.evaluation.wording import wording

pytest.importorskip("matplotlib")
SAY = wording()
HOSTILE = '<script>alert(1)</script> $\\frac{1}$ #a4460d id="x" url(#y) \x07\ud800'
LOG = [{"reward": -1.0 + step / 9, "kl_nats": step / 2, "loss": None, "length": 50 - step} for step in range(9)]
CURVE = [
    {"step": step, "kl_nats": step / 2, "gold": -1 + step / 30, "gold_ci95": [-1.2, -0.8], "proxy": -1 + step / 9}
    for step in range(0, 24, 8)
]


def card(name="words"):
    generator = np.random.default_rng(0)
    worth = generator.normal(0, 1.5, 40)
    ratings = [np.round(generator.normal(w, 1, 6)).tolist() for w in worth]
    found = reward_card(worth, ["w " * 5] * 40, ratings, [0] * 40, scale=1.0, spread=generator.random(40), n_pairs=300)
    return found.with_baselines(**{name: PairAccuracy(0.7, 0.66, 0.74, 300, 40)})


def drawn(make_side, log=LOG, name="words"):
    before, after = make_side(0), make_side(1, gain=0.4)
    report = {
        "before": {"asked_rated_correlation": 0.5},
        "after": {"asked_rated_correlation": 0.8},
        "curve": CURVE,
        "kl_budget_nats": 6.0,
    }
    return draw(report, Levels.of(before, after), log, card(name), (-4.0, 4.0), SAY)


def test_all_pictures_are_drawn_the_same_twice(make_side):
    one, other = drawn(make_side), drawn(make_side)
    assert list(one) == [
        "asked_rated_before", "asked_rated_after", "over_optimisation", "training_reward", "training_kl_nats",
        "training_length", "reward_accuracy", "reward_calibration", "reward_spread",
    ]  # fmt: skip
    assert one == other
    for found in one.values():
        assert found.png.startswith(b"\x89PNG")
        assert ET.fromstring(found.svg).tag.endswith("svg")
        assert b"<text" in found.svg, "text stays text"


def test_what_was_not_measured_has_no_picture():
    report = {"before": {}, "after": {}, "curve": [], "kl_budget_nats": None}
    assert draw(report, Levels([], []), [], RewardCard(), (-4, 4), SAY) == {}
    assert draw(report, Levels([], []), [{"reward": 1.0}], None, (-4, 4), SAY) == {}


def test_inline_pictures_share_no_ids_name_no_address_and_follow_the_page_s_colours(make_side):
    found = drawn(make_side)
    ids = [each for picture in found.values() for each in re.findall(r'\bid="([^"]+)"', picture.inline)]
    assert len(ids) == len(set(ids))
    for picture in found.values():
        tree = ET.fromstring(picture.inline)
        assert tree.get("role") == "img"
        assert tree.get("aria-label")
        assert "http" not in picture.inline
        assert set(re.findall(r"#[0-9a-f]{6}", picture.inline)) <= set()
        assert "var(--ink)" in picture.inline or "var(--muted)" in picture.inline
        inside = set(re.findall(r'(?:href="|url\()#([^")]+)', picture.inline))
        assert inside <= set(ids)


def test_hostile_names_stay_text(make_side):
    found = drawn(make_side, name=HOSTILE)["reward_accuracy"]
    assert "<script" not in found.inline
    shown = " ".join(ET.fromstring(found.inline).itertext())
    folded = re.sub(r"\s+", " ", shown)
    assert "<script>alert(1)</script>" in folded
    assert '#a4460d id="x"' in folded, "words that look like markup are not rewritten"
    assert "␇\ufffd" in folded
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in found.inline.split('aria-label="')[1].split('"')[0]


def test_the_user_s_own_matplotlib_settings_are_neither_used_nor_changed(make_side):
    import matplotlib as mpl

    before = drawn(make_side)["training_reward"].svg
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red"}):
        assert drawn(make_side)["training_reward"].svg == before
        assert mpl.rcParams["font.size"] == 30


def test_running_mean_by_hand():
    assert pictures.running_mean([1, 2, 3, 6], 2) == [1, 1.5, 2.5, 4.5]


def test_a_log_s_steps_are_its_own_or_counted():
    assert logged([{"step": 10, "loss": 1}, {"step": 20, "loss": None}, {"loss": 3}], "loss") == ([10, 3], [1, 3])


def test_one_level_or_lines_that_meet_can_be_drawn(make_side):
    with pictures.style():
        level = asked_levels(make_side(0))[:1]
        found = svg.picture("x", pictures.asked_rated(level, "t", is_after=True, bounds=(-4, 4), say=SAY), "a", {})
        same = [{"kl_nats": k, "gold": 1.0, "proxy": 1.0} for k in (0.0, 1.0)]
        other = svg.picture("y", pictures.over_optimisation(same, SAY), "a", {})
    assert "so-so" not in found.inline
    heights = [float(each) for each in re.findall(r'y="([\d.]+)"[^>]*>(?:score it|independent)', other.inline)]
    assert len(heights) == 2
    assert abs(heights[0] - heights[1]) > 8, "the two names do not lie on each other"
