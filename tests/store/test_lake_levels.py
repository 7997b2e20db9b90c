"""Groups and events in a lake: the rows of one machine, whoever asks for them, and when."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("deltalake")

from tests.ingesting import HOUR, Ingestion, made_later, make_granules, put, window
from tests.lakes import LakeIngestion, assert_same_as_on_one_machine, run_here

from lightning_kedro.datasets import lake as lake_datasets
from lightning_kedro.datasets.lake import LakeTableDataset
from lightning_kedro.exceptions import TableError
from lightning_kedro.schemas import TABLES
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store.lake.hours import read_hour
from lightning_kedro.store.lake.log import LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.loaded import HANDLES

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS = ("flash", "group", "event")
GROUPS = ("flash", "group")
GRANULES = make_granules(numbers=(0, 1))


class Killed(BaseException):
    """What happens to a process that is killed: nothing it would have done is done."""


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lake_datasets, "run_on_cluster", run_here)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("levels")
    for name, content in GRANULES:
        put(root, name, content)
    return root


@pytest.fixture(scope="module")
def plain(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Ingestion:
    """Groups and events on one machine."""
    made = Ingestion(tmp_path_factory.mktemp("plain"), str(archive), levels=EVENTS)
    made.run()
    return made


@pytest.fixture
def lake(archive: Path, tmp_path: Path) -> LakeIngestion:
    return LakeIngestion(tmp_path / "data", str(archive), levels=EVENTS)


def test_levels_are_those_of_one_machine(lake: LakeIngestion, plain: Ingestion) -> None:
    lake.run()
    assert_same_as_on_one_machine(lake, plain)
    assert len([path for path in lake.objects() if path.startswith("events")]) == 1
    sums = "sum(group_count), sum(event_count)"
    (told,) = lake.query(f"SELECT {sums} FROM granules")
    assert lake.query(f"SELECT {sums} FROM flashes") == [told]
    assert lake.query("SELECT (SELECT count(*) FROM groups), count(*) FROM events") == [told]
    before = lake.objects()
    lake.session = "two"
    lake.run()
    assert lake.objects() == before


def test_conditions_on_every_column_find_what_they_find_in_a_database(
    lake: LakeIngestion, plain: Ingestion
) -> None:
    """Other programs skip objects by what the log says of their columns."""
    lake.run()
    queries = []
    for table in ("groups", "events"):
        for column, kind in (TABLES[table].types | {"simulated": "BOOLEAN"}).items():
            least = "min" if kind in {"VARCHAR", "BOOLEAN"} else "median"
            some = f"(SELECT {least}({column}) FROM {table})"
            for condition in (f">= {some}", f"= {some}", "IS NULL"):
                counted = f"(SELECT count(*) FROM {table} WHERE {column} {condition})"
                queries.append(f"SELECT '{table} {column} {condition[:3]}', {counted}")
    together = " UNION ALL ".join(queries)
    assert sorted(lake.query(together)) == sorted(plain.query(together))


def test_handles_read_what_those_of_a_database_read(lake: LakeIngestion, plain: Ingestion) -> None:
    lake.run()
    whole = Selection.from_plain(window()["selection"])
    in_part = replace(whole, region=Region(-150.0, -30.0, -60.0, 45.0))
    for table, chosen in (
        ("groups", whole),
        ("groups", in_part),
        ("events", replace(in_part, min_quality="good")),
    ):
        rows = LakeTableDataset(lake=lake.url, table=table).load().read(chosen)
        assert rows.equals(HANDLES[table](plain.database).read(chosen))
        assert rows.num_rows
    ours, theirs = (
        handle.read_largest_areas(whole).sort_by(
            [("granule_start", "ascending"), ("flash_id", "ascending")]
        )
        for handle in (
            LakeTableDataset(lake=lake.url, table="groups").load(),
            HANDLES["groups"](plain.database),
        )
    )
    assert ours.equals(theirs)


def test_hours_of_flashes_get_levels_when_they_are_asked_for(
    lake: LakeIngestion, plain: Ingestion
) -> None:
    for levels in (("flash",), GROUPS, EVENTS):
        lake.levels = levels
        lake.session = "+".join(levels)
        lake.run()
    assert_same_as_on_one_machine(lake, plain)
    lake.levels, lake.session = ("flash",), "again"
    versions = lake.versions()
    lake.run()
    assert lake.versions() == versions
    lake.levels = EVENTS
    assert_same_as_on_one_machine(lake, plain)


def test_levels_that_no_granule_was_asked_for_do_not_count(
    lake: LakeIngestion, archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a client has read that ends before it is on record is not seen by who does not ask."""
    stop_at(lake, monkeypatch, "granules")
    lake.levels, lake.session = ("flash",), "two"
    lake.run()
    assert len(LakeTableDataset(lake=lake.url, table="groups").load()) == 0
    plain = Ingestion(tmp_path / "plain", str(archive))
    plain.run()
    assert_same_as_on_one_machine(lake, plain)


