"""Reference of the command line in Markdown, from the text that ``--help`` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from stemfast.cli import app

__all__ = ["markdown"]


def markdown() -> str:
    """One section for each command: its help, how it is called, its arguments and options."""
    root = typer.main.get_command(app)
    return "\n\n".join(_section(*found) for found in _commands(root, "stemfast", None))


def _commands(command: Any, name: str, parent: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield every command below, its full name and context; hidden ones are old spellings."""
    context = typer.Context(command, info_name=name.split()[-1], parent=parent)
    yield command, name, context
    for word, inner in getattr(command, "commands", {}).items():
        if not inner.hidden:
            yield from _commands(inner, f"{name} {word}", context)


def _section(command: Any, name: str, context: Any) -> str:
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## {name}", _plain(command.help or ""), f"```text\n{usage}\n```"]
    records = [param.get_help_record(context) for param in command.params]
    rows = [
        f"| `{_cell(left)}` | {_cell(_plain(right))} |" for left, right in filter(None, records)
    ]
    if rows:
        parts.append("\n".join(["| option | meaning |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(text: str) -> str:
    """Code in place of the terminal's bold, and Markdown's signs escaped elsewhere."""
    pieces = re.split(r"\[bold\](.*?)\[/bold\]", text)
    pieces[::2] = [re.sub(r"([*_<>\[\]`$])", r"\\\1", piece) for piece in pieces[::2]]
    pieces[1::2] = [f"`{piece}`" for piece in pieces[1::2]]
    return "".join(pieces)
