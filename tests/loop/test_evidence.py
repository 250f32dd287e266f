"""What a run learns from: how a user's feedback is split, kept, joined with the recipe's, and told of."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from burnish.errors import DamagedFileError, InputError
from burnish.feedback.answers import SignalConfig
from burnish.feedback.evidence import Evidence
from burnish.feedback.signals import signals_from
from burnish.loop import evidence as evidences
from burnish.loop.evidence import bring, evenly, joined, keep, kept, with_scripted
from burnish.plain import snapshot_hash
from burnish.records import Checkpoint, Completion, Preference, Prompt, Score, share_of
from burnish.store import open_store
from burnish.tasks import smoke


def rows(count: int, prompts: int) -> list[dict]:
    """Return ratings from 1 to 5, three people's of each text, on answers to so many prompts."""
    return [
        {
            "prompt": f"What of thing {number // 3 % prompts}?",
            "completion": f"It is {number // 3}.",
            "rating": 1 + (number // 3 + number % 2) % 5,
            "scale": [1, 5],
            "author": ("ana", "bo", "cy")[number % 3],
        }
        for number in range(count)
    ]


def write(path: Path, lines: list[dict]) -> str:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return str(path)


def prompts_of(signals) -> set[str]:
    return {signal.prompt.id for signal in signals}


@pytest.fixture
def rated(tmp_path) -> str:
    return write(tmp_path / "mine.jsonl", rows(900, prompts=100))


def test_a_fifth_of_the_prompts_is_set_aside_and_no_two_parts_share_one(rated):
    found = bring(rated).evidence
    parts = [prompts_of(part) for part in (found.fit, found.calibration, found.test, found.gold)]
    everything = set().union(*parts)
    assert len(everything) == sum(map(len, parts)) == 100
    assert prompts_of(found.gold) == {id for id in everything if share_of(id, "gold") < 0.2}
    assert all(len(part) >= 5 for part in parts)
    assert (found.records, found.people, found.by_kind) == (900, 3, {"rating": 900})


def test_people_may_be_weighed_by_what_they_prove_to_see(rated):
    plain, weighed = bring(rated).evidence, bring(rated, heard=SignalConfig(people="annotators")).evidence
    assert [score.completion for score in plain.fit] == [score.completion for score in weighed.fit]
    assert [score.value for score in plain.fit] != [score.value for score in weighed.fit]


def test_the_split_does_not_depend_on_the_order_of_lines(rated, tmp_path):
    turned = write(tmp_path / "turned.jsonl", rows(900, prompts=100)[::-1])
    one, other = bring(rated).evidence, bring(turned).evidence
    assert all(prompts_of(getattr(one, part)) == prompts_of(getattr(other, part)) for part in evidences.PARTS)


def test_of_few_signals_only_gold_is_set_aside(tmp_path):
    found = bring(write(tmp_path / "few.jsonl", rows(180, prompts=60))).evidence
    assert (found.test, found.calibration) == ((), ())
    assert found.gold
    assert len(found.fit) + len(found.gold) < 200


def test_what_could_make_no_judge_is_learned_from_to_the_last_answer(tmp_path):
    lines = [{"prompt": f"What of {n}?", "chosen": "Good.", "rejected": "Bad.", "author": "ana"} for n in range(49)]
    assert len(bring(write(tmp_path / "few.jsonl", lines[:10])).evidence.fit) == 10
    assert len(bring(write(tmp_path / "few.jsonl", lines)).evidence.fit) == 49
    one_more = [*lines, {**lines[0], "prompt": "What of one more?"}]
    assert bring(write(tmp_path / "enough.jsonl", one_more)).evidence.gold


def test_a_single_prompt_is_learned_from_wherever_its_hash_falls(tmp_path):
    for number in range(12):
        lines = [{**line, "prompt": f"Only this {number}"} for line in rows(6, prompts=1)]
        found = bring(write(tmp_path / f"{number}.jsonl", lines)).evidence
        assert found.fit
        assert found.gold == ()


@pytest.mark.parametrize("number", range(10))
def test_two_hundred_answers_to_one_prompt_are_learned_from_wherever_its_hash_falls(number, tmp_path):
    lines = [{**line, "prompt": f"Describe lamp {number}"} for line in rows(900, prompts=1)]
    assert bring(write(tmp_path / "mine.jsonl", lines)).evidence.fit


def test_bad_lines_are_named_and_the_others_used(tmp_path, capsys):
    path = tmp_path / "bad.jsonl"
    good = [json.dumps(line) for line in rows(6, prompts=2)]
    path.write_text("\n".join([*good[:3], "{", '{"prompt": "x", "completion": "y"}', *good[3:]]), "utf-8")
    assert bring(str(path)).evidence.records == 6
    said = capsys.readouterr().err
    assert f"{path}:4: " in said
    assert f"{path}:5: no feedback in it" in said
    assert "2 bad line(s) left out; the others are used" in said


def test_a_thousand_bad_lines_do_not_fill_the_screen(tmp_path, capsys):
    path = tmp_path / "bad.jsonl"
    path.write_text("{\n" * 1000 + json.dumps(rows(1, prompts=1)[0]), "utf-8")
    assert bring(str(path)).evidence.records == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == evidences.SHOWN_PROBLEMS + 1
    assert "1,000 bad line(s) left out (the first 20 are named above)" in said


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "nothing to learn from in 0 records (none)"),
        ([{"prompt": "x", "completion": "y", "comment": "hm"}], "nothing to learn from in 1 records (1 comment)"),
    ],
)
def test_feedback_without_a_signal_is_refused(lines, said, tmp_path):
    with pytest.raises(InputError) as raised:
        bring(write(tmp_path / "mine.jsonl", lines))
    assert said in str(raised.value)
    assert "Bring ratings, thumbs, comparisons, rankings or corrections." in str(raised.value)


