import pytest

from burnish.errors import InputError
from burnish.feedback.intake import import_file
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import SignalConfig, answers_of, rescale, said, signals_from
from burnish.plain import signal_from_plain, signal_to_plain, snapshot_hash
from burnish.records import Critique, Demonstration, Preference, Score
from burnish.store import Entry

RATED = {"prompt": "Hi", "completion": "A", "rating": 4, "scale": [1, 5]}
UP = {"prompt": "Hi", "completion": "A", "thumb": True}
PAIR = {"prompt": "Hi", "chosen": "A", "rejected": "B"}
RANKED = {"prompt": "Hi", "completions": ["A", "B", "C"], "ranking": [0, 1, 2]}


def entries(*rows):
    return [to_entry(row, (f"line {number}", 0), Given()) for number, row in enumerate(rows)]


def test_every_kind_becomes_its_signals():
    found = signals_from(entries(RATED, UP, PAIR, RANKED, {"prompt": "Hi", "completion": "A", "correction": "A!"}))
    assert {type(signal) for signal in found} == {Score, Preference, Demonstration, Critique}
    scores = [signal for signal in found if isinstance(signal, Score)]
    assert {(score.source, score.completion.text) for score in scores} == {("rating", "A"), ("thumb", "A")}
    preferences = [signal for signal in found if isinstance(signal, Preference)]
    assert {tuple(sorted(text.text for text in each.completions)) for each in preferences} == {
        ("A", "B"),
        ("A", "A!"),
        ("A", "B", "C"),
    }
    (demonstration,) = (signal for signal in found if isinstance(signal, Demonstration))
    assert demonstration.completion.text == "A!"


def test_marks_are_a_critique_whose_spans_are_for_or_against():
    marks = [
        {"start": 0, "end": 4, "label": "good"},
        {"start": 5, "end": 9, "label": "wrong", "severity": 2, "note": "it hums"},
    ]
    (critique,) = signals_from(entries({"prompt": "Hi", "completion": "Cosy glow", "spans": marks}))
    assert [(span.start, span.end, span.severity) for span in critique.spans] == [(0, 4, 1.0), (5, 9, -2.0)]
    assert critique.text == "“Cosy” good\n“glow” wrong: it hums"


def test_best_and_worst_is_a_ranking_that_says_nothing_of_those_between():
    four = {"prompt": "Hi", "completions": ["A", "B", "C", "D"], "best": 2, "worst": 0}
    (ranking,) = signals_from(entries(four))
    assert ranking.ranks == (2, 1, 0, 1)
    (together,) = signals_from(entries(*[four] * 3, {**four, "best": 1, "worst": 0}))
    assert together.ranks == (3, 1, 0, 2)
    (pair,) = signals_from(entries({"prompt": "Hi", "completions": ["A", "B"], "best": 1, "worst": 0}))
    assert (pair.chosen.text, pair.probability) == ("B", pytest.approx(2 / 3))


def test_a_suggestion_is_a_critique_and_with_its_edits_a_correction():
    row = {"prompt": "Hi", "completion": "It glow.", "suggestion": "mend the verb"}
    (critique,) = signals_from(entries(row))
    assert (critique.text, critique.revision) == ("mend the verb", None)
    found = signals_from(entries({**row, "edits": [{"start": 3, "end": 7, "text": "glows"}]}))
    (critique,) = (signal for signal in found if isinstance(signal, Critique))
    assert critique.revision == "It glows."
    assert [(span.start, span.end) for span in critique.spans] == [(3, 7)]
    (demonstration,) = (signal for signal in found if isinstance(signal, Demonstration))
    assert demonstration.completion.text == "It glows."
    (preference,) = (signal for signal in found if isinstance(signal, Preference))
    assert (preference.chosen.text, preference.rejected.text) == ("It glows.", "It glow.")


