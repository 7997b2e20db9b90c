"""Tables with a geometry as GeoParquet, GeoJSON and CSV, written batch by batch.

GeoParquet 1.1.0 (https://geoparquet.org/releases/v1.1.0/), GeoJSON as RFC 7946 has it. Longitudes
and latitudes are OGC:CRS84; what a column means, and its unit, goes along where the format allows.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Self, TypeAlias

import pyarrow as pa

from lightning_kedro.columns import COLUMNS, SIMULATED, find_unit
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.store.geometry import Bounds, encode_points

GEOMETRY: Final = "geometry"
_LAT_LON: Final = ("lon", "lat")

_LISTED_ROWS: Final = 5000
"""Rows that are Python objects at a time: they take twenty times the memory of Arrow's."""


@dataclass(frozen=True, slots=True)
class Outlined:
    """Rows, with an outline each instead of the point where they are.

    Attributes:
        rows: The rows.
        outlines: Geometries of shapely, one for each row.
    """

    rows: pa.RecordBatch
    outlines: list[Any]


Batch: TypeAlias = "pa.RecordBatch | Outlined"


class GeoWriter(ABC):
    """Writes rows with a place to a file; a context manager, which ends the file if all went well.

    Args:
        path: The file, which the caller makes visible when it is whole.
        schema: Columns of the registry, ``lon`` and ``lat`` among them.
        about: What the rows are, in plain values.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path, schema: pa.Schema, about: Mapping[str, Any]) -> None:
        """Begin the file."""
        self.path = path
        self.schema = describe_columns(schema)
        self.about = about
        self.bounds = Bounds()
        self.simulated = False
        self.n_rows = 0
        self.kinds: set[str] = set()

    def __enter__(self) -> Self:
        """The writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the file, or let go of it after an error."""
        if kind is None:
            self.finish()
        else:
            with suppress(Exception):  # the first error counts
                self.close()

    def write(self, batch: Batch) -> None:
        """Write some rows: of points, or with their outlines."""
        rows = batch.rows if isinstance(batch, Outlined) else batch
        if rows.num_rows == 0:
            return
        self.n_rows += rows.num_rows
        self.simulated |= bool(rows.column("simulated").to_numpy(zero_copy_only=False).any())
        if isinstance(batch, Outlined):
            self._write_outlines(batch)
            return
        self.kinds.add("Point")
        lon, lat = (rows.column(name).to_numpy() for name in _LAT_LON)
        self.bounds.add(lon, lat)
        self.write_points(rows)

    def _write_outlines(self, batch: Outlined) -> None:
        """Take note of where the outlines are, and write them."""
        import shapely

        self.kinds |= {outline.geom_type for outline in batch.outlines}
        places = shapely.get_coordinates(batch.outlines)
        self.bounds.add(places[:, 0], places[:, 1])
        self.write_outlines(batch.rows, batch.outlines)

    @abstractmethod
    def write_points(self, rows: pa.RecordBatch) -> None:
        """Write rows that are points."""

    @abstractmethod
    def write_outlines(self, rows: pa.RecordBatch, outlines: list[Any]) -> None:
        """Write rows with outlines."""

    @abstractmethod
    def finish(self) -> None:
        """End the file."""

    @abstractmethod
    def close(self) -> None:
        """Close the file as it is."""


class GeoParquetWriter(GeoWriter):
    """GeoParquet 1.1: geometries as well-known binary, one row group a batch."""

    suffixes = (".parquet", ".geoparquet")

    def __init__(self, path: Path, schema: pa.Schema, about: Mapping[str, Any]) -> None:
        """Begin the file."""
        import pyarrow.parquet

        super().__init__(path, schema, about)
        self.schema = self.schema.append(pa.field(GEOMETRY, pa.binary(), nullable=False))
        self._writer = pyarrow.parquet.ParquetWriter(path, self.schema, compression="zstd")

    def write_points(self, rows: pa.RecordBatch) -> None:
        """Write rows that are points."""
        lon, lat = (rows.column(name).to_numpy() for name in _LAT_LON)
        self._write_binary(rows, encode_points(lon, lat))

    def write_outlines(self, rows: pa.RecordBatch, outlines: list[Any]) -> None:
        """Write rows with outlines."""
        import shapely

        self._write_binary(rows, pa.array(shapely.to_wkb(outlines), pa.binary()))

    def _write_binary(self, rows: pa.RecordBatch, geometries: pa.Array) -> None:
        columns = [*rows.columns, geometries]
        self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self.schema))

    def finish(self) -> None:
        """Say what the geometries are, and where, and end the file."""
        about = {**self.about, "simulated": self.simulated}
        described = {"geo": self._describe_geometry(), "lightning_kedro": about}
        self._writer.add_key_value_metadata(
            {name: json.dumps(value, sort_keys=True) for name, value in described.items()}
        )
        self.close()

    def _describe_geometry(self) -> dict[str, Any]:
        """The metadata of GeoParquet."""
        import pyproj

        column = {
            "encoding": "WKB",
            "geometry_types": sorted(self.kinds),
            "crs": pyproj.CRS("OGC:CRS84").to_json_dict(),
            "edges": "planar",
            "orientation": "counterclockwise",
        }
        if self.bounds.box is not None:
            column["bbox"] = self.bounds.box
        return {"version": "1.1.0", "primary_column": GEOMETRY, "columns": {GEOMETRY: column}}

    def close(self) -> None:
        """Close the file."""
        self._writer.close()


class GeoJSONWriter(GeoWriter):
    """GeoJSON: a FeatureCollection with a feature a line; times end in Z for UTC."""

    suffixes = (".geojson", ".json")

    def __init__(self, path: Path, schema: pa.Schema, about: Mapping[str, Any]) -> None:
        """Begin the file."""
        super().__init__(path, schema, about)
        self._file = path.open("w", encoding="utf-8", newline="\n")
        self._separator = ""
        self._file.write('{"type": "FeatureCollection", "features": [')

    def write_points(self, rows: pa.RecordBatch) -> None:
        """Write rows that are points."""
        for start in range(0, rows.num_rows, _LISTED_ROWS):
            listed = _list_rows(rows.slice(start, _LISTED_ROWS))
            points = ({"type": "Point", "coordinates": [row["lon"], row["lat"]]} for row in listed)
            self._write_features(listed, points)

    def write_outlines(self, rows: pa.RecordBatch, outlines: list[Any]) -> None:
        """Write rows with outlines."""
        from shapely.geometry import mapping

        self._write_features(_list_rows(rows), (mapping(outline) for outline in outlines))

    def _write_features(self, rows: list[dict[str, Any]], geometries: Any) -> None:  # noqa: ANN401
        for row, geometry in zip(rows, geometries, strict=True):
            feature = {"type": "Feature", "geometry": geometry, "properties": row}
            self._file.write(f"{self._separator}\n{json.dumps(feature, allow_nan=False)}")
            self._separator = ","

    def finish(self) -> None:
        """Say where the features are, what the columns mean and what it is of; end the file."""
        meanings = {field.name: field.metadata[b"description"].decode() for field in self.schema}
        about = {**self.about, "simulated": self.simulated}
        rest: dict[str, Any] = {"columns": meanings, "lightning_kedro": about}
        if self.bounds.box is not None:
            rest = {"bbox": self.bounds.box, **rest}
        self._file.write(f"\n], {json.dumps(rest)[1:]}\n")
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class CSVWriter(GeoWriter):
    """CSV: a point is its columns lon and lat; outlines are a column of well-known text."""

    suffixes = (".csv",)

    def __init__(self, path: Path, schema: pa.Schema, about: Mapping[str, Any]) -> None:
        """Wait for the first rows: only then it is known whether there are outlines."""
        super().__init__(path, schema, about)
        self._writer: Any = None

    def write_points(self, rows: pa.RecordBatch) -> None:
        """Write rows that are points."""
        self._open(self.schema).write_batch(rows.cast(self.schema))

    def write_outlines(self, rows: pa.RecordBatch, outlines: list[Any]) -> None:
        """Write rows with outlines."""
        texts = pa.array([outline.wkt for outline in outlines])
        schema = self.schema.append(pa.field(GEOMETRY, pa.string()))
        batch = pa.RecordBatch.from_arrays([*rows.columns, texts], schema=schema)
        self._open(schema).write_batch(batch)

    def _open(self, schema: pa.Schema) -> Any:  # noqa: ANN401  (pyarrow has no types)
        import pyarrow.csv

        if self._writer is None:
            options = pyarrow.csv.WriteOptions(quoting_style="needed", quoting_header="none")
            self._writer = pyarrow.csv.CSVWriter(self.path, schema, write_options=options)
        return self._writer

    def finish(self) -> None:
        """End the file, which has a header at least."""
        self._open(self.schema)
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


WRITERS: Final[tuple[type[GeoWriter], ...]] = (GeoParquetWriter, GeoJSONWriter, CSVWriter)


def find_writer(path: Path) -> type[GeoWriter]:
    """The format that a file's suffix stands for.

    Raises:
        ParameterError: If it stands for none.
    """
    for writer in WRITERS:
        if path.suffix.lower() in writer.suffixes:
            return writer
    known = ", ".join(suffix for writer in WRITERS for suffix in writer.suffixes)
    message = f"File {path} has no suffix of a format that can be written; those are {known}."
    raise ParameterError(message)


def describe_columns(schema: pa.Schema) -> pa.Schema:
    """The schema with what each column means, and its unit, as metadata of the column."""
    columns = {**COLUMNS, "simulated": SIMULATED}
    fields = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        known = {"description": columns[name].meaning, "unit": find_unit(name)}
        described = {key: value for key, value in known.items() if value}
        fields.append(pa.field(name, kind, metadata=described))
    return pa.schema(fields)


def _list_rows(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Rows as JSON holds them: numbers as short as they were, times as text in UTC."""
    columns = [_shorten(rows.column(name)) for name in rows.schema.names]
    listed = pa.RecordBatch.from_arrays(columns, names=rows.schema.names).to_pylist()
    return [{name: _to_json(value) for name, value in row.items()} for row in listed]


def _shorten(column: pa.Array) -> pa.Array:
    """Numbers of four bytes as the shortest decimal that stands for them."""
    return column.cast(pa.string()).cast(pa.float64()) if column.type == pa.float32() else column


def _to_json(value: object) -> object:
    """A value that JSON can hold; what is not a number is null."""
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return None if value != value else value  # noqa: PLR0124  (NaN alone is unlike itself)
