import json
from importlib.metadata import PackageNotFoundError, distribution

import pytest

from burnish.errors import InputError
from burnish.feedback.masking import Masker, find, name_lists
from burnish.feedback.masking.name_lists import Lexicon, Names, folded, word_sets
from burnish.feedback.masking.people import engine, english_people, people
from burnish.feedback.masking.people_chinese import chinese_people

PACKAGES = ("names", "gender-guesser", "indian-names", "jieba")
NAMES = Names(
    first=frozenset({"ana", "grace", "will", "john", "lucja", "maria", "jean", "hitesh"}),
    last=frozenset({"kowalska", "price", "king", "cruz", "dixit", "kelly", "smith", "court", "hall"}),
    words=frozenset({"grace", "will", "price", "king", "ask", "the", "period", "lamp", "stood"}),
)
GIVEN = ("秀英", "桂英", "建国", "国强", "小明", "志强")
LEXICON = Lexicon(
    {
        **{f"{surname}{given}": (3, "nr") for surname in "王李张" for given in GIVEN},
        **dict.fromkeys(("我", "和", "去", "了", "的", "电话", "老师", "昨天", "说", "王国"), (5_000, "v")),
        **dict.fromkeys(("国", "王", "医院", "英", "明", "强"), (500, "n")),
        "张家口": (20, "nr"),
    }
)


def english(text):
    return [text[each.start : each.end] for each in english_people(text, NAMES)]


def chinese(text):
    return [text[each.start : each.end] for each in chinese_people(text, LEXICON)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Ask Ana Kowalska about it.", ["Ana Kowalska"]),
        ("I met Ana yesterday.", ["Ana"]),
        ("Ask Łucja Żmija about it.", ["Łucja Żmija"]),
        ("It was Maria de la Cruz again.", ["Maria de la Cruz"]),
        ("It was John R. Smith again.", ["John R. Smith"]),
        ("I saw Jean-Maria Xyz there.", ["Jean-Maria Xyz"]),
        ("Ana's lamp stood there.", ["Ana"]),
        ("It was Mr. Qwertz and Dr Asdf.", ["Mr. Qwertz", "Dr Asdf"]),
        ("I hate Grace Kelly films.", ["Grace Kelly"]),
        ("The Grace period is over. Will it end?", []),
        ("Grace Period", []),
        ("Ask the King about Price.", []),
        ("They live in New York and Los Angeles.", []),
        ("I was told by Zorlu Qart that it works.", ["Zorlu Qart"]),
        ("The Zorlu Qart hums.", []),
        ("So says Zorlu Court, and John Hall.", ["John Hall"]),
        ("ask ana kowalska about it", ["ana kowalska"]),
        ("will king price lamp", []),
    ],
)
def test_a_name_is_known_by_lists_and_by_what_stands_beside_it(text, found):
    assert english(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("我和王秀英去了医院", ["王秀英"]),
        ("昨天李强老师说了", ["李强"]),
        ("张桂强的电话", ["张桂强"]),
        ("我和王国去了", []),
        ("昨天去了张家口", []),
        ("我去了医院。", []),
    ],
)
def test_a_chinese_name_is_a_word_that_no_dictionary_has(text, found):
    assert chinese(text) == found


def test_names_are_looked_up_without_accents():
    assert [folded(each) for each in ("Łucja", "Étienne", "D\u2019Alia", "Y\u0131ld\u0131z")] == [
        "lucja",
        "etienne",
        "d'alia",
        "yildiz",
    ]


def test_the_words_beside_names_are_told_apart_by_section():
    assert {"mr", "dr"} <= word_sets("english_beside_names.txt")["titles"]
    assert "先生" in word_sets("chinese_beside_names.txt")["titles"]


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(name_lists, "CENSUS", ("names/no_such_list",))
    name_lists.english_names.cache_clear()
    with pytest.raises(InputError, match=r"pip install 'burnish\[names\]'"):
        engine()


def test_with_the_extra_names_of_many_countries_are_masked():
    for package in PACKAGES:
        try:
            distribution(package)  # read as data: importing them would prove nothing
        except PackageNotFoundError:
            pytest.skip(f"{package} is not installed: pip install 'burnish[names]'")
    text = "Ask Grzegorz Brzęczyszczykiewicz or Hitesh Dixit; will they answer? 我昨天跟王秀英一起去了医院。"
    found = [text[each.start : each.end] for each in find(text, also=[engine()])]
    assert found == ["Grzegorz Brzęczyszczykiewicz", "Hitesh Dixit", "王秀英"]
    masked = Masker(bytes(32), engines=[people]).text(text)
    assert "Grzegorz" not in masked
    assert "王秀英" not in masked
    assert json.dumps(masked).count("[NAME_") == 3
