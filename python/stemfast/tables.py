"""Tables of results: numbers of things in words, CSV, JSON, pandas, and notebooks."""

from __future__ import annotations

import csv
import html as markup
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np

__all__ = ["as_json", "cell", "counted", "csv_text", "dataframe", "html"]

Row = Mapping[str, Any]

_MOST_ROWS = 20


def counted(n: int, what: str, many: str | None = None) -> str:
    """A number of things, in the singular or the plural.

    Examples
    --------
    >>> counted(1, "particle"), counted(3, "particle"), counted(0, "body", "bodies")
    ('1 particle', '3 particles', '0 bodies')
    """
    return f"{n} {what if n == 1 else many or what + 's'}"


def cell(value: object) -> str:
    """A value as files of tables hold it, "" where there is none.

    Examples
    --------
    >>> cell(True), cell(0.25), cell(7), cell(None)
    ('true', '0.25', '7', '')
    """
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def csv_text(names: Sequence[str], rows: Sequence[Row]) -> str:
    """Columns of rows as CSV with a header; a value that a row has not is an empty cell.

    Examples
    --------
    >>> csv_text(["particle", "px"], [{"particle": 1, "px": 20.5}, {"particle": 2}]).splitlines()
    ['particle,px', '1,20.5', '2,']
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)
    return text.getvalue()


def dataframe(rows: Sequence[Row]) -> Any:
    """Rows as a pandas `DataFrame`; a value that a row has not is missing there.

    Raises
    ------
    ModuleNotFoundError
        If pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "to_dataframe needs pandas: pip install pandas", name="pandas"
        ) from error
    return pandas.DataFrame([dict(row) for row in rows])


def as_json(value: Any) -> str:
    """Results as JSON for other programs: numbers, words, mappings, arrays and dataclasses.

    Numbers that are not finite, which it has not, are null.

    Examples
    --------
    >>> as_json({"diameters_nm": (9.5, float("nan")), "file": "a.dm4"})
    '{"diameters_nm": [9.5, null], "file": "a.dm4"}'
    """
    return json.dumps(_plain(value), allow_nan=False, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if hasattr(value, "tolist"):  # NumPy's numbers and arrays
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def html(rows: Sequence[Row], caption: str = "") -> str:
    """The first rows as a table for a notebook.

    Examples
    --------
    >>> html([{"edge_nm": 1 / 3}], "one < two")
    '<pre>one &lt; two</pre><table><tr><th>edge_nm</th></tr><tr><td>0.3333</td></tr></table>'
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [_line("th", names)]
    lines += [_line("td", [row.get(name, "") for name in names]) for row in rows[:_MOST_ROWS]]
    left = len(rows) - _MOST_ROWS
    more = f"<p>and {counted(left, 'more row')}</p>" if left > 0 else ""
    words = f"<pre>{markup.escape(caption)}</pre>" if caption else ""
    return f"{words}<table>{''.join(lines)}</table>{more}"


def _line(tag: str, cells: Sequence[object]) -> str:
    return f"<tr>{''.join(f'<{tag}>{_shown(value)}</{tag}>' for value in cells)}</tr>"


def _shown(value: object) -> str:
    if value is None:
        return ""
    return markup.escape(f"{value:.4g}" if isinstance(value, float) else str(value))
