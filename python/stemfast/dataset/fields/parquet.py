"""Fields as Parquet files that Hugging Face ``datasets`` opens with their images."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stemfast import atomic
from stemfast.dataset.fields.annotations import metadata
from stemfast.dataset.fields.record import Record
from stemfast.fields.shapes import CLASSES

__all__ = ["write_parquet"]

_ROWS = 32  # of a row group


def write_parquet(directory: Path, split: str, records: Iterable[Record]) -> Path:
    """Write one split, images and masks inside.

    Returns
    -------
    Path
        ``parquet/SPLIT.parquet``.

    Raises
    ------
    ModuleNotFoundError
        If pyarrow is not installed.
    """
    import pyarrow
    from pyarrow import parquet

    schema = _schema(pyarrow)
    target = directory / "parquet" / f"{split}.parquet"
    target.parent.mkdir(exist_ok=True)
    with (
        atomic.replacing(target) as temporary,
        parquet.ParquetWriter(temporary, schema) as writer,
    ):
        rows: list[dict[str, Any]] = []
        for record in records:
            rows.append(_row(directory, record))
            if len(rows) == _ROWS:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
        if rows:
            writer.write_table(pyarrow.Table.from_pylist(rows, schema))
    return target


def _row(directory: Path, record: Record) -> dict[str, Any]:
    row = metadata(record)
    del row["file_name"]
    for name in ("image", "mask"):
        content = (directory / record[name]).read_bytes()
        row[name] = {"bytes": content, "path": Path(record[name]).name}
    return row


def _schema(pyarrow: Any) -> Any:
    whole, real, yes = pyarrow.int64(), pyarrow.float64(), pyarrow.bool_()
    picture = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    each = {
        "bbox": pyarrow.list_(whole),
        "category": whole,
        "polygon": pyarrow.list_(real),
        "label": whole,
        "diameter_nm": real,
        "area_px": whole,
        "seen_px": whole,
        "cut": yes,
        "signal_to_noise": real,
        "visible": yes,
    }
    objects = pyarrow.struct([(name, pyarrow.list_(kind)) for name, kind in each.items()])
    columns = [
        ("image", picture),
        ("mask", picture),
        ("kind", pyarrow.string()),
        ("bright_field", yes),
        ("pixel_size_nm", real),
        ("objects", objects),
    ]
    # What `datasets` needs to decode images and name classes.
    said: dict[str, Any] = {
        "image": {"_type": "Image"},
        "mask": {"_type": "Image"},
        "kind": {"dtype": "string", "_type": "Value"},
        "bright_field": {"dtype": "bool", "_type": "Value"},
        "pixel_size_nm": {"dtype": "float64", "_type": "Value"},
    }
    value = {
        name: {"dtype": {whole: "int64", real: "float64", yes: "bool"}[kind], "_type": "Value"}
        for name, kind in each.items()
        if name not in ("bbox", "polygon", "category")
    }
    said["objects"] = {name: _list(inner) for name, inner in value.items()} | {
        "bbox": _list(_list({"dtype": "int64", "_type": "Value"})),
        "polygon": _list(_list({"dtype": "float64", "_type": "Value"})),
        "category": _list({"names": list(CLASSES), "_type": "ClassLabel"}),
    }
    said["objects"] = {name: said["objects"][name] for name in each}
    about = json.dumps({"info": {"features": said}})
    return pyarrow.schema(columns, metadata={"huggingface": about})


def _list(feature: dict[str, Any]) -> dict[str, Any]:
    return {"feature": feature, "_type": "List"}
