"""Work screens in a browser: every kind by keys alone, nothing lost offline, nothing said to another host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from playwright.sync_api import Page, expect
from tests.studio.browser import material

from burnish.records import Feedback
from burnish.store import Store

WEIGHT_KB = 300


def answers(store: Store) -> list[Feedback]:
    """What stands in the store, in the order in which it came."""
    found = [feedback for entry in store.entries(include_superseded=True) for feedback in entry.feedback]
    return sorted(found, key=lambda feedback: feedback.time)


def press(page: Page, keys: str) -> None:
    """Press keys, written with spaces between them."""
    for key in keys.split():
        page.keyboard.press(key)


def at_item(page: Page, title: str) -> None:
    """Wait until an item, or the end, is on the screen."""
    expect(page.locator("#item-title")).to_have_text(title)


# ------------------------------------------------------------------------------------------------- by keys alone


def test_a_study_of_pairs_takes_two_keys_an_item(open_page: Callable[..., Page], store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(3))
    page = open_page("ana")
    page.goto("/")
    press(page, "Enter")  # the first study's start has the focus
    page.wait_for_url("**/guide")
    page.get_by_role("button", name="Start").focus()
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
    at_item(page, "Item 3 of 3")
    expect(page.get_by_label("Both bad")).to_be_checked()
    press(page, "t Enter")
    at_item(page, "All done")
    assert answers(store)[-1].value == {"tie": "good"}
    assert answers(store)[-1].supersedes == given[-1].id


KEYS: Mapping[str, tuple[Any, list[Any], str, Mapping[str, Any]]] = {
    "thumb": (material.THUMB, material.singles(1), "b Enter", {"thumb": False}),
    "rating": (material.RATING, material.singles(1), "4 Enter", {"rating": 4, "scale": [1, 5]}),
    "strength": (material.STRONG, material.pairs(1), "Shift+A Enter", {"chosen": 0, "strength": 3}),
    "rubric": (
        material.RUBRIC,
        material.singles(1),
        "y n y Enter",
        {
            "rubric": [
                {"criterion": "sourced", "answer": True},
                {"criterion": "brief", "answer": False},
                {"criterion": "kind", "answer": True},
            ]
        },
    ),
    "ranking": (material.RANKING, material.several(1, 3), "2 1 1 Enter", {"ranking": [[1, 2], [0]]}),
    "ranking moved": (
        material.RANKING,
        material.several(1, 3),
        "1 2 3 ArrowUp Alt+ArrowUp ArrowDown = Enter",
        {"ranking": [[0, 1], [2]]},
    ),
    "best and worst": (material.EXTREMES, material.several(1, 3), "2 Shift+Digit1 Enter", {"best": 1, "worst": 0}),
    "span": (
        material.SPAN,
        material.singles(1, "😀 Good words here."),
        "v Control+ArrowRight Shift+Control+ArrowRight 3 w Shift+Control+ArrowRight 1 Enter",
        {
            "spans": [
                {"start": 2, "end": 6, "label": "good", "severity": 2},
                {"start": 7, "end": 12, "label": "wrong"},
            ]
        },
    ),
    "correction": (
        material.CORRECTION,
        material.singles(1, "Ring his bel."),
        "c Control+End ArrowLeft l Control+Enter",
        {"correction": "Ring his bell."},
    ),
}


def test_every_kind_is_answered_by_keys_alone(open_page: Callable[..., Page], store: Store) -> None:
    for number, (question, items, _, _) in enumerate(KEYS.values()):
        material.begin(store, material.a_study(question, name=f"study-{number}"), items)
    page = open_page("ana")
    for number, (kind, (_, _, keys, value)) in enumerate(KEYS.items()):
        page.goto(f"/tasks/study-{number}/work")
        press(page, keys)
        at_item(page, "All done")
        given = [dict(each.value) for each in answers(store) if each.metadata["study"] == f"study-{number}"]
        assert given == [value], kind
