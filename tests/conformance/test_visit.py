"""A visit at a model and its data: what is found, and what is not claimed to be found."""

from __future__ import annotations

import pytest

from burnish.conformance import data
from burnish.conformance.traps import some_rows, traps
from burnish.conformance.visit import checked, chosen, preview, visit
from burnish.examples import Row
from burnish.models.headed import HeadedPolicy
from burnish.records import Completion, Demonstration, Preference, Prompt, Score


def shown(asked: str, text: str) -> Demonstration:
    prompt = Prompt.of(asked)
    return Demonstration(prompt, Completion(prompt.id, text))


def pair(asked: str, chosen: str, rejected: str) -> Preference:
    prompt = Prompt.of(asked)
    return Preference(prompt, (Completion(prompt.id, chosen), Completion(prompt.id, rejected)), (0, 1))


def scored(asked: str, text: str, value: float) -> Score:
    prompt = Prompt.of(asked)
    return Score(prompt, Completion(prompt.id, text), value)


def test_a_sound_model_passes_every_check(policy):
    found = list(visit(policy, [shown("Name a thing.", "the sea"), shown("Another?", "the bad lamp, and a good one")]))
    assert [each for each in found if each.result != "ok"] == []
    assert [each.check for each in found if each.check.startswith("T")] == [t.name for t in traps() if t.takes_model]


def test_a_fault_is_told_with_its_remedy_and_the_others_are_still_looked_at(policy):
    policy.end_ids = frozenset({17})
    found = {trap.name: checked(trap, policy, some_rows()) for trap in traps() if trap.name in ("T1", "T7")}
    assert found["T1"].result == "fault"
    assert "not what is sampled" in found["T1"].said
    assert found["T1"].remedy == "mend generation_config.json"
    assert found["T7"].result == "ok"


def test_what_is_computed_on_is_short_whatever_the_data_holds():
    long = [Row(signal.prompt, signal.completion) for signal in (shown("x", "the " * 500), shown("y", "bad " * 300))]
    assert all(len(row.completion.text) <= 160 for row in chosen(long))
    mixed = [*long, *some_rows()]
    assert {row.completion.text for row in chosen(mixed)} == {row.completion.text for row in some_rows()}


def test_texts_that_do_not_fit_and_empty_ones_are_counted(policy):
    network = HeadedPolicy(policy, max_tokens=40)
    found = data.of_room(network, [shown("x", "the " * 50), shown("y " * 40, "a"), shown("z", ""), shown("w", "b")])
    assert found.result == "note"
    assert found.said.startswith("4 texts: 2 prompts lose their beginning, 1 completions their end, at 40 tokens; 1 ")
    assert data.of_room(network, [shown("w", "b")]).result == "ok"


def test_repeats_are_counted():
    some = [shown("x", str(number)) for number in range(10)]
    assert data.of_repeats(some).result == "ok"
    assert data.of_repeats([*some, some[0], some[0]]).said == "2 of 12 signals repeat another's prompt and texts"
    assert data.of_repeats([*some, some[0], some[0]]).result == "note"


def test_contradictions_are_counted():
    agreed = [pair("x", "a", "b"), pair("x", "a", "b"), pair("y", "a", "b")]
    assert data.of_contradictions(agreed).result == "ok"
    found = data.of_contradictions([*agreed, pair("x", "b", "a"), pair("z", "c", "c")])
    assert found.result == "note"
    assert found.said.startswith("1 of 3 pairs are ranked both ways, 0 of 0 texts")
    assert found.said.endswith("1 pairs hold the same text twice")
    rated = [scored("x", "a", 1.0), scored("x", "a", 5.0), scored("x", "b", 3.0), scored("x", "b", 4.0)]
    assert "1 of 2 texts scored far apart" in data.of_contradictions(rated).said


@pytest.mark.parametrize(("longer", "result"), [(20, "note"), (10, "ok"), (2, "note")])
def test_a_liking_for_length_is_told_either_way(longer, result):
    pairs = [pair(f"{n}", "long text" if n < longer else "a", "b" if n < longer else "long text") for n in range(20)]
    assert data.of_length(pairs).result == result
    assert data.of_length(pairs).said.startswith(f"the longer text is chosen in {longer} of 20 pairs")


def test_few_pairs_tell_nothing_of_length():
    assert data.of_length([pair("x", "long text", "b")]).result == "ok"


def test_the_preview_is_what_the_model_sees_and_what_it_learns(policy):
    asked, said = preview(policy, data.rows_of([shown("Name a thing.", "the sea")]))
    assert asked == "<|im_start|>user\nName a thing.<|im_end|>\n<|im_start|>assistant\n"
    assert said == "the sea<|im_end|>"
