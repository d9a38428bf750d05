"""Rows under headings, aligned as kubectl aligns them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

GAP = 3  # spaces


def render(headings: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """The table as lines, without a newline at the end; None is an empty cell."""
    lines = [[heading.upper() for heading in headings], *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) + GAP for column in zip(*lines, strict=True)]
    return "\n".join(
        "".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )


def _cell(value: Any) -> str:
    return "" if value is None else str(value)
