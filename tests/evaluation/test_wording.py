import re
import string
from pathlib import Path

import pytest

import burnish.evaluation
from burnish.errors import InputError
from burnish.evaluation import wording
from burnish.evaluation.compare import KEYS
from burnish.evaluation.figures import LOGGED
from burnish.evaluation.page import SECTIONS

SOURCES = [path for path in Path(burnish.evaluation.__file__).parent.iterdir() if path.suffix in (".py", ".jinja")]


def test_an_unknown_language_is_refused():
    with pytest.raises(InputError, match="'xx' is not one of the languages"):
        wording.wording("xx")


def test_a_language_that_lacks_a_text_is_refused(monkeypatch):
    monkeypatch.setattr(wording, "_LANGUAGES", {"zh": ({"title": "报告"}, ())})
    with pytest.raises(InputError, match=r"'zh' lacks \d+ texts"):
        wording.wording("zh")


def test_every_text_named_in_the_code_exists_and_every_text_is_used():
    code = "".join(path.read_text(encoding="utf-8") for path in SOURCES if path.name != "wording.py")
    named = set(re.findall(r'say\["([a-z_0-9]+)"\]', code)) | set(re.findall(r"say\.([a-z_0-9]+)", code))
    guarded = ("on_topic", "perplexity", "distinct_2", "length", "kl_nats", "asked_rated_correlation")
    composed = {
        *SECTIONS,
        *(f"{key}{note}" for key in (*KEYS, "kl_nats") for note in ("", "_note")),
        *(f"{verb}_{name}" for name in guarded for verb in ("guard", "broken")),
        *(f"log_{name}" for name in LOGGED),
        *("pic_gold", "pic_proxy", "best", "worst", "random", "improved", "at_a_price", "how", "glossary"),
        *(f"asked_{name}" for name in ("people", "model", "reward", "gold")),
        *re.findall(r'"(row_[a-z]+|pic_chance)"', code.replace("'", '"')),
    }
    assert wording.ENGLISH.keys() == named | composed


def test_texts_are_formats_that_can_be_filled():
    for name, text in wording.ENGLISH.items():
        fields = [field for _, field, _, _ in string.Formatter().parse(text) if field is not None]
        assert all(re.fullmatch(r"[a-z]+", field) for field in fields), name
