"""Results, review and runs in a browser: they fill themselves, fit a phone, and say what they show to everybody."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from json import dumps
from pathlib import Path

from playwright.sync_api import Page, expect
from tests.studio import answered
from tests.studio.browser.conftest import Axe, OpenPage

from burnish.store import Store
from burnish.studio.settings import StudioSettings

WIDTHS = ((1280, "light", "en"), (360, "dark", "zh"))


PAGES = ("/results", "/results/models", "/results/runs", "/results/runs/reviews-0", "/results/studies/films", "/review")


def opened(page: Page, address: str) -> list[str]:
    """Open a page and wait for its figures; complain where it is wider than its screen."""
    page.goto(address)
    page.wait_for_function("() => !document.querySelector('[hx-trigger=\"every 1s\"]')")
    wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
    return [f"{address} is wider than the screen"] if wide else []


def test_pages_full_of_figures_are_for_everybody_on_a_laptop_and_on_a_phone(
    open_page: OpenPage, axe: Axe, store: Store, settings: StudioSettings
) -> None:
    answered.fill(store, 12)
    answered.run_folder(Path(settings.runs), **answered.REPORT)
    found: list[str] = []
    for width, theme, language in WIDTHS:
        page = open_page("rev", role="reviewer", width=width, theme=theme, language=language)
        for address in PAGES:
            found += opened(page, address)
            if address in PAGES[3:5]:
                found += axe(page)
        page.locator("tbody th a").first.click()
        page.wait_for_url("**/review/*/*")
        found += opened(page, page.url) + axe(page)
    assert found == []


def test_a_dashboard_fills_itself_and_a_decision_is_made_by_keys(open_page: OpenPage, store: Store) -> None:
    answered.fill(store, 4)
    page = open_page("rev", role="reviewer")
    page.goto("/review")
    page.get_by_label("Study").focus()
    expect(page.locator("#waiting table")).to_be_visible()  # brought by htmx, while the form above keeps the focus
    expect(page.get_by_label("Study")).to_be_focused()
    page.goto("/results/studies/films")
    expect(page.locator("#far h2")).to_have_text("How far are we?")  # brought by htmx, nobody reloads
    assert page.locator("#agree svg").count() > 0
    page.goto("/review?study=films")
    page.locator("tbody th a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/*/*")
    page.locator("form.decide input[type=radio]").first.focus()
    for key in ("Space", "Tab"):
        page.keyboard.press(key)
    page.keyboard.type("<b>A</b> is clearer")
    page.keyboard.press("Enter")
    expect(page.locator("[role=status]")).to_contain_text("The decision is stored")
    expect(page.locator("form.decide").first).to_contain_text("because: <b>A</b> is clearer")
    made = [each for entry in store.entries() for each in entry.feedback if each.metadata.get("decides")]
    assert [each.author.id for each in made] == ["rev"]


def test_a_living_run_is_followed_and_stopped(
    open_page: Callable[..., Page], store: Store, settings: StudioSettings
) -> None:
    folder = answered.run_folder(Path(settings.runs), state="train-0", steps=2)
    (folder / "lock.json").write_text(dumps({"pid": os.getpid(), "host": socket.gethostname()}), "utf-8")
    page = open_page("olga", role="owner")
    page.goto("/results/runs/reviews-0")
    expect(page.locator("#live")).to_contain_text("2 steps done")
    log = folder / "metrics.jsonl"
    kept = log.read_text("utf-8").rpartition("\n")[0]
    log.write_text(kept + "\n" + dumps({"step": 3, "round": 0, "reward": 0.9}) + "\n", "utf-8")
    expect(page.locator("#live")).to_contain_text("3 steps done")
    page.get_by_role("button", name="Stop and save").click()
    expect(page.locator("#live")).to_contain_text("It was asked to stop")
    assert (folder / "stop").exists()


def test_a_report_opens_with_its_own_style_and_no_script(
    open_page: OpenPage, store: Store, settings: StudioSettings
) -> None:
    folder = answered.run_folder(Path(settings.runs), **answered.REPORT)
    page_text = "<!doctype html><title>Report</title><style>p{color:rgb(1,2,3)}</style><p>Report</p>"
    (folder / "report.html").write_text(page_text, "utf-8")
    page = open_page("rev", role="reviewer")
    page.goto("/results/runs/reviews-0/report")
    assert page.evaluate("getComputedStyle(document.querySelector('p')).color") == "rgb(1, 2, 3)"
    assert page.evaluate("window.origin") == "null"  # sandboxed: none of our cookies or pages are within its reach