def test_a_missing_file_is_told():
    with pytest.raises(InputError, match=r"none\.jsonl: there is no such file. Give a JSONL file, a store such as"):
        bring("none.jsonl")


def test_a_missing_store_is_told(tmp_path):
    with pytest.raises(InputError, match=r"none\.db"):
        bring(f"sqlite:///{tmp_path}/none.db")
    assert list(tmp_path.iterdir()) == []


# ----------------------------------------------------------------------------------------------- store and snapshot


@pytest.fixture
def stored(rated, tmp_path) -> str:
    from burnish.feedback.intake import import_file

    url = f"sqlite:///{tmp_path}/mine.db"
    with open_store(url) as store:
        import_file(store, rated)
    return url


def test_a_store_gives_what_its_file_gave(stored, rated):
    from_store, from_file = bring(stored), bring(rated)
    assert from_store.store == stored
    assert from_store.agreement == from_file.agreement
    for part in evidences.PARTS:
        mine, theirs = getattr(from_store.evidence, part), getattr(from_file.evidence, part)
        assert {s.completion.text: s.value for s in mine} == pytest.approx({s.completion.text: s.value for s in theirs})


def test_a_snapshot_gives_its_signals(stored, rated):
    with open_store(stored) as store:
        signals = signals_from(store.entries())
        name = store.save_snapshot(signals)
    found = bring(name, stored)
    parts = [signal for part in evidences.PARTS for signal in getattr(found.evidence, part)]
    assert snapshot_hash(sorted(parts, key=lambda s: s.completion.id)) == snapshot_hash(
        sorted(signals, key=lambda s: s.completion.id)
    )
    assert (found.evidence.records, found.evidence.people, found.evidence.by_kind) == (900, 3, {"rating": 900})
    assert 0 < found.agreement["alpha"] < 1


def test_an_unknown_snapshot_is_told(stored):
    with pytest.raises(InputError, match="is not in this store"):
        bring("0" * 64, stored)


@pytest.mark.parametrize("mix", [False, True])
def test_the_store_learns_what_was_made_of_its_words(stored, mix):
    found = bring(stored)
    evidences.save_snapshots(found, found.evidence.fit, mix=mix)
    for made in (Checkpoint("k_1", "there", "adapter"), Checkpoint("k_2", "there", "adapter", parent="k_1")):
        evidences.record(found, made, mix=mix)
        evidences.record(found, made, mix=mix)  # a run that goes on says it once more
    with open_store(stored) as store:
        assert [each.id for each in store.checkpoints()] == ["k_1", "k_2"]
        erased = store.erase_author("ana")
    assert snapshot_hash(found.evidence.fit) in erased.snapshots
    assert set(erased.checkpoints) == {"k_1", "k_2"}


