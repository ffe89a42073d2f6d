"""Facts as tables of Arrow, pandas and polars."""

import asyncio
import dataclasses
import sys

import numpy as np
import pytest

import framecache

pyarrow = pytest.importorskip("pyarrow")


def test_a_table_has_a_row_a_frame_and_a_column_a_fact(extracted):
    known = list(extracted.facts("clip"))
    table = extracted.table("clip")
    assert table.num_rows == 8 and table.column_names == [item.name for item in dataclasses.fields(framecache.Facts)]
    for row, facts in zip(table.to_pylist(), known):
        colour = row.pop("colour")
        assert tuple(colour.pop("assumed")) == facts.colour.assumed
        assert colour == {name: getattr(facts.colour, name) for name in colour}
        assert row == {name: getattr(facts, name) for name in row}

    async def run():
        async with framecache.AsyncClient(extracted._target()) as client:
            return await client.table("clip")

    assert asyncio.run(run()).equals(table)


def test_columns_of_what_is_unknown_keep_their_types(client, clip):
    client.put("made", [framecache.PutFrame(3, np.zeros((8, 8, 3), np.uint8))])
    table = client.table("made")
    assert table.column("sequence").to_pylist() == [3] and table.column("timestamp").to_pylist() == [None]
    assert table.schema.field("timestamp").type == pyarrow.float64()
    client.extract("empty", clip, fps=2, plan_only=True)
    empty = client.table("empty")
    assert empty.num_rows == 0 and empty.schema.equals(table.schema)


def test_pandas_and_polars_take_it(extracted):
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    table = extracted.table("clip")
    frame = table.to_pandas()
    assert isinstance(frame, pandas.DataFrame) and frame.timestamp.tolist()[1] == 0.48 and frame.phash[0]
    assert polars.from_arrow(table)["timestamp"].to_list() == frame.timestamp.tolist()


def test_without_pyarrow_a_table_says_what_it_needs(monkeypatch, client):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="arrow"):
        client.table("t")