def test_a_reference_is_a_demonstration_whoever_gave_it_and_needs_no_completion(store, jsonl):
    rows = [{"prompt": "Hi", "reference": "Hello!", "author": name} for name in ("ana", "bo")]
    (demonstration,) = signals_from(entries(*rows))
    assert (demonstration.completion.text, len(demonstration.feedback_ids)) == ("Hello!", 2)
    assert import_file(store, jsonl(*rows)).stored == 2
    (stored,) = signals_from(store.entries())
    assert stored.completion == demonstration.completion


def test_several_people_become_one_signal_and_never_a_bare_majority():
    votes = [PAIR] * 6 + [{"prompt": "Hi", "chosen": "B", "rejected": "A"}] * 3
    (preference,) = signals_from(entries(*votes))
    assert preference.chosen.text == "A"
    assert preference.probability == pytest.approx(7 / 11)
    assert preference.variance == pytest.approx(7 / 11 * 4 / 11 / 12)
    assert len(preference.feedback_ids) == 9


def test_a_tie_also_feeds_two_thumbs_with_those_that_were_given():
    found = signals_from(entries({**PAIR, "tie": "good"}, {"prompt": "Hi", "completion": "A", "thumb": False}))
    scores = {signal.completion.text: signal for signal in found if isinstance(signal, Score)}
    assert scores["B"].value == pytest.approx((2 * 2 / 3 - 1) * 4)
    assert scores["A"].value == pytest.approx(0.0)  # one up by the tie, one down
    assert len(scores["A"].feedback_ids) == 2
    bad = signals_from(entries({**PAIR, "tie": "bad"}))
    assert [signal.value for signal in bad if isinstance(signal, Score)] == pytest.approx([-4 / 3, -4 / 3])


def test_what_a_person_said_outright_beats_what_a_tie_implies():
    outright = {"prompt": "Hi", "completion": "A", "thumb": False, "author": "ana"}
    found = signals_from(entries(outright, {**PAIR, "tie": "good", "author": "ana"}))
    (score,) = (signal for signal in found if isinstance(signal, Score) and signal.completion.text == "A")
    assert score.counts == ((-4.0, 1),)


def test_a_ranking_of_two_is_a_comparison_and_is_counted_with_the_others():
    two = {"prompt": "Hi", "completions": ["B", "A"], "ranking": [1, 0]}
    (preference,) = signals_from(entries(PAIR, two))
    assert (preference.chosen.text, preference.probability) == ("A", pytest.approx(3 / 4))


def test_a_correction_is_preferred_to_its_original():
    found = signals_from(entries({"prompt": "Hi", "completion": "A", "correction": "A!"}))
    (preference,) = (signal for signal in found if isinstance(signal, Preference))
    assert (preference.chosen.text, preference.probability) == ("A!", pytest.approx(2 / 3))
    assert preference.margin == pytest.approx(4 * 1 / 2)  # one of two pieces is new


def test_a_correction_is_counted_with_what_others_compared():
    """One who corrects A to A! and one who prefers A! outright are two votes on one pair."""
    corrected = {"prompt": "Hi", "completion": "A", "correction": "A!", "author": "ana"}
    compared = {"prompt": "Hi", "chosen": "A!", "rejected": "A", "author": "bo"}
    (preference,) = (each for each in signals_from(entries(corrected, compared)) if isinstance(each, Preference))
    assert (preference.probability, preference.margin) == (pytest.approx(3 / 4), pytest.approx(2))
    assert len(preference.feedback_ids) == 2


def test_a_correction_says_in_a_critique_where_the_original_was_wrong():
    row = {"prompt": "Hi", "completion": "The lamp glow in white.", "correction": "The lamp glows white."}
    (critique,) = (signal for signal in signals_from(entries(row)) if isinstance(signal, Critique))
    assert critique.text == "“glow in” should be “glows”."
    assert [(span.start, span.end, span.severity) for span in critique.spans] == [(9, 16, -1.0)]
    assert critique.revision == "The lamp glows white."


