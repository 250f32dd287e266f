"""Work screens in a browser: every kind by keys alone, nothing lost offline, nothing said to another host."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, expect
from tests.studio.browser import material

from burnish.records import Feedback
from burnish.store import Store
from burnish.studio.study import Question


def answers(store: Store) -> list[Feedback]:
    """What stands in the store, in the order in which it came."""
    found = [feedback for entry in store.entries(include_superseded=True) for feedback in entry.feedback]
    return sorted(found, key=lambda feedback: feedback.time)


def press(page: Page, keys: str) -> None:
    """Press keys, written with spaces between them."""
    for key in keys.split():
        page.keyboard.press(key)


def tab_to(page: Page, name: str) -> None:
    """Press Tab until the button of this name has the focus."""
    for _ in range(40):
        press(page, "Tab")
        if page.evaluate("document.activeElement.innerText").strip() == name:
            return
    raise AssertionError(f"no {name!r} within 40 steps of Tab")


def at_item(page: Page, title: str) -> None:
    """Wait until an item, or the end, is on the screen."""
    expect(page.locator("#item-title")).to_have_text(title)


# ------------------------------------------------------------------------------------------------- by keys alone


def test_a_study_of_pairs_takes_two_keys_an_item(open_page: Callable[..., Page], store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(3))
    page = open_page("ana")
    page.goto("/")
    expect(page.get_by_role("link", name="Start")).to_be_focused()
    press(page, "Enter")
    page.wait_for_url("**/guide")
    tab_to(page, "Start")
    press(page, "Enter")
    page.wait_for_url("**/work")
    press(page, "a Enter")
    at_item(page, "Item 2 of 3")
    press(page, "b")
    expect(page.locator(".side.preferred h3")).to_have_text("Answer B")
    press(page, "Enter")
    at_item(page, "Item 3 of 3")
    press(page, "n Enter")
    at_item(page, "All done")
    given = answers(store)
    assert [each.value for each in given] == [{"chosen": 0}, {"chosen": 1}, {"tie": "bad"}]
    assert {each.author.id for each in given} == {"ana"}
    press(page, "z")
    at_item(page, "An item from before")
    expect(page.get_by_label("Both bad")).to_be_checked()
    press(page, "t Enter")
    at_item(page, "All done")
    assert answers(store)[-1].value == {"tie": "good"}
    assert answers(store)[-1].supersedes == given[-1].id


KEYS: Mapping[str, tuple[tuple[Question, ...], list[Any], str, list[Mapping[str, Any]]]] = {
    "thumb": ((material.THUMB,), material.singles(1), "b Enter", [{"thumb": False}]),
    "rating": ((material.RATING,), material.singles(1), "4 Enter", [{"rating": 4, "scale": [1, 5]}]),
    "strength": ((material.STRONG,), material.pairs(1), "Shift+A Enter", [{"chosen": 0, "strength": 3}]),
    "rubric": (
        (material.RUBRIC,),
        material.singles(1),
        "y n y Enter",
        [
            {
                "rubric": [
                    {"criterion": "sourced", "answer": True},
                    {"criterion": "brief", "answer": False},
                    {"criterion": "kind", "answer": True},
                ]
            }
        ],
    ),
    "ranking": ((material.RANKING,), material.several(1, 3), "2 1 1 Enter", [{"ranking": [[1, 2], [0]]}]),
    "ranking moved": (
        (material.RANKING,),
        material.several(1, 3),
        "1 2 3 ArrowUp Alt+ArrowUp ArrowDown = Enter",
        [{"ranking": [[0, 1], [2]]}],
    ),
    "best and worst": ((material.EXTREMES,), material.several(1, 3), "2 Shift+Digit1 Enter", [{"best": 1, "worst": 0}]),
    "span": (
        (material.SPAN,),
        material.singles(1, "😀 Good words here."),
        "v Control+ArrowRight Shift+Control+ArrowRight 3 w Shift+Control+ArrowRight 1 Enter",
        [
            {
                "spans": [
                    {"start": 2, "end": 6, "label": "good", "severity": 2},
                    {"start": 7, "end": 12, "label": "wrong"},
                ]
            }
        ],
    ),
    "correction": (
        (material.CORRECTION,),
        material.singles(1, "Ring his bel."),
        "c Control+End ArrowLeft l Control+Enter",
        [{"correction": "Ring his bell."}],
    ),
    "several at once": (
        (material.RUBRIC, material.PAIR),
        material.pairs(1),
        "y y n n n y b Enter",
        [
            {"rubric": [{"criterion": name, "answer": name != "kind"} for name in ("sourced", "brief", "kind")]},
            {"rubric": [{"criterion": name, "answer": name == "kind"} for name in ("sourced", "brief", "kind")]},
            {"chosen": 1},
        ],
    ),
}


def test_every_kind_is_answered_by_keys_alone(open_page: Callable[..., Page], store: Store) -> None:
    for number, (questions, items, _, _) in enumerate(KEYS.values()):
        material.begin(store, material.a_study(*questions, name=f"study-{number}"), items)
    page = open_page("ana")
    for number, (kind, (_, _, keys, values)) in enumerate(KEYS.items()):
        page.goto(f"/tasks/study-{number}/work")
        press(page, keys)
        at_item(page, "All done")
        given = [dict(each.value) for each in answers(store) if each.metadata["study"] == f"study-{number}"]
        assert given == values, kind


def until(page: Page, claim: str) -> None:
    """Wait until something is true of a page; playwright's own way would need a policy that allows eval."""
    for _ in range(100):
        if page.evaluate(claim):
            return
        page.wait_for_timeout(30)
    raise AssertionError(claim)


