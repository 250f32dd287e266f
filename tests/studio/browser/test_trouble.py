"""What may go wrong while somebody works: the connection, a mistake, a text that means harm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from playwright.sync_api import Page, expect
from tests.studio.browser import hostile, material
from tests.studio.browser.test_work import answers, at_item, press

from burnish.records import Author, Completion, Feedback, Prompt
from burnish.store import Entry, Store
from burnish.store.studies import NewItem
from burnish.studio import assign
from burnish.studio.context import now_ms
from burnish.studio.session import Person
from burnish.studio.study import Example


def test_an_answer_given_offline_is_kept_and_sent_once(
    open_page: Callable[..., Page], store: Store, watch: Any
) -> None:
    material.begin(store, material.a_study(material.PAIR, material.COMMENT), material.pairs(2))
    watch.expected.append("Failed to fetch")
    page = open_page("ana")
    page.goto("/tasks/replies/work")
    page.context.set_offline(True)
    press(page, "a c")
    page.keyboard.type("Kinder.")
    press(page, "Control+Enter")
    expect(page.locator("#offline")).to_be_visible()
    at_item(page, "Item 1 of 2")
    press(page, "Control+Enter Control+Enter")  # impatience
    assert answers(store) == []
    page.context.set_offline(False)
    at_item(page, "Item 2 of 2")
    expect(page.locator("#offline")).to_be_hidden()
    assert sorted(each.kind for each in answers(store)) == ["comment", "comparison"]
    assert page.evaluate("({...localStorage})") == {"burnish-unsent:ana": "[]"}


def test_a_draft_survives_reloading_and_skipping_asks_why(open_page: Callable[..., Page], store: Store) -> None:
    material.begin(store, material.a_study(material.RATING, material.COMMENT), material.singles(2))
    page = open_page("ana", width=360, height=640, touch=True)
    page.goto("/tasks/replies/work")
    press(page, "2 c")
    page.keyboard.type("Half of it")
    page.reload()
    expect(page.get_by_label("2", exact=True)).to_be_checked()
    expect(page.locator(".comment textarea")).to_have_value("Half of it")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("button", name="Skip").tap()
    page.get_by_role("button", name="Broken text").tap()
    at_item(page, "Item 2 of 2")
    assert answers(store) == []
    page.get_by_role("button", name="Send").tap()
    expect(page.locator("#problem")).to_have_text("Please answer first: How helpful is it?")


def test_hostile_texts_are_shown_as_written_and_do_nothing(open_page: Callable[..., Page], store: Store) -> None:
    texts = hostile.TEXTS
    assert len(set(texts)) >= 200
    title = texts[0]
    about = {"name": "hostile", "title": title, "guidelines": "\n\n".join(texts[:60]), "consent": texts[1]}
    example = Example(texts[2], tuple(texts[3:6]), {"order": {"ranking": [0, 1, 2]}}, texts[6])
    asked = material.Question("order", "ranking", texts[7], help=texts[8])
    remark = material.Question("why", "comment", texts[9], labels=tuple(texts[10:13]), required=False)
    size = 20
    items = [(Prompt.of(texts[start]), texts[start : start + size]) for start in range(0, len(texts), size)]
    items = [(prompt, some) for prompt, some in items if len(some) > 1]
    study = material.a_study(asked, remark, examples=(example,), skip_reasons=(texts[13], texts[14]), **about)
    material.begin(store, study, items)
    account = store.accounts.add("ana", "annotator", now_ms=now_ms())
    store.accounts.consent(account.number, study.name, study.consent, now_ms=now_ms())
    page = open_page("ana")
    page.goto("/")
    expect(page.locator("h2")).to_have_text(title)
    page.goto("/tasks/hostile/guide")
    nothing_ran(page)
    page.goto("/tasks/hostile/work")
    seen: set[str] = set()
    for _ in items:
        shown = page.locator(".side .written").evaluate_all("all => all.map((each) => each.textContent)")
        seen.update(shown)
        press(page, "r")
        nothing_ran(page)
        at = page.locator("#item-title").text_content()
        press(page, "s 1")
        expect(page.locator("#item-title")).not_to_have_text(at or "")
    assert [text for text in texts if text not in seen and text not in {prompt.text for prompt, _ in items}] == []


def test_hostile_answers_do_nothing_to_whoever_reads_them(
    open_page: Callable[..., Page], site: Any, store: Store
) -> None:
    texts = hostile.TEXTS[::4]
    asked = replace(material.COMMENT, text=texts[0], labels=(texts[1], texts[2]))
    study = material.a_study(asked, material.RATING, title=texts[3], name="read", guidelines=texts[4])
    material.begin(store, study, [(Prompt.of(texts[5]), (texts[6],))])
    for name, remark, grade in (("ana", " ".join(texts), 1), ("bob", texts[7], 5)):
        account = store.accounts.add(name, "reviewer", now_ms=now_ms())
        who = Person(name, "reviewer", "en", "auto", "", account.number)
        task = assign.next_task(site.studio, who, "read", now_ms())
        assert task is not None
        assign.flag(site.studio, who, task.assignment, texts[8], now_ms())
        said = {"why": {"comment": remark, "aspects": [texts[1]]}, "grade": {"rating": grade}}
        assign.submit(site.studio, who, task.assignment, {"key": f"key-of-{name}", "answers": said}, now_ms())
    page = open_page("ana", "reviewer")
    for path in ("/me/history", "/results/studies/read"):
        page.goto(path)
        page.wait_for_load_state("networkidle")
        nothing_ran(page)
    page.goto("/review")
    page.locator("main a[href^='/review/p_']").first.click()
    expect(page.locator("main")).to_contain_text(texts[7])
    nothing_ran(page)
    page = open_page("olga", "owner")
    for part in ("", "/edit", "/toml", "/preview"):
        page.goto(f"/studies/read{part}")
        nothing_ran(page)


def nothing_ran(page: Page) -> None:
    """No script of a text's ran, and nothing that could run one stands in the page. Dialogs and requests: `watch`."""
    assert page.evaluate("window.pwned") is None
    made = page.evaluate(
        """() => [...document.querySelectorAll('main *')].filter((each) =>
            ['IFRAME', 'OBJECT', 'EMBED', 'BASE', 'META', 'LINK', 'STYLE', 'IMG', 'VIDEO', 'AUDIO', 'SVG', 'MATH',
             'FRAME', 'APPLET', 'MARQUEE'].includes(each.tagName.toUpperCase())
            || (each.tagName === 'SCRIPT' && each.type !== 'application/json')
            || [...each.attributes].some((one) => /^on|^style$|^srcdoc$/i.test(one.name))
            || /^\\s*(javascript|data|vbscript):/i.test(each.getAttribute('href') ?? ''))
            .map((each) => each.outerHTML.slice(0, 200))"""
    )
    assert made == []


