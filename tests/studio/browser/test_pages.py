"""Every page: readable without seeing colours or using a mouse (axe-core), light, and talking to nobody else."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect
from tests.studio.browser import material
from tests.studio.browser.test_work import at_item, press

from burnish.store import Store
from burnish.studio.context import now_ms

HEAVIEST_KB = 300
PHONE = 360  # pixels across
STRANGERS = ("/sign-in", "/invite/no-such-link", "/no-such-page")
OWNERS = (
    "/tasks/replies/guide",
    "/",
    "/play",
    "/review",
    "/review/reports",
    "/studies",
    "/studies/replies",
    "/studies/replies/edit",
    "/studies/replies/plan",
    "/studies/replies/preview",
    "/studies/replies/toml",
    "/studies/new",
    "/studies/new/toml",
    "/results",
    "/results/all",
    "/results/studies/replies",
    "/results/models",
    "/results/runs",
    "/people",
    "/people/bob/delete",
    "/people/log",
    "/me",
    "/me/history",
    "/me/delete",
    "/api",
)


def test_no_page_has_a_finding_or_is_heavy_or_wider_than_a_phone(
    open_page: Callable[..., Page], axe: Callable[..., list[str]], store: Store
) -> None:
    material.begin(store, material.a_study(material.PAIR, guidelines="# How\n\nRead *both*."), material.pairs(3))
    store.accounts.add("bob", "annotator", now_ms=now_ms())
    owner, stranger = open_page("olga", "owner"), open_page()
    owner.goto("/tasks/replies/work")
    press(owner, "a Enter")
    at_item(owner, "Item 2 of 3")
    found, weights, widths = {}, {}, {}
    for page, paths in ((owner, OWNERS), (stranger, STRANGERS)):
        for path in paths:
            page.goto(path)
            found[path], weights[path] = axe(page), _weight_kb(page)
            widths[path] = _width_on_a_phone(page)
    assert {path: findings for path, findings in found.items() if findings} == {}
    assert {path: kb for path, kb in weights.items() if not 10 < kb <= HEAVIEST_KB} == {}
    assert {path: width for path, width in widths.items() if width > PHONE} == {}


def test_the_designer_shows_what_a_kind_takes_and_whatever_is_wrong(open_page: Callable[..., Page]) -> None:
    page = open_page("olga", "owner")
    page.goto("/studies/new")
    takes = {"comparison": "q0_strength", "rating": "q0_anchors", "rubric": "q0_criteria", "comment": "q0_labels"}
    for kind in takes:
        page.select_option("#q0_kind", kind)
        assert [name for name in takes.values() if page.locator(f"[name={name}]").is_visible()] == [takes[kind]]
    page.select_option("#q0_kind", "rating")
    page.fill("#q0_anchors", "9 = off the scale")
    page.select_option("#q0_kind", "comment")
    page.fill("#name", "hello")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#q0_anchors")).to_be_focused()  # though a comment has no grades


def test_no_work_screen_has_a_finding_in_light_or_dark(
    open_page: Callable[..., Page], axe: Callable[..., list[str]], store: Store
) -> None:
    several = (material.RANKING, material.EXTREMES, material.RATING)
    material.begin(store, material.a_study(*material.EVERY_KIND, name="every"), material.singles(1))
    material.begin(store, material.a_study(*several, name="several"), material.several(1, 3))
    material.begin(store, material.a_study(material.STRONG, name="strong"), [(material.conversation(), ("一", "# B"))])
    page = open_page("ana")
    for name in ("every", "several", "strong"):
        page.goto(f"/tasks/{name}/work")
        assert axe(page) == []
        assert 60 < _weight_kb(page) <= HEAVIEST_KB  # its scripts are counted
        press(page, "a")
        page.emulate_media(color_scheme="dark")
        assert axe(page) == []
        page.emulate_media(color_scheme="light")
    press(page, "?")
    assert axe(page) == []
    press(page, "Escape s")
    assert axe(page) == []


def _width_on_a_phone(page: Page) -> int:
    """How wide a page is where it has as little room as on a phone."""
    before = page.viewport_size
    assert before is not None
    page.set_viewport_size({"width": PHONE, "height": 800})
    width = int(page.evaluate("document.documentElement.scrollWidth"))
    page.set_viewport_size(before)
    return width


def _weight_kb(page: Page) -> float:
    """What was loaded for a page, uncompressed."""
    entries = "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
    return float(page.evaluate(f"{entries}.reduce((sum, each) => sum + each.decodedBodySize, 0) / 1000"))