def test_a_chain_of_corrections_gives_adjacent_pairs_and_imitates_the_last():
    row = {"prompt": "Hi", "completion": "one", "correction": ["one two", "one two three"]}
    found = signals_from(entries(row))
    pairs = {(each.chosen.text, each.rejected.text) for each in found if isinstance(each, Preference)}
    assert pairs == {("one two", "one"), ("one two three", "one two")}
    assert [each.completion.text for each in found if isinstance(each, Demonstration)] == ["one two three"]


def test_superseded_answers_do_not_count(store, jsonl):
    first, second = (
        {**UP, "id": "1", "author": "ana"},
        {**UP, "thumb": False, "id": "2", "author": "ana", "supersedes": "1"},
    )
    import_file(store, jsonl(first, second))
    for include in (False, True):
        (score,) = signals_from(store.entries(include_superseded=include))
        assert score.counts == ((-4.0, 1),)


def test_a_record_that_comes_twice_counts_once():
    (score,) = signals_from(entries({**UP, "id": "1"}, {**UP, "id": "1"}, {**UP, "id": "2"}))
    assert score.counts == ((4.0, 2),)


def test_only_the_kinds_and_authors_that_are_asked_for():
    rows = entries({**UP, "author_kind": "ai"}, UP, RATED)
    assert [signal.source for signal in signals_from(rows, SignalConfig(kinds=("rating",)))] == ["rating"]
    (score,) = signals_from(rows, SignalConfig(kinds=("thumb",), author_kinds=("human",)))
    assert score.counts == ((4.0, 1),)
    with pytest.raises(InputError, match="Did you mean 'thumb'"):
        signals_from(rows, SignalConfig(kinds=("thumbs",)))


def test_the_same_feedback_is_the_same_snapshot_from_a_file_and_from_the_store(store, jsonl):
    rows = [
        {**RATED, "id": "1"},
        {**UP, "id": "2"},
        {**PAIR, "id": "3"},
        {**PAIR, "tie": "bad", "id": "4"},
        {**RANKED, "id": "5"},
    ]
    import_file(store, jsonl(*rows))
    from_store, from_file = signals_from(store.entries()), signals_from(entries(*rows))
    assert snapshot_hash(from_store) == snapshot_hash(from_file)
    assert [signal_from_plain(signal_to_plain(signal)) for signal in from_store] == from_store


def test_signals_of_a_store_can_be_saved_and_loaded(store, jsonl):
    import_file(store, jsonl(RATED, UP, PAIR, RANKED))
    made = signals_from(store.entries())
    assert store.load_snapshot(store.save_snapshot(made)) == made


def test_an_entry_that_lacks_a_completion_is_refused():
    (entry,) = entries(PAIR)
    broken = Entry(entry.prompt, entry.completions[:1], entry.feedback)
    with pytest.raises(InputError, match="is not in its entry"):
        list(answers_of(broken))


def test_rescale_is_linear_and_keeps_the_ends():
    assert rescale(1, (1, 5), (-4, 4)) == -4
    assert rescale(5, (1, 5), (-4, 4)) == 4
    assert rescale(4, (1, 5), (-4, 4)) == 2
    assert rescale(rescale(37, (0, 100), (-4, 4)), (-4, 4), (0, 100)) == pytest.approx(37)


def test_what_was_said_in_words():
    (entry,) = entries({**PAIR, "strength": 2})
    assert said(entry.feedback[0]) == "the first is clearly better"


@pytest.mark.parametrize(
    ("wrong", "said_of_it"),
    [
        ({"scale": (4, -4)}, "signals.scale"),
        ({"scale": (0, float("inf"))}, "signals.scale"),
        ({"prior_votes": 0}, "signals.prior_votes"),
        ({"strength_votes": (0.2, 0.5, 1)}, "signals.strength_votes"),
        ({"prior_noise_share": 0}, "signals.prior_noise_share"),
    ],
)
def test_impossible_settings_are_refused(wrong, said_of_it):
    with pytest.raises(InputError, match=said_of_it):
        SignalConfig(**wrong)
