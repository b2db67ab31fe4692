"""Matplotlib figures as markup that can stand inside an HTML page, without a file beside it.

SVG keeps text sharp and lets black follow the reader's colour scheme; artists with many points are embedded as pixels, and a figure whose
SVG is still large becomes a PNG.
"""

from __future__ import annotations

import base64
import io
import re
from html import escape

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

#: Lines and markers with more points than this are embedded as pixels.
HEAVY_POINTS = 1500
#: And shapes with more corners than this: 288 hexagonal chips stay sharp.
HEAVY_CORNERS = 4000
#: A figure whose SVG is larger than this becomes a PNG.
LARGEST_SVG_BYTES = 450_000
DPI = 170

_STYLE = re.compile(r'style="[^"]*"')
_DARK = re.compile(r"#(?:000000|([0-3][0-9a-f])\1\1)\b")


def figure_markup(figure: Figure, *, alt: str, prefix: str, png: bool = False) -> str:
    """Return a figure as an ``<svg>`` or an ``<img>`` element that needs nothing outside itself.

    Parameters
    ----------
    figure : Figure
        Left as it was.
    alt : str
        What it shows, for those who cannot see it.
    prefix : str
        Begins each identifier inside the element: unique on the page.
    png : bool
        Make pixels of everything.

    Returns
    -------
    str
        Markup, safe to be inserted as it is.
    """
    if not png:
        svg = _svg(figure, alt, prefix)
        if len(svg) <= LARGEST_SVG_BYTES:
            return svg
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="white", bbox_inches="tight", pad_inches=0.05, metadata={"Software": None})
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img class="figure" alt="{escape(alt)}" src="data:image/png;base64,{data}">'


def _svg(figure: Figure, alt: str, prefix: str) -> str:
    heavy = [a for a in figure.findobj(_is_heavy) if not a.get_rasterized()]
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    buffer = io.StringIO()
    try:
        for artist in heavy:
            artist.set_rasterized(True)
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": prefix}):
            figure.savefig(buffer, format="svg", dpi=DPI, transparent=True, bbox_inches="tight", pad_inches=0.05, metadata=nothing)
    finally:
        for artist in heavy:
            artist.set_rasterized(False)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s(?:xmlns(?::\w+)?|version)="[^"]*"', "", text)
    text = text.replace("xlink:href", "href")
    text = re.sub(r'\shref="(?!#|data:)[^"]*"', "", text)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = text.replace('href="#', f'href="#{prefix}-').replace("url(#", f"url(#{prefix}-")
    text = _STYLE.sub(lambda m: _follow_scheme(m.group()), text)
    size = r'<svg[^>]*?(viewBox="[^"]*")[^>]*>'
    return re.sub(size, lambda m: f'<svg class="figure" role="img" aria-label="{escape(alt)}" {m.group(1)}>', text, count=1).strip()


def _follow_scheme(style: str) -> str:
    """Let black ink and white paper follow the reader's colour scheme."""
    return _DARK.sub("currentColor", style).replace("#ffffff", "var(--card)")


def _is_heavy(artist: Artist) -> bool:
    if isinstance(artist, AxesImage):  # pixels already
        return False
    if isinstance(artist, Line2D):
        return bool(np.size(artist.get_xdata()) > HEAVY_POINTS)
    if isinstance(artist, Collection):
        corners = sum(np.size(path.vertices) for path in artist.get_paths()) // 2
        return corners > HEAVY_CORNERS or np.size(artist.get_offsets()) // 2 > HEAVY_POINTS
    return False
