"""The dashboard of a lake: hours and granules are read there, results in the database."""

from pathlib import Path

import pytest

pytest.importorskip("deltalake")

from tests.dashboard.stored_results import save_result
from tests.ingesting import HOUR, make_granules, put
from tests.lakes import LakeIngestion, run_here

from lightning_kedro.dashboard import pages
from lightning_kedro.dashboard.database import NoDatabaseError, Reader
from lightning_kedro.dashboard.views import Place as Folder
from lightning_kedro.datasets import lake as lake_datasets
from lightning_kedro.datasets.lake import LakeResultDataset
from lightning_kedro.store.lake.log import LakeTable
from lightning_kedro.store.lake.places import Place


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LakeIngestion:
    monkeypatch.setattr(lake_datasets, "run_on_cluster", run_here)
    made = LakeIngestion(tmp_path / "data", str(tmp_path / "archive"))
    for name, content in make_granules(HOUR, (0, 1)):
        put(Path(made.root), name, content)
    return made


def show_day(reader: Reader, tmp_path: Path) -> str:
    place = Folder(reader.path, tmp_path / "reports", "dask")
    return pages.show_calendar(reader, place, None, None, "2024-07-14")


def test_calendar_shows_the_hours_of_the_lake(lake: LakeIngestion, tmp_path: Path) -> None:
    database = tmp_path / "lightning.duckdb"
    reader = Reader(database, lake=Place.of(lake.url))
    with pytest.raises(NoDatabaseError):
        show_day(reader, tmp_path)
    lake.run()
    wanted = "2 of 180 granules of 1 hour (1.1 %)"
    assert wanted in show_day(reader, tmp_path), "also without a database"
    save_result(database, n=100)
    page = show_day(reader, tmp_path)
    assert wanted in page
    assert "14 Jul 2024, 22:00" in page
    assert "180 of 180 granules" not in page, "what the database has is not what counts"
    with reader.open() as tables:
        rows = tables.select("granules", ("platform", "group_count"), "status = 'loaded'")
    assert rows.column("platform").to_pylist() == ["G17", "G17"]


def test_objects_of_coverage_are_read_once(lake: LakeIngestion, tmp_path: Path) -> None:
    lake.run()
    reader = Reader(tmp_path / "lightning.duckdb", lake=Place.of(lake.url))
    first = show_day(reader, tmp_path)
    for path in Path(lake.url).glob("coverage/*/*/*.parquet"):
        path.write_bytes(b"")  # whoever read it again would fail
    assert show_day(reader, tmp_path) == first


def test_lake_of_results_is_the_one_that_is_shown(lake: LakeIngestion, tmp_path: Path) -> None:
    entry = LakeResultDataset(
        lake=lake.url, path=str(tmp_path / "x.duckdb"), table="k_selection", lazy=True
    )
    assert entry.load().lake == Place.of(lake.url)
    assert LakeTable(entry.load().lake, "coverage").open() is None
