"""The columns that spare the parsing of CSV files: right, and never believed where they are not."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from tests.ingesting import HOUR, Ingestion, assert_same_tables, make_granules, put, report_of

from lightning_kedro.datasets.flash_series import FlashSeriesDataset
from lightning_kedro.granules.record import HourSeries
from lightning_kedro.granules.series import SERIES_SCHEMA, arrow_schema
from lightning_kedro.store.flash_columns import (
    FLASH_COLUMNS,
    ORDER,
    Fingerprint,
    read_columns,
    write_columns,
)
from lightning_kedro.store.series_files import SeriesFolder


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Ingestion:
    """An hour of three granules whose files are written, and that is not loaded."""
    folder = tmp_path_factory.mktemp("columns")
    for name, content in make_granules():
        put(folder / "archive", name, content)
    ingestion = Ingestion(folder / "data", str(folder / "archive"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ingestion, "load", lambda *_: None)
        ingestion.run()
    return ingestion


@pytest.fixture(scope="module")
def loaded(written: Ingestion, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The flashes of that hour, loaded from files that nobody has touched."""
    data = tmp_path_factory.mktemp("loaded") / "data"
    shutil.copytree(written.data, data)
    untouched = Ingestion(data, written.root)
    load(untouched)
    return untouched.dump()["flashes"]


@pytest.fixture
def ingestion(written: Ingestion, tmp_path: Path) -> Ingestion:
    """A copy of it that may be changed."""
    shutil.copytree(written.data, tmp_path / "data")
    return Ingestion(tmp_path / "data", written.root)


def load(ingestion: Ingestion) -> None:
    ingestion.load(FlashSeriesDataset(path=str(ingestion.data / "series")), report_of())


def columns(ingestion: Ingestion) -> Path:
    return ingestion.hour_folder() / FLASH_COLUMNS


def load_from_csv_alone(ingestion: Ingestion, folder: Path) -> Ingestion:
    shutil.copytree(ingestion.data, folder)
    plain = Ingestion(folder, ingestion.root)
    columns(plain).unlink(missing_ok=True)
    load(plain)
    return plain


def test_columns_load_what_the_csv_files_alone_load(ingestion: Ingestion, tmp_path: Path) -> None:
    assert read_columns(columns(ingestion)) is not None
    plain = load_from_csv_alone(ingestion, tmp_path / "plain")
    load(ingestion)
    assert ingestion.query("SELECT count(*) > 10 FROM flashes") == [(True,)]
    assert_same_tables(ingestion, plain)
    as_stored = "SELECT * FROM flashes"
    assert ingestion.query(as_stored) == plain.query(as_stored)


def test_columns_hold_bit_for_bit_what_is_parsed(tmp_path: Path) -> None:
    """Numbers of every size, none at all, and times before the granule's start."""
    random = np.random.default_rng(60)
    count = 20_000
    start = np.datetime64(HOUR.replace(tzinfo=None), "us")
    starts = start + 20_000_000 * random.integers(0, 180, count)
    times = starts + random.integers(-3_000_000, 20_000_000, count)
    bits = random.integers(0, 1 << 31, count, dtype=np.uint32)
    single = bits.view(np.float32)
    energy = np.ldexp(random.random(count), random.integers(-300, 10, count))
    flashes = pa.table(
        {
            "platform": pa.array(["G17"] * count),
            "granule_start": starts,
            "flash_id": np.arange(count, dtype=np.int32),
            "time": times,
            "time_end": times + random.integers(0, 3_000_000, count),
            "lat": np.where(np.isfinite(single), single, np.float32(-0.0)),
            "lon": random.uniform(-180, 180, count).astype(np.float32),
            "energy_j": pa.array(energy, mask=random.random(count) < 0.1),
            "area_km2": pa.array(energy, mask=random.random(count) < 0.1),
            "quality_flag": pa.array(np.ones(count, np.int16), mask=random.random(count) < 0.1),
        }
    ).cast(SERIES_SCHEMA)
    hour = SeriesFolder(tmp_path, "G17", HOUR)
    hour.write(HourSeries(flashes, arrow_schema("granules").empty_table()))
    stored = read_columns(hour.flash_columns)
    assert stored is not None
    parsed = hour.read().flashes.sort_by([(name, "ascending") for name in ORDER])
    assert stored.combine_chunks().equals(parsed.combine_chunks())


