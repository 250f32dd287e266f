import pkgutil
import sys
import types
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from burnish.errors import InputError
from burnish.feedback import kinds
from burnish.feedback.answers import SignalConfig, answers_of
from burnish.feedback.intake import import_file
from burnish.feedback.outgoing import export_rows
from burnish.feedback.rows import Given, to_entry
from burnish.feedback.signals import signals_from

ROWS = {
    "rating": {"completion": "abc", "rating": 4, "scale": [1, 5]},
    "thumb": {"completion": "abc", "thumb": False},
    "comparison": {"chosen": "a", "rejected": "b", "strength": 2},
    "ranking": {"completions": ["a", "b", "c"], "ranking": [2, 0, 1]},
    "best_worst": {"completions": ["a", "b", "c", "d"], "best": 2, "worst": 0},
    "comment": {"completion": "abc", "comment": "too long"},
    "suggestion": {"completion": "abc", "suggestion": "add d", "edits": [{"start": 3, "end": 3, "text": "d"}]},
    "rubric": {"completion": "abc", "rubric": [{"criterion": "cites", "answer": 3, "scale": [0, 4], "weight": 2}]},
    "reference": {"reference": "abd"},
    "implicit": {"completion": "abc", "click": True, "dwell_seconds": 4.5},
    "correction": {"completion": "abc", "correction": "abd"},
    "span": {"completion": "abc", "spans": [{"start": 0, "end": 2, "label": "wrong", "severity": 2, "note": "no"}]},
}


def test_every_file_of_the_folder_is_a_kind():
    files = {Path(module.name).stem for module in pkgutil.iter_modules(kinds.__path__)}
    assert set(kinds.names()) == files == set(ROWS)


