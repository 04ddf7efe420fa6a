"""Settings of the documentation site; ``make docs`` builds it.

Sphinx, because it is what NumPy, SciPy and HyperSpy use: docstrings are read as they are written
(numpydoc), pages stay Markdown that a forge shows as well (MyST), and every link is checked. The
tutorials are notebooks kept as Markdown, which the build executes (MyST-NB).
"""

from __future__ import annotations

import sys
import tempfile
import urllib.request
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import commands

project = "stemfast"
author = "the stemfast developers"
version = release = installed_version("stemfast")
html_title = f"stemfast {version}"

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx_copybutton",
]

#: Sites that types of the reference link to.
SITES: dict[str, str] = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
}


_KEPT = tempfile.TemporaryDirectory(prefix="inventories-")


def inventories() -> dict[str, tuple[str, str]]:
    """Inventories of the sites, none where one cannot be reached: a build needs no network."""
    found = {}
    for name, site in SITES.items():
        file = Path(_KEPT.name) / f"{name}.inv"
        try:
            with urllib.request.urlopen(f"{site}objects.inv", timeout=10) as answer:
                file.write_bytes(answer.read())
        except OSError:
            return {}
        found[name] = (site, str(file))
    return found


intersphinx_mapping = inventories()

# Warnings are errors: every link to a page, a heading or a name must lead somewhere.
nitpicky = True
suppress_warnings = ["myst.header"]  # pages of one idea may begin at any level of heading
exclude_patterns = ["_build"]
default_role = "literal"

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline", "colon_fence", "dollarmath"]

# Notebooks hold no results; each build makes them anew, in a folder that it removes.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_show_tb = True
nb_execution_timeout = 900  # seconds a cell: a bound for one that hangs on a busy machine

autodoc_member_order = "bysource"
autodoc_typehints = "none"  # numpydoc gives types in words, with shapes and units
autodoc_preserve_defaults = True
numpydoc_xref_param_type = bool(intersphinx_mapping)
numpydoc_xref_aliases = {
    "Path": "pathlib.Path",
    "Generator": "numpy.random.Generator",
    "Rotation": "scipy.spatial.transform.Rotation",
}
numpydoc_xref_ignore = "all"  # words of a type that are no name
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

copybutton_exclude = ".linenos, .gp, .go"  # examples are copied without prompts and answers

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_sidebars = {page: [] for page in ("start", "gallery")}  # nothing stands under these
html_theme_options: dict[str, Any] = {
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
    "logo": {"text": "stemfast"},
    "secondary_sidebar_items": ["page-toc"],
}
copyright = "the stemfast developers, BSD-3-Clause"

linkcheck_timeout = 20
linkcheck_retries = 2


def add_commands(app: Any, page: str, text: list[str]) -> None:
    """Put the reference of the command line, which has one source, into its page."""
    if page == "reference/command_line":
        text[0] = text[0].replace("<!-- commands -->", commands.markdown())


def keep_headings_apart(_: Any, what: str, *rest: Any) -> None:
    """Make the example of a module a rubric; a heading would stand in the page's contents."""
    lines = rest[-1]
    for i, line in enumerate(lines[:-1]):
        if what == "module" and line == "Examples" and set(lines[i + 1]) == {"-"}:
            lines[i : i + 2] = [".. rubric:: Examples", ""]


def leave_defaults_short(_: Any, what: str, *rest: Any) -> tuple[str | None, str | None]:
    """Say ``scan=Scan()`` where a signature repeats every setting of every setting."""
    *_, signature, returned = rest
    if what != "class" or signature is None:
        return signature, returned
    kept, of_calls = "", []
    for before, sign in zip(" " + signature, signature, strict=False):
        if sign == ")":
            of_calls.pop()
        if not any(of_calls):
            kept += sign
        if sign == "(":
            of_calls.append(before.isalnum())
    return kept, returned


def setup(app: Any) -> None:
    """Tell Sphinx of the three above."""
    app.connect("autodoc-process-signature", leave_defaults_short)
    app.connect("source-read", add_commands)
    app.connect("autodoc-process-docstring", keep_headings_apart, priority=900)