def stop_at(lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    """A run that ends before it commits a table."""
    commit = LakeTable.commit

    def stop(self: LakeTable, *arguments: Any) -> bool:
        if self.name == table:
            raise Killed
        return commit(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "commit", stop)
        with pytest.raises(Killed):
            lake.run()


def test_client_that_ends_between_tables_loses_and_doubles_nothing(
    lake: LakeIngestion,
    plain: Ingestion,
    archive: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    late = archive.rglob(GRANULES[1][0].file_name)
    path = next(late)
    path.rename(hidden := path.with_suffix(".hidden"))
    lake.run()  # the objects that a kill leaves behind are of one granule fewer
    hidden.rename(path)
    lake.session = "two"
    stop_at(lake, monkeypatch, "groups")
    lake.session = "three"
    lake.run()
    assert_same_as_on_one_machine(lake, plain)


def test_granule_without_levels_that_displaces_one_takes_its_rows_along(
    lake: LakeIngestion, tmp_path: Path
) -> None:
    lake.root = str(tmp_path / "archive")
    for name, content in GRANULES:
        put(Path(lake.root), name, content)
    plain = Ingestion(tmp_path / "plain", lake.root, levels=EVENTS)
    machines: Sequence[LakeIngestion | Ingestion] = (lake, plain)
    for machine in machines:
        machine.run()
    name, content = GRANULES[1]
    put(Path(lake.root), made_later(name), content)
    lake.session = "two"
    for machine in machines:
        machine.levels = ("flash",)
        machine.run()
    lake.levels = EVENTS
    assert_same_as_on_one_machine(lake, plain)


@pytest.mark.parametrize("first", [EVENTS, ("flash",)], ids=["events first", "flashes first"])
def test_client_that_comes_second_keeps_what_either_has_read(
    lake: LakeIngestion, plain: Ingestion, first: tuple[str, ...]
) -> None:
    other = replace(lake, session="other", levels=first)
    lake.levels = ("flash",) if first == EVENTS else EVENTS
    report = lake.transform()
    other.run()
    lake.load(report)
    lake.levels = EVENTS
    assert_same_as_on_one_machine(lake, plain)


@pytest.mark.parametrize("tables", [("events",), ("groups", "flashes")])
def test_rows_that_somebody_took_out_come_back(
    lake: LakeIngestion, plain: Ingestion, tables: tuple[str, ...]
) -> None:
    from deltalake import DeltaTable

    lake.run()
    for table in tables:
        DeltaTable(f"{lake.url}/{table}").delete("platform = 'G17' AND date = '2024-07-14'")
    lake.session = "two"
    lake.run()
    assert_same_as_on_one_machine(lake, plain)


def test_object_that_lacks_groups_is_damaged(lake: LakeIngestion) -> None:
    import pyarrow.parquet as pq

    lake.run()
    paths = {}
    for table in ("flashes", "groups"):
        (path,) = Path(lake.url).glob(f"{table}/*/*/09-*.parquet")
        paths[table] = str(path.relative_to(Path(lake.url) / table))
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.slice(1), path)
    with pytest.raises(TableError, match="it does not hold every group of its granules"):
        read_hour(Place.of(lake.url), paths)


def test_levels_that_are_not_there_are_said(lake: LakeIngestion) -> None:
    lake.levels = ("flash",)
    lake.run()
    groups = LakeTableDataset(lake=lake.url, table="groups").load()
    with pytest.raises(TableError, match=r"has no table groups yet: .* ingestion\.levels=group"):
        groups.df()
    assert groups.read_largest_areas(Selection.from_plain(window()["selection"])).num_rows == 0


def test_hours_are_read_as_from_a_database(lake: LakeIngestion, plain: Ingestion) -> None:
    lake.levels = ("flash",)
    lake.run()
    chosen = Selection.from_plain(window(HOUR, 1)["selection"])
    ours = [*LakeTableDataset(lake=lake.url, table="flashes").load().read_hours(chosen)]
    theirs = [*HANDLES["flashes"](plain.database).read_hours(chosen)]
    assert len(ours) == len(theirs) == 1
    assert ours[0].lat.tolist() == theirs[0].lat.tolist()
    assert ours[0].start == theirs[0].start