@pytest.mark.parametrize("name", kinds.names())
def test_the_contract_of_a_kind(name):
    kind = kinds.load(name)
    assert kind.__doc__
    assert [other for other in kinds.names() if kinds.load(other).recognise(ROWS[name])] == [name]
    assert set(ROWS[name]) <= set(kind.FIELDS)
    value, texts = kind.parse(ROWS[name]), kind.texts(ROWS[name])
    assert kind.to_row(value, texts) == ROWS[name]
    assert kind.summary(value)
    assert not kind.recognise({"prompt": "x", "completion": "abc"})


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("rating", {"rating": "4"}, "rating: '4' is not a number"),
        ("rating", {"rating": True}, "rating: true is not a number"),
        ("rating", {"rating": None}, "rating: missing"),
        ("rating", {"rating": 6}, "rating: 6 is outside its scale, 1 to 5"),
        ("rating", {"rating": 0.5}, "rating: 0.5 is outside its scale"),
        ("rating", {"scale": None}, "scale: missing, but a rating needs it"),
        ("rating", {"scale": [5]}, r"scale: \[5\] is not a worst and a best value"),
        ("rating", {"scale": [5, 1]}, "worst value below a best value"),
        ("rating", {"scale": [1, 1]}, "worst value below a best value"),
        ("rating", {"scale": [1, "5"]}, r"scale\[1\]: '5' is not a number"),
        ("rating", {"scale": "1-5"}, "scale: '1-5' is not a list"),
        ("rating", {"completion": None}, "completion: missing"),
        ("thumb", {"thumb": 1}, "thumb: 1 is not true or false"),
        ("thumb", {"thumb": "up"}, "thumb: 'up' is not true or false"),
        ("thumb", {"label": True}, "thumb: given beside label"),
        ("comparison", {"rejected": "a"}, "rejected: identical to chosen"),
        ("comparison", {"rejected": None}, "rejected: missing"),
        ("comparison", {"strength": 4}, "strength: 4 is not a whole number from 1 to 3"),
        ("comparison", {"strength": True}, "strength: true is not a number"),
        ("comparison", {"tie": "good"}, "tie: given beside strength"),
        ("comparison", {"strength": None, "tie": True}, "tie: true is not one of good, bad"),
        ("comparison", {"strength": None, "tie": "good", "cannot_judge": True}, "cannot_judge: given beside tie"),
        ("comparison", {"shown_first": "left"}, "shown_first: 'left' is not one of chosen, rejected"),
        ("ranking", {"ranking": [[0, 1, 2]]}, "all completions are tied"),
        ("ranking", {"ranking": [0, 1]}, r"3 completions were shown but the ranking lists 2 \(missing 2\)"),
        ("ranking", {"ranking": [0, 1, 1]}, "completion 1 is placed twice"),
        ("ranking", {"ranking": [0, 1, 3]}, r"ranking\[2\]\[0\]: 3 is not a whole number from 0 to 2"),
        ("ranking", {"ranking": [0, 1, True]}, r"ranking\[2\]\[0\]: true is not a number"),
        ("ranking", {"ranking": [0, 1, "2"]}, r"ranking\[2\]\[0\]: '2' is not a number"),
        ("ranking", {"ranking": [[0], [], [1, 2]]}, "a place holds no completion"),
        ("ranking", {"ranking": [0, 1], "skipped": [1]}, "completion 1 is placed twice"),
        ("ranking", {"ranking": [0], "skipped": [1, 2]}, "all completions are tied"),
        ("ranking", {"ranking": None}, "ranking: missing"),
        ("ranking", {"completions": ["a", "b", "a"]}, r"completions\[2\]: identical to completions\[0\]"),
        ("ranking", {"completions": ["a"], "ranking": [0]}, "completions: 1 of them, expected 2 to 100"),
        ("best_worst", {"worst": 2}, "worst: 2 is the best one too"),
        ("best_worst", {"worst": None}, "worst: missing, but a best_worst needs it"),
        ("best_worst", {"best": 4}, "best: 4 is not a whole number from 0 to 3"),
        ("best_worst", {"completions": ["a"]}, "completions: 1 of them"),
        ("suggestion", {"suggestion": ""}, "suggestion: empty"),
        ("suggestion", {"edits": []}, "edits: empty"),
        ("suggestion", {"edits": [{"start": 0, "end": 1}]}, r"edits\[0\].text: missing"),
        ("suggestion", {"edits": [{"start": 0, "end": 4, "text": ""}]}, r"edits\[0\].end: 4 is not a whole number"),
        ("suggestion", {"edits": [{"start": 0, "end": 1, "text": "a"}]}, "leave the completion as it is"),
        ("suggestion", {"edits": [{"start": 0, "end": 3, "text": " "}]}, "leave nothing of the completion"),
        (
            "suggestion",
            {"edits": [{"start": 0, "end": 2, "text": "x"}, {"start": 1, "end": 3, "text": "y"}]},
            "two of them change the text at 1",
        ),
        ("rubric", {"rubric": []}, "no point is answered"),
        ("rubric", {"rubric": [{"criterion": "x"}]}, r"rubric\[0\].answer: missing"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": 3}]}, r"rubric\[0\].scale: missing"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": 5, "scale": [0, 4]}]}, "5 is outside its scale"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": True, "scale": [0, 4]}]}, "answer is true or false"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": True, "weight": 0}]}, "weight: 0 is not above or below 0"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": True, "weight": -1}]}, "no point has a weight above 0"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": True}] * 2}, "'x' is answered twice"),
        ("rubric", {"rubric": [{"criterion": "x", "answer": True, "wieght": 2}]}, "Did you mean 'weight'"),
        ("reference", {"reference": ""}, "reference: empty"),
        ("implicit", {"click": "yes"}, "click: 'yes' is not true or false"),
        ("implicit", {"dwell_seconds": -1}, "dwell_seconds: -1 is not 0 or more"),
        ("implicit", {"exposure": {"position": 0}}, "exposure.position: 0 is not a whole number from 1"),
        ("implicit", {"exposure": {"propensity": 1.5}}, "exposure.propensity: 1.5 is not above 0"),
        ("implicit", {"click": None, "dwell_seconds": None}, "says of no action"),
        ("comment", {"comment": " "}, "comment: empty"),
        ("comment", {"comment": 5}, "comment: 5 is not text"),
        ("correction", {"correction": "abc"}, "correction: identical to completion"),
        ("correction", {"correction": ""}, "correction: empty"),
        ("correction", {"correction": []}, "correction: empty"),
        ("correction", {"correction": ["abc", "b"]}, r"correction\[0\]: identical to completion"),
        ("correction", {"correction": ["a", "a"]}, r"correction\[1\]: identical to correction\[0\]"),
        ("span", {"spans": []}, "spans: empty"),
        ("span", {"spans": {}}, "spans: {} is not a list"),
        ("span", {"spans": ["a"]}, r"spans\[0\]: 'a' is not an object"),
        ("span", {"spans": [{"start": 0}]}, r"spans\[0\].end: missing"),
        ("span", {"spans": [{"start": 0, "end": 4}]}, r"spans\[0\].end: 4 is not a whole number from 1 to 3"),
        ("span", {"spans": [{"start": 2, "end": 2}]}, r"spans\[0\].end: 2 is not a whole number from 3 to 3"),
        ("span", {"spans": [{"start": -1, "end": 2}]}, r"spans\[0\].start: -1"),
        ("span", {"spans": [{"start": 0, "end": 1, "severity": 0}]}, "severity: 0 is not above 0"),
        ("span", {"spans": [{"start": 0, "end": 1, "labels": "x"}]}, "'labels' is unknown. Did you mean 'label'"),
    ],
)
def test_wrong_values_are_refused_naming_the_field(name, changes, said):
    row = {field: value for field, value in {**ROWS[name], **changes}.items() if value is not None}
    with pytest.raises(InputError, match=said):
        read(kinds.load(name), row)


