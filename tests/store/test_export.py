"""What is exported is what the tables hold, in geopandas and in plain text."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import shapely
from tests.ingesting import HOUR, Ingestion, make_granules, put
from tests.store.test_results import make_rows

from lightning_kedro.datasets.duckdb_table import DuckDBTableDataset
from lightning_kedro.exceptions import (
    NoFlashesError,
    NoResultError,
    ParameterError,
    StorageError,
    TableError,
)
from lightning_kedro.glm.orbital_slot import Segment
from lightning_kedro.granules.series import arrow_schema
from lightning_kedro.results import KINDS, RESULT_TABLES, STORM_TABLES, Result
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store import export as export_module
from lightning_kedro.store.export import EXPORTED, Exported, Wanted, export_table
from lightning_kedro.store.geo_files import GeoParquetWriter

WINDOW = (HOUR, HOUR + timedelta(hours=1))
WHOLE = Selection((Segment("G17", *WINDOW),))
SUFFIXES = ("parquet", "geojson", "csv")
MADE = datetime(2026, 1, 1, tzinfo=UTC).replace(tzinfo=None)

STORM_PLACES = {
    "line": [(-100.0, 10.0), (-99.0, 11.0)],
    "meridian": [(179.0, 0.0), (-179.0, 0.0), (-179.0, 1.0), (179.0, 1.0)],
    "square": [(-90.0, 0.0), (-88.0, 0.0), (-88.0, 2.0), (-90.0, 2.0), (-89.0, 1.0)],
}


def make_result(kind: tuple[str, ...], selection: Selection, **row: Any) -> Result:
    """A result of three clusters or storms; its flashes are those of ``STORM_PLACES``."""
    tables = {name: make_rows(name, selection, 1) for name in kind}
    names = [name for name, places in STORM_PLACES.items() for _ in places]
    lon, lat = np.array([place for places in STORM_PLACES.values() for place in places]).T
    flashes = {"lon": lon, "lat": lat, "time": [HOUR.replace(tzinfo=None)] * len(lon)}
    if kind is STORM_TABLES:
        storms = {
            "storm_id": [*STORM_PLACES],
            "lon": [-99.5, 180.0, -89.0],
            "lat": [10.5, 0.5, 1.0],
        }
        tables["storms"] = make_rows("storms", selection, 3, **storms)
        tables["storm_flashes"] = make_rows(
            "storm_flashes", selection, len(lon), storm_id=names, **flashes
        )
    else:
        tables["cluster_centers"] = make_rows("cluster_centers", selection, 3)
        tables["clustered_flashes"] = make_rows("clustered_flashes", selection, len(lon), **flashes)
    row = {"run_time": MADE, "satellite": "west", **row}
    chosen = {name: [value] for name, value in row.items()}
    tables[kind[-1]] = make_rows(kind[-1], selection, 1, **chosen)
    return Result(selection, tables, kind)


def save(path: Path, result: Result) -> None:
    for table in result.kind:
        DuckDBTableDataset(path=str(path), table=table, simulated=True).save(result)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flashes of two granules in hours 8 and 9, and a result of each kind."""
    folder = tmp_path_factory.mktemp("exported")
    for name, content in make_granules(numbers=(0, 1)):
        put(folder / "archive", name, content)
    ingestion = Ingestion(folder / "data", str(folder / "archive"))
    ingestion.run()
    for kind in KINDS:
        save(ingestion.database, make_result(kind, WHOLE))
    return ingestion.database


def query(database: Path, sql: str) -> pa.Table:
    with duckdb.connect(str(database), read_only=True) as connection:
        return connection.sql(sql).to_arrow_table()


def read(path: Path) -> Any:
    """A file as geopandas has it."""
    geopandas = pytest.importorskip("geopandas")
    if path.suffix == ".parquet":
        return geopandas.read_parquet(path)
    if path.suffix == ".geojson":
        return geopandas.read_file(path)
    frame = pd.read_csv(path)
    if "geometry" in frame:
        return geopandas.GeoDataFrame(frame, geometry=shapely.from_wkt(frame["geometry"]), crs=4326)
    points = geopandas.points_from_xy(frame["lon"], frame["lat"])
    return geopandas.GeoDataFrame(frame, geometry=points, crs=4326)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("table", EXPORTED)