@pytest.mark.parametrize(("part", "mix"), [("calibration", False), ("calibration", True), ("test", True)])
def test_a_checkpoint_owes_something_to_more_than_it_was_fitted_to(part, mix, tmp_path):
    """Somebody whose words only set the reward's scale, or in a mix were meant for the test, is not forgotten."""
    from burnish.feedback.intake import import_file

    lines = rows(900, prompts=100)
    there = prompts_of(getattr(bring(write(tmp_path / "mine.jsonl", lines)).evidence, part))
    lines = [{**line, "author": "dee" if Prompt.of(line["prompt"]).id in there else line["author"]} for line in lines]
    url = f"sqlite:///{tmp_path}/mine.db"
    with open_store(url) as store:
        import_file(store, write(tmp_path / "mine.jsonl", lines))
    found = bring(url)
    evidences.save_snapshots(found, found.evidence.fit, mix=mix)
    evidences.record(found, Checkpoint("k_1", "there", "adapter"), mix=mix)
    with open_store(url) as store:
        assert store.erase_author("dee").checkpoints == ("k_1",)


def test_a_store_that_is_gone_does_not_end_a_run(stored, tmp_path, capsys):
    found = bring(stored)
    (tmp_path / "mine.db").unlink()
    evidences.record(found, Checkpoint("k_1", "there", "adapter"), mix=False)
    assert "the store was not told" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------- kept and joined


def test_what_was_kept_comes_back(rated, tmp_path):
    found = bring(rated)
    keep(tmp_path / "own", found)
    assert kept(tmp_path / "own") == replace(found, agreement=json.loads(json.dumps(found.agreement)))
    assert kept(tmp_path / "never") is None


def test_what_was_kept_and_changed_is_refused(rated, tmp_path):
    keep(tmp_path / "own", bring(rated))
    with (tmp_path / "own" / "fit.jsonl").open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(DamagedFileError, match=r"fit\.jsonl"):
        kept(tmp_path / "own")


def test_in_a_mix_each_part_joins_its_like(rated):
    own, base = bring(rated), smoke.evidence()
    mixed = joined(smoke, own, mix=True, most=10_000)
    assert mixed.test == base.test
    assert mixed.calibration == base.calibration
    assert mixed.gold == base.gold + own.evidence.gold
    assert len(mixed.fit) == len(base.fit) + len(own.evidence.fit + own.evidence.calibration + own.evidence.test)
    assert (mixed.records, mixed.people, mixed.by_kind) == (4_800 + 900, 3, {"rating": 5_700})
    assert not set(mixed.sources) & set(mixed.gold_sources)


def test_without_a_mix_only_the_users_counts(rated):
    own = bring(rated)
    assert joined(smoke, own, mix=False, most=10_000) == own.evidence
    assert joined(smoke, None, mix=False, most=10_000) == smoke.evidence()


def test_the_users_signals_come_before_the_recipes(rated):
    """However few may be learned from: what somebody brought is not thrown away for what was there."""
    own = bring(rated)
    mine = prompts_of(evidences.learned(own, mix=True))
    brought = len(evidences.learned(own, mix=True))
    for most in (50, brought, brought + 100):
        fit = joined(smoke, own, mix=True, most=most).fit
        assert len(fit) == most
        assert sum(signal.prompt.id in mine for signal in fit) == min(most, brought)


def test_the_same_signals_are_chosen_in_any_order():
    fit = smoke.evidence().fit
    chosen = evidences.choose(fit, 100)
    assert len(chosen) == 100
    assert evidences.choose(fit[::-1], 100) == chosen[::-1]
    assert evidences.choose(fit, 0) == []


def test_what_is_learned_from_is_neither_judged_on_nor_judged_by():
    """People say the same thing twice: a text on both sides would be known by heart."""

    def score(text: str, value: float) -> Score:
        return Score(Prompt.of("x"), Completion(Prompt.of("x").id, text), value)

    base = Evidence(fit=(score("Good.", 1),), test=(score(" good.", 1), score("Bad.", -1)), gold=(score("Good.", 2),))

    class Task:
        evidence = staticmethod(lambda: base)

    found = joined(Task, None, mix=False, most=10)
    assert [signal.completion.text for signal in found.test] == ["Bad."]
    assert found.gold == ()


# ----------------------------------------------------------------------------------------------------------- aspects


def test_one_aspect_is_learned_and_the_others_are_told_of(tmp_path, capsys):
    lines = [
        {**line, **({"aspect": ("humour", "toxicity")[number % 2]} if number % 3 else {})}
        for number, line in enumerate(rows(300, prompts=50))
    ]
    path = write(tmp_path / "mine.jsonl", lines)
    whole = bring(path).evidence
    assert {signal.aspect for part in evidences.PARTS for signal in getattr(whole, part)} == {""}
    assert "'the whole' is learned; left out" in capsys.readouterr().err
    humour = bring(path, aspect="humour").evidence
    assert {signal.aspect for part in evidences.PARTS for signal in getattr(humour, part)} == {"humour"}
    with pytest.raises(InputError, match=r"none \(\d+\), .*--set reward\.aspect=NAME"):
        bring(path, aspect="style")


