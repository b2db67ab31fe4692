"""Spikes as a table in one Parquet file, for pandas, polars, DuckDB, R and the like.

A row for each spike, sorted by time: ``population`` (its name, stored as a dictionary), ``neuron`` (index in the population), ``step`` and
``time_ms``, counted from the beginning of the simulation. The metadata of the schema has, under ``spinn_mam``, time step, window, populations and
provenance as JSON. A row group holds a second,
so that a reader who wants a part of the time reads a part of the file.
"""

from __future__ import annotations

import json
from pathlib import Path

from spinn_mam.errors import MissingExtraError
from spinn_mam.formats.excerpt import Excerpt


def write_parquet(path: Path, excerpt: Excerpt) -> None:
    """Write one Parquet file.

    Parameters
    ----------
    path : Path
    excerpt : Excerpt

    Raises
    ------
    MissingExtraError
        If pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise MissingExtraError("Parquet", "formats", "pyarrow") from None
    run = excerpt.recording
    schema = pa.schema(
        [
            pa.field("population", pa.dictionary(pa.int16(), pa.string()), nullable=False),
            pa.field("neuron", pa.int32(), nullable=False),
            pa.field("step", pa.int64(), nullable=False),
            pa.field("time_ms", pa.float64(), nullable=False),
        ],
        metadata={"spinn_mam": json.dumps(excerpt.description())},
    )
    names = pa.array(run.names)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for step, population, neuron in excerpt.pieces():
            column = pa.DictionaryArray.from_arrays(pa.array(population), names)
            writer.write_table(pa.table([column, neuron, step, step * run.dt], schema=schema))
