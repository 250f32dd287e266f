"""Markdown of strangers: formatted, and unable to do anything."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.studio.browser.hostile import TEXTS

from burnish.studio import markdown

ALLOWED = {
    *("p", "em", "strong", "s", "code", "pre", "a", "ul", "ol", "li", "blockquote", "hr", "br", "span"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "rel", "target", "title"},
    "code": {"class"},
    "ol": {"start"},
    "p": {"class"},
    "span": {"class"},
}


class Reader(HTMLParser):
    """Collects what a browser would make of a text: tags, attributes, words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.wrong: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.wrong += [tag] * (tag not in ALLOWED)
        for name, value in attrs:
            if name not in ATTRIBUTES.get(tag, set()):
                self.wrong.append(f"{tag} {name}")
            if name == "href" and not str(value).lower().startswith(("http:", "https:", "mailto:")):
                self.wrong.append(f"href {value}")

    def handle_data(self, data: str) -> None:
        self.words += data


def test_hostile_texts_become_words() -> None:
    assert {text: wrong for text in TEXTS if (wrong := Reader(markdown.document(text)).wrong)} == {}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(["[", "](", "!", "<", ">", "`", "\n", "*", "javascript:", "x", '"', "&lt;", " ", "|--|"]))
)
def test_no_mixture_of_marks_makes_a_forbidden_tag(pieces: list[str]) -> None:
    assert Reader(markdown.document("".join(pieces))).wrong == []


@pytest.mark.parametrize("text", ["plain words, 3 < 4 & 5 > 4", "two\nlines", "snake_case_name", "价格是九欧元。", ""])
def test_a_text_without_marks_is_left_as_written(text: str) -> None:
    assert markdown.render(text) is None


def test_marks_are_formatted() -> None:
    html = markdown.render("# Big\n\n1. *one*\n\n| a |\n|--:|\n| ~~b~~ |") or ""
    assert '<p class="heading level-1">Big</p>' in html
    assert "<em>one</em>" in html
    assert "<td><s>b</s></td>" in html
    assert "style" not in html


def test_a_picture_is_told_and_not_loaded() -> None:
    assert markdown.render("![a *plan*](https://e.example/x.png)") == (
        '<p><span class="picture">[a plan] https://e.example/x.png</span></p>\n'
    )


def test_a_link_tells_nobody_where_it_was_followed() -> None:
    html = markdown.render("[here](https://e.example/?a=1&b=2)") or ""
    assert 'href="https://e.example/?a=1&amp;b=2" rel="noopener noreferrer nofollow"' in html


def test_a_very_long_text_is_left_as_written() -> None:
    assert markdown.render("*a* " * markdown.MOST_CHARACTERS) is None
