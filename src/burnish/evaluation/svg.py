"""Figures as files, and as markup that takes its colours and letters from the page around it.

The bytes depend on the figure alone: no date, no program name, no random ids.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from burnish.evaluation.side_by_side import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NOTHING: Mapping[str, None] = dict.fromkeys(("Date", "Creator", "Format", "Type"))


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure in its three forms."""

    name: str
    svg: bytes
    png: bytes
    inline: str
    """Markup of an <svg> element; safe to embed: every text in it was escaped."""
    width: int
    """Natural width in CSS pixels."""


def picture(name: str, figure: Figure, alt: str, colours: Mapping[str, str]) -> Picture:
    """Return a figure as SVG, as PNG at twice the screen's resolution, and as inline markup with a text alternative."""
    vector, pixels = io.BytesIO(), io.BytesIO()
    with warnings.catch_warnings():
        # letters that the fonts of this machine lack: the SVG names them as text, the PNG shows a box
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        figure.savefig(vector, format="svg", metadata=_NOTHING)
        figure.savefig(pixels, format="png", dpi=192, metadata={"Software": None})
    svg = vector.getvalue()
    return Picture(
        name, svg, pixels.getvalue(), inline(svg.decode(), name, alt, colours), round(96 * figure.get_figwidth())
    )


def inline(svg: str, name: str, alt: str, colours: Mapping[str, str]) -> str:
    """Return the <svg> element of a file for embedding in a page.

    Its ids get the figure's name, so that figures do not share them; colours become the page's variables, letters the
    page's own; declarations, metadata and namespaces go, and with them every address.
    """
    body = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    head, _, rest = body.partition(">")
    box = re.search(r'viewBox="([^"]+)"', head)
    assert box is not None, "matplotlib writes a viewBox"
    rest = re.sub(r"<[^<>]+>", lambda tag: _adopt(tag[0], name, colours), rest)
    return f'<svg viewBox="{box[1]}" role="img" aria-label="{escape(visible(alt))}">{rest.strip()}'


def _adopt(tag: str, name: str, colours: Mapping[str, str]) -> str:
    """One tag with the figure's ids and the page's colours and letters; what stands between tags is never touched."""
    tag = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', tag)
    tag = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", tag)
    tag = re.sub(r'xlink:href="#([^"]+)"', rf'href="#{name}-\1"', tag)
    tag = re.sub(r"font: ((?:\w+ )*)([\d.]+px) [^;\"]*", _font, tag)
    tag = re.sub(r"font-family: [^;\"]*;? ?", "", tag)
    for colour, variable in colours.items():
        tag = tag.replace(colour, f"var(--{variable})")
    return tag


def _font(match: re.Match[str]) -> str:
    """The shorthand `font: bold 9px 'A', 'B'` without the families, which the page sets."""
    weight = "font-weight: bold; " if "bold" in match[1] else ""
    return f"{weight}font-size: {match[2]}"
