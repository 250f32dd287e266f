"""The files of a report as a program, a browser and an attacker would read them."""

import dataclasses
import html
import itertools
import json
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from burnish.errors import InputError
from burnish.evaluation.compare import KEYS, compare, curve_point
from burnish.evaluation.page import SECTIONS, TaskWords
from burnish.evaluation.report import Report, make_report, write_report
from burnish.evaluation.reward_card import reward_card

pytest.importorskip("matplotlib")
pytest.importorskip("jinja2")

TASK = TaskWords(title="Lamps that say what is asked", people="How positive a text is.", reward="Minus the distance.")
EVIL = (
    '<script>alert(1)</script><img src="http://evil.example/x.png" onerror="alert(1)">',
    '</p></div></main><style>*{display:none}</style><base href="//evil.example">',
    "{{ 7 * 7 }} {% include 'x' %} &amp; &lt; \" ' ` <!-- --> ]]>",
    "\u202eright to left \u2066 and nul \x00 bell \x07 \ud800 end",
    '<a href="javascript:alert(1)">x</a> http://plain.example/ @import url(//evil.example)',
)


def small_card():
    generator = np.random.default_rng(0)
    worth = generator.normal(0, 1.5, 40)
    ratings = [np.round(generator.normal(w, 1, 6)).tolist() for w in worth]
    return reward_card(worth, ["w " * 5] * 40, ratings, [0] * 40, scale=1.0, spread=generator.random(40), n_pairs=300)


def make(before, after, **changes):
    values = {
        "recipe": "reviews",
        "model": "tiny",
        "seed": 0,
        "seconds": {"total": 12.0, "training": 9.0, "report": 1.0},
        "peak_memory_gib": 1.5,
        "feedback": {"records": 900, "people": None, "by_kind": {"rating": 900}},
        "card": small_card(),
        "gold_model": {"how": "words", "n_texts": 400, "pair_accuracy": 0.79, "ci95": [0.77, 0.81]},
        "kl_budget_nats": 15.0,
        "curve": [curve_point(step, side, resamples=30) for step, side in ((0, before), (8, after))],
        "checkpoint": "c_1",
        "lineage": {"chain": [{"what": "Checkpoint", "id": "c_1"}, {"what": "Snapshot"}], "parent": "tiny"},
        "details": {"versions": {"numpy": "2"}, "machine": {"cores": 2}},
    }
    return make_report(compare(before, after, resamples=200), **{**values, **changes})


LOG = [
    {"reward": step / 9, "kl_nats": step / 2, "loss": 0.1, "length": 50, "truncated": 0, "seconds": 1}
    for step in range(9)
]