# ----------------------------------------------------------------------------------------------------- by hand


def test_cards_are_dragged_and_a_pair_is_sent_by_one_tap(open_page: Callable[..., Page], store: Store) -> None:
    material.begin(store, material.a_study(material.RANKING, name="cards"), material.several(1, 3))
    material.begin(store, material.a_study(material.PAIR, name="pairs"), material.pairs(2))
    page = open_page("ana")
    page.goto("/tasks/cards/work")
    drag(page, 0, below=2)
    assert page.locator(".card .letter").all_text_contents() == ["B", "C", "A"]
    page.get_by_role("button", name="Answer C: same place as the one above").click()
    page.get_by_role("button", name="Send").click()
    at_item(page, "All done")
    assert answers(store)[-1].value == {"ranking": [[1, 2], [0]]}
    page.goto("/tasks/pairs/work")
    page.get_by_label("send at once").check()
    page.get_by_text("A is better").click()
    at_item(page, "Item 2 of 2")
    press(page, "b")
    at_item(page, "All done")
    assert [each.value for each in answers(store)[-2:]] == [{"chosen": 0}, {"chosen": 1}]


def drag(page: Page, card: int, *, below: int) -> None:
    """Drag a card by its handle to under another."""
    handles = page.locator(".card .handle")
    start, end = handles.nth(card).bounding_box(), handles.nth(below).bounding_box()
    assert start
    assert end
    page.mouse.move(start["x"] + 5, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 5, end["y"] + end["height"] - 1, steps=5)
    page.mouse.up()


def test_long_texts_are_read_side_by_side(open_page: Callable[..., Page], store: Store) -> None:
    items = [
        (material.conversation(), (material.LONG + "**Talk.**", material.LONG.replace("talk", "write") + "**Go.**"))
    ]
    material.begin(store, material.a_study(material.PAIR), items)
    page = open_page("ana")
    page.goto("/tasks/replies/work")
    bodies = page.locator(".words.body")
    press(page, "End")
    until(page, "[...document.querySelectorAll('.words.body')].every((each) => each.scrollTop > 100)")
    expect(bodies.first.locator("strong")).to_be_visible()
    press(page, "r")
    expect(bodies.first.locator(".written")).to_contain_text("**")
    press(page, "d")
    expect(bodies.locator("mark").first).to_be_visible()
    assert {"talk", "write"} <= set(bodies.locator("mark").all_text_contents())
    press(page, "d p")
    expect(bodies.first.locator("strong")).to_be_visible()
    expect(page.get_by_text("And in one sentence, please.")).to_be_hidden()
    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("what differs between A and B")
    press(page, "Escape m")
    expect(page.locator("#clock")).to_have_text(re.compile(r"0:\d\d"))


def test_a_text_is_read_to_its_end_where_the_study_asks_for_it(open_page: Callable[..., Page], store: Store) -> None:
    long = material.LONG * 6
    pairs = [(prompt, (long, material.KIND)) for prompt, _ in material.pairs(1)]
    material.begin(store, material.a_study(material.PAIR, name="pair", read_to_end=True), pairs)
    material.begin(store, material.a_study(material.RATING, name="one", read_to_end=True), material.singles(2, long))
    page = open_page("ana", height=600)
    page.goto("/tasks/pair/work")
    press(page, "a Enter")
    expect(page.locator("#problem")).to_contain_text("Please read to the end before you send: Answer")
    assert page.evaluate("document.activeElement.matches('.words.body')")  # keys scroll what is to be read
    press(page, "End")
    page.wait_for_timeout(300)  # scrolling is told a frame later
    press(page, "Enter")
    at_item(page, "All done")
    page.goto("/tasks/one/work")
    press(page, "4 Enter")
    expect(page.locator("#problem")).to_be_visible()
    assert answers(store)[-1].kind == "comparison"
    press(page, "End")
    page.wait_for_timeout(300)
    page.reload()
    press(page, "Enter")  # what was read is remembered, as the answer is
    at_item(page, "Item 2 of 2")
    press(page, "2 s 1")  # nobody has to read on in order to skip
    at_item(page, "All done")
