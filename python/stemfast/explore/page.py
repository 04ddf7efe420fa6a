"""The document of a tab: its head, and the pages, each made when it is first shown."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bokeh.models import Column, Div, TabPanel, UIElement
from bokeh.models import Tabs as TabBar
from jinja2 import Environment

from stemfast.explore.tab import Tab, Tabs
from stemfast.explore.widgets import listen

__all__ = ["build"]

Maker = Callable[[Any, Tab], UIElement]

_TEMPLATE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
_KEPT = "page"


def build(document: Any, tabs: Tabs, files: Sequence[Path] = ()) -> None:
    """Fill the document of a tab.

    Parameters
    ----------
    document : bokeh Document
    tabs : Tabs
        Of the server; the address says which of them this is.
    files : sequence of Path
        Micrographs that were named on the command line.
    """
    name = _tab_name(document)
    tab = tabs.get(name).open()
    document.on_session_destroyed(lambda context: tab.close())
    document.title = "stemfast explore"
    document.template = Environment(autoescape=True).from_string(_TEMPLATE)
    document.template_variables.update(tab=name, style=_STYLE)
    pages = _pages(files, tabs)
    active = int(tab.kept.setdefault(_KEPT, 1 if files else 0))
    holders = [
        Column(Div(text="…"), sizing_mode="stretch_width", styles={"padding": "10px"})
        for _ in pages
    ]
    made: set[int] = set()
    panels = [TabPanel(title=t, child=h) for t, h in zip(pages, holders, strict=True)]
    makers = list(pages.values())
    bar = TabBar(tabs=panels, active=active, sizing_mode="stretch_width", name="pages")

    def show(number: int) -> None:
        tab.kept[_KEPT] = number
        if number not in made:
            made.add(number)
            holders[number].children = [makers[number](document, tab)]

    listen(bar, "active", show)
    show(active)
    document.add_root(bar)


def _pages(files: Sequence[Path], tabs: Tabs) -> dict[str, Maker]:
    """Pages by their titles. Each is imported when it is first shown: some import for a second."""

    def simulate(document: Any, tab: Tab) -> UIElement:
        from stemfast.explore.simulate.page import simulate_page

        return simulate_page(document, tab)

    def read(document: Any, tab: Tab) -> UIElement:
        from stemfast.explore.read.page import read_page

        return read_page(document, tab, files, tabs.uploads)

    def reconstruct(document: Any, tab: Tab) -> UIElement:
        from stemfast.explore.reconstruct.page import reconstruct_page

        return reconstruct_page(document, tab, files)

    def sets(document: Any, tab: Tab) -> UIElement:
        from stemfast.explore.sets.page import sets_page

        return sets_page(document, tab)

    return {
        "Simulate": simulate,
        "Read": read,
        "Reconstruct": reconstruct,
        "Data sets and runs": sets,
    }


def _tab_name(document: Any) -> str:
    """Name of this tab in the address; a new one where it has none."""
    context = document.session_context
    words = context.request.arguments.get("tab", []) if context is not None else []
    return words[0].decode("ascii", "replace") if words else secrets.token_hex(8)