def read(kind, row):
    return kind.texts(row), kind.parse(row)


def test_every_kind_goes_in_out_and_in_again_becomes_a_snapshot_and_can_be_erased(store, jsonl, tmp_path):
    rows = [{"prompt": f"Hi {name}", "author": "ana", **row} for name, row in ROWS.items()]
    assert import_file(store, jsonl(*rows)).stored == len(rows)
    assert import_file(store, jsonl(*export_rows(store), name="again.jsonl")).known == len(rows)
    made = signals_from(store.entries(), SignalConfig(kinds=kinds.names()))
    assert store.load_snapshot(store.save_snapshot(made)) == made
    erased = store.erase_author("ana")
    assert (erased.records, len(erased.snapshots)) == (len(rows), 1)
    written = (b"abd", b"add d", b"too long")  # a correction, a suggestion, a comment
    assert not any(text in file.read_bytes() for file in tmp_path.glob("burnish.db*") for text in written)


@pytest.mark.parametrize(
    ("name", "row", "said"),
    [
        # by text: A over B, C, D and all but A over D; nothing of B and C
        (
            "best_worst",
            {"completions": list("ABCD"), "best": 0, "worst": 3},
            {"AB": 1, "AC": 1, "AD": 1, "BD": 1, "CD": 1},
        ),
        ("comparison", {"chosen": "A", "rejected": "B", "tie": "bad"}, {"AB": 0}),
        ("ranking", {"completions": list("ABC"), "ranking": [[0], [1, 2]]}, {"AB": 1, "AC": 1, "BC": 0}),
    ],
)
def test_opinions_speak_of_pairs_in_one_direction(name, row, said):
    (answer,) = answers_of(to_entry({"prompt": "Hi", "kind": name, **row}, ("x", 0), Given()))
    texts = {completion.id: completion.text for completion in answer.completions}
    found = {}
    for (one, two), direction in kinds.load(name).opinions(answer):
        first, second = texts[one], texts[two]
        found[min(first, second) + max(first, second)] = direction if first < second else -direction
    assert found == said