@pytest.fixture(scope="module")
def written(make_side, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    before, after = make_side(0), make_side(1, gain=0.5, kl=4.0)
    report = make(before, after)
    write_report(folder, report, before, after, task=TASK, training_log=LOG, card=small_card())
    return folder


class Page(HTMLParser):
    """What a browser would act upon: elements with their attributes, and the text by element."""

    def __init__(self, source):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.open = [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "link", "path", "use", "rect", "circle"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        if tag in ("path", "use", "rect", "circle"):
            return
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.text.append(data)

    def named(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def check_asks_nothing_of_a_network(source):
    page = Page(source)
    names = {tag for tag, _ in page.elements}
    assert not names & {"script", "img", "iframe", "object", "embed", "link", "base", "form", "audio", "video", "image"}
    for tag, attributes in page.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("href", "src", "action", "xlink:href", "srcset", "data"):
                assert value.startswith("#"), (tag, name, value)
            if name == "style":
                assert "url(" not in value.replace("url(#", "")
    styles = re.findall(r"<style>(.*?)</style>", source, flags=re.DOTALL)
    assert len(styles) == 1
    assert "url(" not in styles[0]
    assert "@import" not in styles[0]
    policy = [a["content"] for a in page.named("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy[0].startswith("default-src 'none'; style-src 'unsafe-inline'")


def test_report_json_has_every_promised_key_and_only_finite_numbers(written):
    def refuse(name):
        raise AssertionError(f"{name} in report.json")

    report = json.loads((written / "report.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert {
        "schema", "recipe", "model", "seed", "seconds", "peak_memory_gib", "feedback", "reward_model", "gold_model",
        "before", "after", "difference", "win_rate", "kl_nats", "kl_budget_nats", "curve", "verdict", "checkpoint",
        "lineage",
    } <= report.keys()  # fmt: skip
    assert report["schema"] == 1
    assert set(report["feedback"]) == {"records", "people", "by_kind", "agreement"}
    assert set(report["feedback"]["agreement"]) == {"alpha", "ci95"}
    assert set(report["before"]) == set(report["after"]) == set(report["difference"]) == set(KEYS)
    assert set(report["reward_model"]) == {
        "pair_accuracy", "ci95", "n_pairs", "baselines", "calibration_error", "length_correlation", "other_domains"
    }  # fmt: skip
    assert set(report["curve"][0]) >= {"step", "kl_nats", "gold", "proxy"}
    assert report["verdict"]["improved"] is True
    assert report["difference"]["gold"]["ci95"][0] > 0
    assert [guard["held"] for guard in report["guards"]] == [True] * 6


def test_an_empty_report_has_the_same_keys():
    empty = Report().as_json()
    assert empty["before"] == dict.fromkeys(KEYS)
    assert empty["win_rate"] == {"mean": None, "ci95": None, "n": None}
    assert empty["verdict"]["improved"] is False
    assert empty["curve"] == [] or empty["curve"] == ()
    json.dumps(empty, allow_nan=False)


def test_extra_keys_never_hide_promised_ones():
    assert Report(seed=3, extra={"seed": 4, "guards": []}).as_json()["seed"] == 3


def test_what_is_not_finite_becomes_null_and_is_told(make_side):
    before, after = make_side(0), make_side(1)
    curve = [{"step": 0, "kl_nats": np.float64(0.5), "gold": math.nan, "proxy": np.float32(1)}]
    report = make(before, after, curve=curve, peak_memory_gib=math.inf).as_json()
    assert report["curve"] == [{"step": 0, "kl_nats": 0.5, "gold": None, "proxy": 1.0}]
    assert report["peak_memory_gib"] is None
    assert report["details"]["not_finite"] == ["peak_memory_gib", "curve[0].gold"]
    assert any("curve[0].gold" in warning for warning in report["verdict"]["warnings"])


def test_the_page_is_whole_and_asks_nothing_of_a_network(written):
    source = (written / "report.html").read_text(encoding="utf-8")
    assert source.startswith("<!doctype html>")
    check_asks_nothing_of_a_network(source)
    assert "http" not in source.replace("http-equiv", "")


def test_the_page_can_be_read_without_seeing_it(written):
    page = page_of(written)
    assert page.open == []
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels)), "no level of heading is skipped"
    assert len(page.named("svg")) == len(list((written / "plots").glob("*.svg"))) == 12
    assert all(each["role"] == "img" and each["aria-label"] for each in page.named("svg"))
    assert len(page.named("caption")) == len(page.named("table"))
    assert page.named("html")[0]["lang"] == "en"
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {each["href"][1:] for each in page.named("a")} <= set(ids)


def test_the_sections_come_in_the_promised_order(written):
    sections = [each["id"] for each in page_of(written).named("section")]
    assert sections == [*SECTIONS, "how", "glossary"]


def test_the_page_says_what_the_json_says(written):
    report = json.loads((written / "report.json").read_text(encoding="utf-8"))
    text = html.unescape(" ".join(page_of(written).text))
    for sentence in report["verdict"]["reasons"] + report["verdict"]["warnings"]:
        assert sentence in text
    assert f"+{report['difference']['gold']['mean']:.2f}" in text
    assert f"{report['reward_model']['pair_accuracy']:.1%}" in text
    assert TASK.people in text


def test_hostile_text_is_shown_and_never_acted_upon(make_side, tmp_path):
    def poison(samples):
        return [
            dataclasses.replace(
                s,
                text=EVIL[place % len(EVIL)],
                prompt=EVIL[(place + 2) % len(EVIL)],
                asked_words=EVIL[0],
                thing=EVIL[1],
            )
            for place, s in enumerate(samples)
        ]

    before, after = poison(make_side(0)), poison(make_side(1))
    evil = {EVIL[0]: 1.0, "total": 2.0}
    report = make(
        before,
        after,
        recipe=EVIL[0],
        model=EVIL[1],
        seconds=evil,
        details={EVIL[1]: {EVIL[3]: EVIL[2]}},
        lineage={"chain": [{"what": EVIL[0], "id": EVIL[1], "note": EVIL[3]}], EVIL[0]: EVIL[4]},
        checkpoint=EVIL[2],
    )
    task = dataclasses.replace(TASK, title=EVIL[0], people=EVIL[1])
    card = small_card().with_baselines(**{EVIL[0]: small_card().accuracy})
    write_report(tmp_path, report, before, after, task=task, card=card)
    source = (tmp_path / "report.html").read_text(encoding="utf-8")
    check_asks_nothing_of_a_network(source)
    page = Page(source)
    assert page.open == []
    shown = "\n".join(page.text)
    for text in (EVIL[0], EVIL[1], EVIL[2], EVIL[4]):
        assert text in shown, "shown exactly as written"
    assert "nul ␀ bell ␇ \ufffd end" in shown
    json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def test_the_same_arguments_give_the_same_bytes(make_side, tmp_path, written):
    before, after = make_side(0), make_side(1, gain=0.5, kl=4.0)
    write_report(tmp_path, make(before, after), before, after, task=TASK, training_log=LOG, card=small_card())
    names = sorted(path.relative_to(written) for path in written.rglob("*.*"))
    assert len(names) == 2 + 2 * 12
    for name in names:
        assert (written / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_a_run_where_nothing_was_measured_still_gets_its_page(make_side, tmp_path):
    blank = {"gold": None, "proxy": None, "rated_gold": None, "on_topic": None, "asked": None, "asked_words": ""}
    side = [dataclasses.replace(s, **blank, reference_nll=None, kl_nats=None) for s in make_side(0, prompts=3)]
    report = make_report(
        compare(side, side, resamples=20),
        recipe="r",
        model="m",
        seed=1,
        seconds={},
        gold_model={"n_texts": 4, "n_needed": 300},
    )
    write_report(tmp_path, report, side, side, task=TaskWords(title="Nothing"))
    check_asks_nothing_of_a_network((tmp_path / "report.html").read_text(encoding="utf-8"))
    text = " ".join(page_of(tmp_path).text)
    assert "Nothing can be said about improvement" in text
    assert "at least 300 would be needed" in text
    assert not (tmp_path / "plots").exists()


def test_an_unknown_language_is_refused_before_anything_is_written(make_side, tmp_path):
    side = make_side(0)
    with pytest.raises(InputError, match=r"report\.language"):
        write_report(tmp_path, make(side, side), side, side, task=TASK, language="xx")
    assert list(tmp_path.iterdir()) == []