def test_several_aspects_and_none_asked_for(tmp_path):
    lines = [{**line, "aspect": ("humour", "toxicity")[n % 2]} for n, line in enumerate(rows(300, prompts=50))]
    with pytest.raises(InputError, match="humour"):
        bring(write(tmp_path / "mine.jsonl", lines))
    only = [{**line, "aspect": "humour"} for line in lines]
    assert bring(write(tmp_path / "only.jsonl", only)).evidence.fit[0].aspect == "humour"


def test_aspects_read_out_of_comments_raise_no_question(tmp_path):
    lines = [{**line, "aspect": "tone", "author": f"a{number}"} for number, line in enumerate(rows(60, prompts=20))]
    words = [{"prompt": "p", "completion": "c", "comment": "Excellent! The facts are wrong.", "author": "z"}]
    found = bring(write(tmp_path / "mine.jsonl", [*lines, *words])).evidence
    assert {signal.aspect for signal in found.fit} == {"tone"}
    assert {signal.source for signal in found.fit} == {"rating"}


def test_comparisons_have_an_aspect_too(tmp_path):
    lines = [
        {"prompt": f"What of {n}?", "chosen": "Good.", "rejected": "Bad.", "aspect": ("a", "b")[n % 2]}
        for n in range(30)
    ]
    with pytest.raises(InputError, match="aspects"):
        bring(write(tmp_path / "mine.jsonl", lines))


def test_the_rule_author_speaks_on_the_scale_of_people():
    """Simulated raters at half the rule's scale: the rule's words of fresh samples come halved too."""
    prompt, draw = smoke.prompts()[0], random.Random(3)
    texts = [smoke.write(draw, "lamp", number / 10 - 3)[0] for number in range(60)]
    fit = tuple(Score(prompt, Completion(prompt.id, text), smoke.value_of(text) / 2) for text in texts)
    fresh = Completion(prompt.id, "The lamp is superb.")
    found = with_scripted(replace(smoke.evidence(), fit=fit), smoke, [(prompt, fresh)])
    assert found.fit[1:] == fit
    assert found.fit[0].value == pytest.approx(smoke.value_of(fresh.text) / 2, rel=1e-6)
    assert found.sources[-1] == "rule:grammar"


# ---------------------------------------------------------------------------------------------- agreement, prompts


def test_agreement_of_one_persons_words_is_null_with_its_reason(tmp_path):
    lines = [{**line, "author": "ana"} for line in rows(90, prompts=30)]
    found = bring(write(tmp_path / "one.jsonl", lines))
    assert found.agreement["alpha"] is None
    assert found.agreement["reason"].startswith("rating: ")


def test_agreement_of_the_recipes_raters():
    found = evidences.agreement(smoke.evidence())
    assert 0.5 < found["alpha"] < 1
    assert found["ci95"][0] < found["alpha"] < found["ci95"][1]


def test_agreement_needs_texts_that_several_rated():
    prompt = Prompt.of("x")
    alone = Score(prompt, Completion(prompt.id, "y"), 1.0, counts=((1.0, 1),))
    found = evidences.agreement(replace(smoke.evidence(), fit=(alone,), calibration=(), test=(), gold=()))
    assert found["alpha"] is None
    assert "fewer than two" in found["reason"]


def test_prompts_are_drawn_evenly_over_what_they_ask_for():
    prompts = [prompt for prompt in smoke.prompts() if prompt.split == "train"]
    for count in (5, 12, 40):
        chosen = evenly(prompts, count)
        asked = [prompt.metadata["asked_words"] for prompt in chosen]
        assert len({prompt.id for prompt in chosen}) == count
        assert max(map(asked.count, smoke.OPINIONS)) - min(map(asked.count, smoke.OPINIONS)) <= 1
    assert len(evenly(prompts, 10_000)) == len(prompts)
    assert evenly([], 3) == []


def test_comparisons_become_preferences_in_every_part(tmp_path):
    lines = [
        {"prompt": f"What of {number}?", "chosen": "Good.", "rejected": "Bad.", "author": "ana"}
        for number in range(300)
    ]
    found = bring(write(tmp_path / "pairs.jsonl", lines)).evidence
    assert all(isinstance(signal, Preference) for signal in (*found.fit, *found.test, *found.gold))
    assert found.calibration == ()  # it is made of ratings
    assert 15 < len(found.test) < 50
