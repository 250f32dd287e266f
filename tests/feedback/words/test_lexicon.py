from pathlib import Path

import pytest

from burnish.corpora import ratings
from burnish.feedback.words import lexicon as words_of_opinion
from burnish.feedback.words.lexicon import OUT_OF_CONTEXT, Entry, Lexicon, by_hand, own, stems, vader
from burnish.feedback.words.reading import read
from burnish.feedback.words.tokens import Vocabulary, tokens


def test_every_word_of_our_lists_can_be_found():
    lexicon = own()
    assert len(by_hand()) > 1500
    assert len(lexicon) > 8000
    lost = [word for word in lexicon._entries if not list(lexicon.find(lexicon.cut(word)))]
    assert lost == []


def test_valences_are_on_the_scale_and_aspects_are_known():
    for word, entry in own()._entries.items():
        assert -4 <= entry.valence <= 4, word
        assert entry.aspect in {"", "correctness", "fluency", "relevance", "style", "length", "safety"}, word


def test_endings_come_off_by_rule():
    assert "ramble" in stems("rambling")
    assert "stop" in stems("stopped")
    assert "clumsy" in stems("clumsily")
    assert own().word("misspellings") == own().word("misspelling")
    assert own().word("sooooo") is None
    assert own().word("goooood") == own().word("good")


def test_the_longest_phrase_counts():
    lexicon = Lexicon({"waste": Entry(-1.0), "waste of time": Entry(-2.0)})
    (found,) = lexicon.find(lexicon.cut("a waste of time"))
    assert found.entry.valence == -2.0


def test_other_valences_are_averaged_where_they_agree_and_added_where_ours_lacks_them():
    lexicon = Lexicon({"good": Entry(2.0), "sick": Entry(-1.5), "answer": Entry(0.0, "relevance", True)})
    more = lexicon.with_words({"good": 3.0, "sick": 2.0, "answer": 1.0, "stellar": 3.5, "not": -1.0, "goods": 1.0})
    assert more.word("good").valence == 2.5
    assert more.word("sick").valence == -1.5
    assert more.word("answer").wanted
    assert more.word("stellar").valence == 3.5
    assert more.word("not") is None  # a word of grammar
    assert more.word("goods").valence == 2.5  # a form of ours
    assert lexicon.word("stellar") is None


def test_what_only_the_other_list_knows_counts_in_part_but_a_sign_counts_whole():
    more = Lexicon({"good": Entry(2.0)}).with_words(
        {"good": 3.0, "war": -3.0, ":-]": 2.0, "wish": 1.7, "sentence": 0.3}, 0.5
    )
    assert more.word("good").valence == 2.5
    assert more.word("war").valence == -1.5
    assert more.word(":-]").valence == 2.0
    assert more.word("wish") is None  # tells that something is missing
    assert more.word("sentence") is None  # names the part spoken of


def test_vaders_words_ship_beside_ours():
    assert by_hand().word("bankrupt") is None
    assert own().word("bankrupt") == Entry(vader()["bankrupt"] * OUT_OF_CONTEXT, by_itself=True)
    assert own().word("good").valence == pytest.approx((by_hand().word("good").valence + vader()["good"]) / 2)
    assert own().word("haunting") == by_hand().word("haunting")  # praise of a film, a fright by itself: ours stands
    assert read("The company went bankrupt.").whole.value < 0


def test_vaders_numbers_are_no_words():
    assert read("It has 143 pages, 86 of them blank tables.").whole is None


def test_chinese_is_as_it_was_written_by_hand():
    both, ours = own()._entries, by_hand()._entries
    assert {word: both[word] for word in both if not word.isascii() and word in ours} == {
        word: entry for word, entry in ours.items() if not word.isascii()
    }
    assert own().vocabulary.chinese == by_hand().vocabulary.chinese


def test_vaders_licence_lies_beside_its_words():
    licence = Path(words_of_opinion.__file__).with_name("vader.LICENSE").read_text("utf-8")
    assert "The MIT License" in licence
    assert "Copyright (c) 2016 C.J. Hutto" in licence


@pytest.mark.real_model
def test_vaders_words_are_those_of_the_release():
    published = ratings.lexicon()
    assert vader() == {word: valence for word, valence in published.items() if not word.isdecimal()}
    assert len(published) - len(vader()) == 6


def test_contractions_come_apart_at_their_own_places():
    text = "Can’t, cannot, cant; it's CAN'T"
    found = tokens(text, Vocabulary([]))
    assert [token.text for token in found if token.text.isalpha()] == ["can", "not"] * 3 + ["it"] + ["can", "not"]
    assert all(text[token.start : token.end] for token in found)
    assert "".join(text[token.start : token.end] for token in found) == text.replace(" ", "")


def test_addresses_and_names_say_nothing_and_signs_stay_whole():
    found = [
        token.text for token in tokens("@bo see https://a.b/c :/ ;-) D: :D", Vocabulary([":/", ";-)", ":d", "d:"]))
    ]
    assert found == ["see", ":/", ";-)", "d:", ":d"]


def test_chinese_is_cut_into_the_longest_known_words():
    found = [token.text for token in tokens("语气不太好", Vocabulary(["语气", "不", "不太", "好"]))]
    assert found == ["语气", "不太", "好"]