def test_rows_are_those_of_the_table_with_their_places(
    database: Path, tmp_path: Path, table: str, suffix: str
) -> None:
    path = tmp_path / "new" / f"{table}.{suffix}"
    done = export_table(database, table, Wanted(window=WINDOW), path)
    window = f"WHERE time >= '{HOUR:%F %T}'" if table == "flashes" else ""
    expected = query(database, f"FROM {table} {window} ORDER BY ALL").to_pandas()
    found = read(path)
    assert done.n_rows == len(found) == len(expected) > 0
    assert done.simulated is (table != "flashes")
    assert [*found] == [*expected, "geometry"]
    assert found["simulated"].tolist() == [table != "flashes"] * len(expected)
    if found.crs is not None:
        assert found.crs.to_authority() in {("OGC", "CRS84"), ("EPSG", "4326")}
    keys = ["flash_id"] if "flash_id" in expected else ["lat", "lon"]
    found, expected = found.sort_values(keys), expected.sort_values(keys)
    for name in expected.select_dtypes("number"):
        np.testing.assert_allclose(found[name].astype(float), expected[name], rtol=1e-6)
    if table != "storms":
        np.testing.assert_allclose(found.geometry.x, expected["lon"], rtol=1e-6)
        np.testing.assert_allclose(found.geometry.y, expected["lat"], rtol=1e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_storm_is_the_outline_of_its_flashes(database: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"storms.{suffix}"
    export_table(database, "storms", Wanted(), path)
    shapes = read(path).set_index("storm_id").geometry
    assert shapes.geom_type.to_dict() == {
        "line": "MultiPoint",
        "meridian": "MultiPolygon",
        "square": "Polygon",
    }
    assert shapes["square"].equals(shapely.box(-90, 0, -88, 2))
    assert shapes["meridian"].area == pytest.approx(2)
    assert shapes.is_valid.all()


def test_geoparquet_says_what_it_holds(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "storms.parquet"
    export_table(database, "storms", Wanted(), path)
    stored = pq.ParquetFile(path).metadata.metadata
    geo = json.loads(stored[b"geo"])
    column = geo["columns"]["geometry"]
    assert (geo["version"], geo["primary_column"]) == ("1.1.0", "geometry")
    assert column["encoding"] == "WKB"
    assert column["geometry_types"] == ["MultiPoint", "MultiPolygon", "Polygon"]
    assert column["crs"]["id"] == {"authority": "OGC", "code": "CRS84"}
    assert (column["orientation"], column["edges"]) == ("counterclockwise", "planar")
    assert column["bbox"] == [179.0, 0.0, -88.0, 11.0], "across 180 degrees"
    about = json.loads(stored[b"lightning_kedro"])
    assert about["simulated"] is True
    assert about["window_start"] == "2024-07-14T09:00:00"
    schema = pq.read_schema(path)
    assert schema.field("speed_m_s").metadata[b"unit"] == b"m s-1"
    assert schema.field("lat").metadata[b"unit"] == b"degrees_north"
    assert b"unit" not in schema.field("storm_id").metadata
    assert all(schema.field(name).metadata[b"description"] for name in schema.names[:-1])


def test_geojson_says_what_it_holds(database: Path, tmp_path: Path) -> None:
    path = tmp_path / "flashes.geojson"
    export_table(database, "flashes", Wanted(window=WINDOW), path)
    content = json.loads(path.read_text(encoding="utf-8"))
    (feature, *_), lon = content["features"], content["bbox"]
    assert content["type"] == "FeatureCollection"
    assert "crs" not in content, "RFC 7946: it is OGC:CRS84"
    assert content["columns"]["energy_j"] == "radiant energy in joules; null where missing"
    assert content["lightning_kedro"]["simulated"] is False
    assert feature["properties"]["time"].endswith("Z")
    assert len(str(feature["geometry"]["coordinates"][0])) <= 11, "as short as four bytes are"
    assert len(lon) == 4


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_quiet_region_is_a_file_without_rows(database: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"none.{suffix}"
    nowhere = Wanted(window=WINDOW, region=Region(0, 80, 1, 81))
    assert export_table(database, "flashes", nowhere, path).n_rows == 0
    if suffix == "csv":
        assert path.read_text().startswith("platform,granule_start,flash_id,time,time_end,lat,lon")
    elif suffix == "geojson":
        assert json.loads(path.read_text())["features"] == []
    else:
        assert len(read(path)) == 0


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_batches_of_any_size_give_the_same_rows_in_order(
    database: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = Wanted(window=(HOUR - timedelta(hours=1), WINDOW[1]))
    first, again, small = (tmp_path / f"{name}.{suffix}" for name in ("first", "again", "small"))
    export_table(database, "flashes", wanted, first)
    export_table(database, "flashes", wanted, again)
    assert first.read_bytes() == again.read_bytes()
    monkeypatch.setattr(export_module, "BATCH_ROWS", 7)
    sizes: list[int] = []
    write_points = GeoParquetWriter.write_points

    def measure(writer: GeoParquetWriter, rows: pa.RecordBatch) -> None:
        sizes.append(rows.num_rows)
        write_points(writer, rows)

    monkeypatch.setattr(GeoParquetWriter, "write_points", measure)
    export_table(database, "flashes", wanted, small)
    frame = read(small)
    pd.testing.assert_frame_equal(pd.DataFrame(frame), pd.DataFrame(read(first)))
    times = pd.to_datetime(frame["time"], utc=True)
    assert times.is_monotonic_increasing
    assert times.dt.hour.nunique() == 2
    if suffix == "parquet":
        assert max(sizes) <= 7


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_error_on_the_way_leaves_the_former_file(
    database: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / f"flashes.{suffix}"
    path.write_text("former")

    def fail(*_: object) -> Any:
        yield pa.RecordBatch.from_pylist([], arrow_schema("flashes"))
        raise KeyboardInterrupt

    monkeypatch.setattr(export_module, "read_batches", fail)
    with pytest.raises(KeyboardInterrupt):
        export_table(database, "flashes", Wanted(window=WINDOW), path)
    assert path.read_text() == "former"
    assert [*tmp_path.iterdir()] == [path]


def export(database: Path, table: str, wanted: Wanted, folder: Path) -> Exported:
    return export_table(database, table, wanted, folder / "out.csv")


def test_flashes_default_to_those_of_the_latest_result(database: Path, tmp_path: Path) -> None:
    done = export(database, "flashes", Wanted(), tmp_path)
    assert done.about["window_start"] == "2024-07-14T09:00:00"
    assert done.about["platform"] == "G17"
    assert done.n_rows == export(database, "flashes", Wanted(window=WINDOW), tmp_path).n_rows


def test_options_choose_among_results(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(database.read_bytes())
    box = Region(-100, 0, -80, 20)
    newer = Selection((Segment("G17", *WINDOW),), box, "good", "mine")
    named = {"west": -100.0, "south": 0.0, "east": -80.0, "north": 20.0}
    save(copy, make_result(RESULT_TABLES, newer, run_time=MADE + timedelta(days=1), **named))
    centers = "cluster_centers"
    assert export(copy, centers, Wanted(), tmp_path).about["label"] == "mine"
    for wanted in (
        Wanted(label="default"),
        Wanted(region="all", min_quality="all"),
        Wanted(region="all", satellite="west", window=WINDOW),
        Wanted(region="all", satellite="G17"),
    ):
        assert export(copy, centers, wanted, tmp_path).about["label"] == "default"
    assert export(copy, centers, Wanted(region=box, min_quality="good"), tmp_path).n_rows == 3
    done = export(copy, "flashes", Wanted(), tmp_path)
    assert (done.about["region"], done.about["min_quality"]) == ("-100,0,-80,20", "good")
    rows = pyarrow.csv.read_csv(tmp_path / "out.csv").to_pandas()
    assert rows["lon"].between(-100, -80).all()
    assert set(rows["quality_flag"]) <= {0}


def test_result_that_there_is_not_is_answered_with_those_that_there_are(
    database: Path, tmp_path: Path
) -> None:
    with pytest.raises(NoResultError) as raised:
        export(database, "storms", Wanted(label="other", satellite="G16"), tmp_path)
    assert str(raised.value) == (
        "There is no result of storms for satellite G16, label other: run `kedro run --pipelines "
        "storms` for it first, or choose one that there is. The latest are: "
        "G17 2024-07-14T09:00:00/2024-07-14T10:00:00, region all, min-quality all, label default."
    )
    assert [*tmp_path.iterdir()] == []


def test_window_without_granules_is_no_quiet_window(database: Path, tmp_path: Path) -> None:
    later = Wanted(window=(WINDOW[1] + timedelta(days=1), WINDOW[1] + timedelta(days=2)))
    with pytest.raises(
        NoFlashesError, match=r"^No granule of window 2024-07-15T10:00:00/2024-07-16"
    ):
        export(database, "flashes", later, tmp_path)
    with pytest.raises(NoFlashesError, match=r"satellite G19.* has been loaded: run `kedro run"):
        export(database, "flashes", Wanted(satellite="G19", window=WINDOW), tmp_path)


def test_database_of_ingestion_alone_wants_a_window(tmp_path: Path) -> None:
    for name, content in make_granules(numbers=[0]):
        put(tmp_path / "archive", name, content)
    ingestion = Ingestion(tmp_path / "data", str(tmp_path / "archive"))
    ingestion.run()
    with pytest.raises(NoResultError, match=r"no result of clustering: run .* or give --window"):
        export(ingestion.database, "flashes", Wanted(), tmp_path)
    with pytest.raises(TableError, match="has no table storms yet"):
        export(ingestion.database, "storms", Wanted(), tmp_path)
    assert export(ingestion.database, "flashes", Wanted(window=WINDOW), tmp_path).n_rows > 0


def test_result_of_unknown_region_wants_a_window_for_its_flashes(
    database: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.duckdb"
    copy.write_bytes(database.read_bytes())
    with duckdb.connect(str(copy)) as connection:
        connection.execute("UPDATE k_selection SET region = 'unknown'")
    with pytest.raises(NoResultError, match=r"of version 0\.1, .* its region: give --window"):
        export(copy, "flashes", Wanted(), tmp_path)


@pytest.mark.parametrize(
    ("name", "error", "words"),
    [
        ("out.shp", ParameterError, r"no suffix of a format .* \.parquet, \.geoparquet, \.geojson"),
        ("out", ParameterError, "no suffix of a format"),
        ("folder.csv", ParameterError, r"folder\.csv is a folder: name a file"),
        ("file/out.csv", StorageError, "A file has the name of the folder"),
        ("x" * 300 + ".csv", StorageError, "File name too long.* Choose another place"),
    ],
)
def test_file_that_cannot_be_written_is_named(
    database: Path, tmp_path: Path, name: str, error: type[Exception], words: str
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(error, match=words):
        export_table(database, "flashes", Wanted(window=WINDOW), tmp_path / name)
