"""Results as notebooks show them."""

from __future__ import annotations

from html import escape
from typing import Any, Iterable, Mapping, Sequence

#: Rows of a table; the rest is counted.
ROWS = 20


def facts_table(title: str, values: Mapping[str, Any]) -> str:
    rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in values.items())
    return f"<table><caption>{escape(title)}</caption>{rows}</table>"


def rows_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """At most ROWS of them."""
    if not rows:
        return ""
    shown = _row("th", head) + "".join(_row("td", row) for row in rows[:ROWS])
    more = f"<p>… and {len(rows) - ROWS} more</p>" if len(rows) > ROWS else ""
    return f"<table>{shown}</table>{more}"


def _row(tag: str, cells: Iterable[Any]) -> str:
    words = ("" if cell is None else escape(str(cell)) for cell in cells)
    return "<tr>" + "".join(f"<{tag}>{word}</{tag}>" for word in words) + "</tr>"
