import dataclasses

from burnish.evaluation.side_by_side import pick, visible


def test_best_and_worst_are_the_largest_changes_one_a_prompt(make_side):
    before = make_side(0, prompts=20)
    gains = {(s.prompt_id, s.index): 0.0 for s in before}
    gains |= {("p3", 1): 2.0, ("p3", 2): 1.9, ("p7", 0): 1.0, ("p9", 0): -3.0}
    after = [dataclasses.replace(s, gold=s.gold + gains[s.prompt_id, s.index]) for s in before]
    picked = pick(before, after, each=3, drawn=4, seed=0)
    shown = {kind: [(new.prompt_id, new.index) for _, new in pairs] for kind, pairs in picked.items()}
    assert shown["best"] == [("p3", 1), ("p7", 0)]
    assert shown["worst"] == [("p9", 0)]
    assert len(shown["random"]) == 4
    assert not {"p3", "p7", "p9"} & {prompt for prompt, _ in shown["random"]}
    assert all(
        (old.prompt_id, old.index) == (new.prompt_id, new.index) for pairs in picked.values() for old, new in pairs
    )


def test_the_seed_decides_what_is_drawn(make_side):
    before, after = make_side(0), make_side(1)
    assert pick(before, after, seed=1) == pick(before, after, seed=1)
    assert pick(before, after, seed=1)["random"] != pick(before, after, seed=2)["random"]


def test_without_gold_all_are_drawn(make_side):
    before = [dataclasses.replace(s, gold=None) for s in make_side(0)]
    picked = pick(before, before, seed=0)
    assert picked["best"] == picked["worst"] == []
    assert len(picked["random"]) == 4


def test_visible_keeps_text_and_shows_what_no_page_may_hold():
    assert visible("plain <b>\n\ttext</b> 灯 😀") == "plain <b>\n\ttext</b> 灯 😀"
    assert visible("a\x00b\x1b\x7f\x85\ud800") == "a␀b␛␡\ufffd\ufffd"