def test_practice_says_what_was_expected_and_a_judge_speaks_only_afterwards(
    open_page: Callable[..., Page], store: Store
) -> None:
    study = material.a_study(material.RATING, qualification=0.5, hints=True, guidelines="Grade it.")
    material.begin(store, study, material.singles(1))
    prompt = Prompt.of("Say hello.")
    said = Completion(prompt.id, "Hello!")
    list(store.submit_many([Entry(prompt, (said,))]))
    expected = {"grade": {"rating": 5}, "reason": "It says **hello**."}
    store.studies.add_items("replies", [NewItem(prompt.id, (said.id,), "training", expected)], overlap=1)
    _judge(store, rating=2)
    page = open_page("ana")
    page.goto("/tasks/replies/work")
    at_item(page, "Practice item 1 of 1")
    press(page, "5 Enter")
    expect(page.get_by_role("dialog")).to_contain_text("As expected")
    expect(page.get_by_role("dialog")).to_contain_text("It says **hello**.")
    press(page, "Enter")
    at_item(page, "Item 1 of 1")
    assert "judge" not in page.content().lower().replace("cannot judge", "")
    press(page, "4 Enter")
    expect(page.get_by_role("dialog")).to_contain_text("What an AI judge said")
    page.get_by_role("button", name="Change mine").click()
    expect(page.locator("#said")).to_have_text("Taken back. An item from before: what you send now replaces it.")
    expect(page.get_by_label("4", exact=True)).to_be_checked()
    press(page, "3 Enter")
    at_item(page, "All done")
    people = [each for each in answers(store) if each.author.kind == "human"]
    assert [each.value["rating"] for each in people] == [4, 3]
    assert [bool(each.exposure.get("hints")) for each in people] == [False, True]


def _judge(store: Store, *, rating: int) -> None:
    """Have an AI judge grade the only item of work."""
    (entry,) = [entry for entry in store.entries() if entry.prompt.text.startswith("My neighbour")]
    value = {"rating": rating, "scale": [1, 5]}
    ids = (entry.completions[0].id,)
    given = Feedback("f-1", "rating", entry.prompt.id, ids, value, author=Author("judge", "ai"))
    list(store.submit_many([Entry(entry.prompt, entry.completions, (given,))]))


def test_what_must_not_be_missed_is_shown_on_a_phone_too(open_page: Callable[..., Page], store: Store) -> None:
    material.begin(store, material.a_study(material.PAIR), material.pairs(2))
    page = open_page("ana", width=360)
    page.goto("/tasks/replies/work")
    other = page.context.new_page()
    other.goto("/tasks/replies/work")
    press(page, "f")
    page.keyboard.type("cut off")
    press(page, "Tab Enter")
    expect(page.locator("#saved")).to_be_visible()
    expect(page.locator("#saved")).to_have_text("Reported. Thank you.")
    press(page, "a Enter")
    at_item(page, "Item 2 of 2")
    press(other, "b")  # of the item that was answered in the first window
    expect(other.locator("#problem")).to_contain_text("This item is over")
    page.context.clear_cookies()
    press(page, "a Enter")
    expect(page.locator("#problem")).to_contain_text("You have been signed out")
    expect(page.locator("#problem").get_by_role("link")).to_have_attribute("href", "/sign-in")
