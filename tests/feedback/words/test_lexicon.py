from burnish.feedback.words.lexicon import Entry, Lexicon, own, stems
from burnish.feedback.words.tokens import Vocabulary, tokens


def test_every_word_of_our_lists_can_be_found():
    lexicon = own()
    assert len(lexicon) > 1500
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
