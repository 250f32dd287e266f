"""Markdown that strangers wrote, as HTML that can do nothing: no HTML of theirs, no pictures, checked links.

Completions are data. What they say is shown; what they would have a browser do is not done: a picture becomes its
words (loading it would tell another host who reads), a link leaves only to http, https or mailto and only by a person's
click, a heading is set large but is no heading of the page.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

MOST_CHARACTERS = 50_000
"""Longer texts are shown as written: parsing them would keep people waiting."""
_SAFE_LINK = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_PLAIN = frozenset({"paragraph_open", "paragraph_close", "inline"})
_PLAIN_INLINE = frozenset({"text", "softbreak", "text_special"})


def render(text: str) -> str | None:
    """Return safe HTML of a text that uses Markdown; None where there is nothing to format, or too much text."""
    if len(text) > MOST_CHARACTERS:
        return None
    tokens = _parser().parse(text)
    return _parser().renderer.render(tokens, _parser().options, {}) if _is_marked_up(tokens) else None


def document(text: str) -> str:
    """Return safe HTML of a text that is meant as Markdown, such as guidelines."""
    return str(_parser().render(text))


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    parser.validateLink = _is_safe_link  # type: ignore[method-assign]  # the library's way to replace its check
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_open", _link_open)
    parser.add_render_rule("heading_open", _heading_open)
    parser.add_render_rule("heading_close", _heading_close)
    for cell in ("th_open", "td_open"):
        parser.add_render_rule(cell, _cell_open)
    return parser


def _is_marked_up(tokens: Sequence[Token]) -> bool:
    return any(
        token.type not in _PLAIN or any(child.type not in _PLAIN_INLINE for child in token.children or ())
        for token in tokens
    )


def _is_safe_link(url: str) -> bool:
    return _SAFE_LINK.match(url.strip()) is not None


def _image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    token = tokens[index]
    words = self.renderInlineAsText(token.children, options, env) if token.children else ""
    return f'<span class="picture">[{escapeHtml(words)}] {escapeHtml(str(token.attrs.get("src", "")))}</span>'


def _link_open(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    address = escapeHtml(str(tokens[index].attrs.get("href", "")))
    return f'<a href="{address}" rel="noopener noreferrer nofollow" target="_blank" title="{address}">'


def _heading_open(self: Any, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return f'<p class="heading level-{tokens[index].tag[1:]}">'


def _heading_close(self: Any, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return "</p>\n"


def _cell_open(self: Any, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A table's cell without the style attribute that would align it: the page's policy refuses those."""
    return f"<{tokens[index].tag}>"