def test_opinions_on_points_and_words():
    row = {"prompt": "Hi", "completion": "It hums 很亮", "spans": [{"start": 3, "end": 7, "label": "wrong"}]}
    (answer,) = answers_of(to_entry(row, ("x", 0), Given()))
    assert [value for _, value in kinds.load("span").opinions(answer)] == [0, -1, 0, 0]
    rubric = [{"criterion": "a", "answer": 3, "scale": [0, 4]}, {"criterion": "b", "answer": None}]
    (answer,) = answers_of(to_entry({"prompt": "Hi", "completion": "A", "rubric": rubric}, ("x", 0), Given()))
    assert kinds.load("rubric").opinions(answer) == [("a", 0.75)]


def test_a_comparison_keeps_who_was_shown_first():
    kind = kinds.load("comparison")
    row = {"chosen": "a", "rejected": "b", "shown_first": "rejected"}
    assert kind.texts(row) == ("b", "a")
    assert kind.parse(row) == {"chosen": 1}
    assert kind.to_row({"chosen": 1}, ("b", "a")) == row
    assert kind.parse(ROWS["comparison"])["order"] == "unknown"


def test_verdicts_other_than_a_winner():
    kind = kinds.load("comparison")
    pair = {"chosen": "a", "rejected": "b"}
    assert kind.parse({**pair, "tie": "bad"}) == {"tie": "bad", "order": "unknown"}
    assert kind.parse({**pair, "cannot_judge": True}) == {"cannot_judge": True, "order": "unknown"}
    assert kind.parse({**pair, "cannot_judge": False}) == {"chosen": 0, "order": "unknown"}
    for value in ({"tie": "bad"}, {"cannot_judge": True}, {"chosen": 1, "strength": 3}):
        assert kind.parse(kind.to_row(value, ("a", "b"))) == value


def test_ranking_values_are_groups_of_places_in_the_order_shown():
    kind = kinds.load("ranking")
    row = {"completions": ["a", "b", "c", "d"], "ranking": [3, [1, 0]], "skipped": [2]}
    assert kind.parse(row) == {"ranking": [[3], [0, 1]], "skipped": [2]}
    assert kind.summary(kind.parse(row)) == "ranked 4 > 1 = 2 (skipped 3)"


def test_label_is_a_thumb():
    kind = kinds.load("thumb")
    assert kind.parse({"completion": "a", "label": False}) == {"thumb": False}


def test_a_slip_in_a_kinds_name_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="Did you mean 'rating'"):
        kinds.load("raiting")


@pytest.fixture
def installed(monkeypatch):
    """Pretends that another package brings kinds under these names; forgets them afterwards."""

    def install(*names):
        monkeypatch.setitem(sys.modules, "emoji_kind", types.ModuleType("emoji_kind", "What a face says."))
        points = [EntryPoint(name, "emoji_kind", kinds.GROUP) for name in names]
        monkeypatch.setattr(kinds, "entry_points", lambda group: points)
        forget()

    def forget():
        for remembered in (kinds.names, kinds.load, kinds._outside):
            remembered.cache_clear()

    yield install
    monkeypatch.undo()
    forget()


def test_packages_may_bring_kinds_of_their_own(installed):
    installed("emoji")
    assert "emoji" in kinds.names()
    assert kinds.load("emoji") is sys.modules["emoji_kind"]
    assert kinds.load("rating").__name__ == "burnish.feedback.kinds.rating"


def test_a_package_cannot_take_the_name_of_a_kind_of_ours(installed):
    installed("rating")
    with pytest.raises(InputError, match="emoji_kind brings 'rating', which burnish has"):
        kinds.names()


@pytest.mark.parametrize("label", ["good", "Good!", "excellent", "fluent", "很好", "love this", "保留"])
def test_a_label_that_praises_adds_to_the_reward(label):
    assert kinds.load("span").sign(label) == 1


@pytest.mark.parametrize(
    "label",
    ["wrong", "", "grammar", "not good", "错误", "good but wrong", "hallucination", "A7", "agreement", "security"],
)
def test_any_other_label_takes_from_it(label):
    assert kinds.load("span").sign(label) == -1
