"""Facts of frames as a table of Arrow's."""

from __future__ import annotations

import dataclasses
from typing import Any, Dict, Iterable, List

from .results import Facts

_TYPES: Dict[str, str] = {
    "sequence": "uint64", "pts": "int64", "timestamp": "float64", "duration": "float64", "keyframe": "bool_",
    "width": "uint32", "height": "uint32", "source_width": "uint32", "source_height": "uint32", "mirrored": "bool_",
    "rotation": "uint32", "interlaced": "bool_", "bytes": "uint64", "quality": "uint32", "damaged": "bool_",
    "missing": "bool_", "repeats": "uint64", "flatness": "float64",
}
_NAMES = [item.name for item in dataclasses.fields(Facts)]


def table(known: Iterable[Facts]) -> Any:
    """pyarrow.Table: a row a frame, a column a fact, null where it is unknown; `colour` is a struct."""
    pyarrow = _pyarrow()
    columns: Dict[str, List[Any]] = {name: [] for name in _NAMES}
    for facts in known:
        for name, column in columns.items():
            column.append(getattr(facts, name))
    colours = [None if colour is None else dataclasses.asdict(colour) for colour in columns["colour"]]
    arrays: Dict[str, Any] = {**columns, "colour": colours}
    return pyarrow.table(arrays, schema=_schema(pyarrow))


def _schema(pyarrow: Any) -> Any:
    text = pyarrow.string()
    said = pyarrow.field("assumed", pyarrow.list_(text))
    colour = pyarrow.struct([(name, text) for name in ("matrix", "range", "primaries", "transfer")] + [said])
    types = {name: getattr(pyarrow, word)() for name, word in _TYPES.items()}
    return pyarrow.schema([(name, colour if name == "colour" else types.get(name, text)) for name in _NAMES])


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise ImportError("a table needs pyarrow: pip install 'framecache[arrow]'") from None
    return pyarrow