def edit(name: str, column: str, value: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        rows = pd.read_csv(folder / name, dtype=str, keep_default_na=False)
        rows.loc[3, column] = value
        rows.to_csv(folder / name, index=False)

    return change


def drop_flash(folder: Path) -> None:
    """Of both files, and of the record: an hour that somebody has thinned out by hand."""
    for name in ("time_series.csv", "geo_series.csv"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join([lines[0], *lines[2:]]))
    granules = pd.read_csv(folder / "granules.csv", dtype=str, keep_default_na=False)
    granules.loc[0, "flash_count"] = str(int(granules.loc[0, "flash_count"]) - 1)
    granules.to_csv(folder / "granules.csv", index=False)


@pytest.mark.parametrize(
    "change",
    [
        edit("geo_series.csv", "lat", "12.5"),
        edit("time_series.csv", "energy_j", "1e-13"),
        edit("time_series.csv", "quality_flag", ""),
        drop_flash,
    ],
    ids=["lat", "energy", "flag", "a flash less"],
)
def test_edited_csv_is_noticed_and_loaded(
    ingestion: Ingestion, loaded: pd.DataFrame, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(ingestion.hour_folder())
    plain = load_from_csv_alone(ingestion, tmp_path / "plain")
    load(ingestion)
    assert_same_tables(ingestion, plain)
    assert not ingestion.dump()["flashes"].equals(loaded)


def flip(place: float) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[int(place * (len(content) - 1))] ^= 1
        path.write_bytes(content)

    return change


def cut(share: float) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(share * len(content))])

    return change


def replace_with_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def write_of_other_kind(path: Path) -> None:
    """What another version may have left: right in itself, with other columns."""
    files = {
        name: Fingerprint.of(path.with_name(name).read_bytes())
        for name in ("time_series.csv", "geo_series.csv")
    }
    flashes = read_columns(path)
    assert flashes is not None
    write_columns(path, flashes.rename_columns([*flashes.schema.names[:-1], "flag"]), files)


def write_without_names(path: Path) -> None:
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, SERIES_SCHEMA) as writer:
        writer.write_table(SERIES_SCHEMA.empty_table())
    content = stream.getvalue().to_pybytes()
    path.write_bytes(content + Fingerprint.of(content).crc.to_bytes(4, "little"))


@pytest.mark.parametrize(
    "harm",
    [
        *(flip(place) for place in (0.0, 0.02, 0.5, 1.0)),
        *(cut(share) for share in (0.0, 0.001, 0.5, 0.9999)),
        *(Path.unlink, replace_with_folder, write_of_other_kind, write_without_names),
    ],
    ids=range(12),
)
def test_columns_that_are_damaged_are_passed_over(
    ingestion: Ingestion, harm: Callable[[Path], None]
) -> None:
    harm(columns(ingestion))
    assert read_columns(columns(ingestion)) is None


def test_hours_with_and_without_columns_are_loaded_together(tmp_path: Path) -> None:
    root = tmp_path / "archive"
    for number in range(3):
        hour = HOUR.replace(hour=9 + number)
        for name, content in make_granules(hour, (7,)):
            put(root, name, content)
    mixed, whole = (
        Ingestion(tmp_path / "mixed", str(root)),
        Ingestion(tmp_path / "whole", str(root)),
    )
    whole.run(hours=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixed, "load", lambda *_: None)
        mixed.run(hours=3)
    (mixed.hour_folder(HOUR.replace(hour=10)) / FLASH_COLUMNS).unlink()
    mixed.load(FlashSeriesDataset(path=str(mixed.data / "series")), report_of(hours=3))
    assert_same_tables(mixed, whole)
    as_stored = "SELECT * FROM flashes"
    assert mixed.query(as_stored) == whole.query(as_stored)


def test_same_granules_give_the_same_bytes(written: Ingestion, tmp_path: Path) -> None:
    again = Ingestion(tmp_path / "again", written.root)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(again, "load", lambda *_: None)
        again.run()
    assert columns(again).read_bytes() == columns(written).read_bytes()
