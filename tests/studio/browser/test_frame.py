"""The browser fixture itself: a page is reached, and what it may not do is noticed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page


def test_a_page_is_reached(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.goto("/health")
    assert "ok" in page.content()


def test_what_reaches_for_another_host_is_refused_and_noticed(open_page: Callable[..., Page], watch: Any) -> None:
    page = open_page()
    page.goto("/health")
    page.evaluate("fetch('http://elsewhere.example/').catch(() => null)")
    assert watch.elsewhere == []
    assert any("elsewhere.example" in each for each in watch.unexpected())
    watch.complaints.clear()
