"""Reads a Parquet file in a process of its own; run as a script, it imports nothing of this program.

A damaged or hostile file can end the process that reads it (the library aborts on some) or unpack to far more than it
weighs. Here it ends this process, which may take so much memory and no more.

The file comes in on standard input, what is wanted as JSON in the first argument; the answer is JSON on standard
output: `names`, `types` and `rows` of the file, and if `columns` were asked for, `known` values of a single one with
the `places` of its rows among them, or `records`.
"""

import importlib
import io
import json
import os
import sys
from typing import Any

MOST_MEMORY_BYTES = 4_000_000_000


def answer(data: bytes, wanted: dict[str, Any]) -> dict[str, Any]:
    """What the file holds; with `columns` in `wanted` also their values."""
    from pyarrow import parquet

    file = parquet.ParquetFile(io.BytesIO(data))
    fields = list(file.schema_arrow)
    said: dict[str, Any] = {
        "names": [field.name for field in fields],
        "types": [str(field.type) for field in fields],
        "rows": file.metadata.num_rows,
    }
    columns = [name for name in wanted.get("columns") or [] if name in said["names"]]
    if not columns or said["rows"] > wanted["most_rows"]:
        return said
    if _unpacked_bytes(file, columns) > wanted["most_bytes"]:
        return said | {"large": True}
    if wanted.get("texts"):
        return said | _texts(data, columns[0])
    return said | {"records": file.read(columns=columns, use_threads=False).to_pylist()}


def _unpacked_bytes(file: Any, columns: list[str]) -> int:
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    return sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema.split(".")[0] in columns)


def _texts(data: bytes, column: str) -> dict[str, Any]:
    """Each value of a column once, however many rows have it: a small file may repeat a long text often."""
    from pyarrow import parquet

    table = parquet.ParquetFile(io.BytesIO(data), read_dictionary=[column]).read(columns=[column], use_threads=False)
    known: list[str | None] = []
    places: list[int | None] = []
    for chunk in table.column(column).chunks:
        encoded = chunk if hasattr(chunk, "dictionary") else chunk.dictionary_encode()
        start = len(known)
        known += encoded.dictionary.to_pylist()
        places += [None if place is None else start + place for place in encoded.indices.to_pylist()]
    return {"known": known, "places": places}


def _limit_memory() -> None:
    try:
        resource: Any = importlib.import_module("resource")
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))
    except (ImportError, ValueError, OSError):  # a system that has no such limit
        return


def main() -> None:
    """Answer once."""
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # the others reserve more addresses than they use
    _limit_memory()
    try:
        said = answer(sys.stdin.buffer.read(), json.loads(sys.argv[1]))
    except Exception as error:  # foreign files can fail in any way
        said = {"error": (str(error).strip().splitlines() or [type(error).__name__])[0][:200]}
    sys.stdout.write(json.dumps(said, default=str))


if __name__ == "__main__":
    main()
