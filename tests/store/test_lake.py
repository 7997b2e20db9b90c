"""A lake holds what a database on one machine holds, whoever is killed or comes first."""

import hashlib
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from kedro.io import DatasetError

pytest.importorskip("deltalake")

from tests.conftest import s3_client, s3_variables
from tests.ingesting import (
    HOUR,
    Ingestion,
    made_later,
    make_granules,
    put,
    window,
)
from tests.lakes import LakeIngestion, assert_same_as_on_one_machine, run_here

from lightning_kedro.datasets import lake as lake_datasets
from lightning_kedro.datasets.granule_archive import GranuleArchiveDataset
from lightning_kedro.datasets.lake import (
    LakeResultDataset,
    LakeSeriesDataset,
    LakeTableDataset,
    LoadedLakeDataset,
)
from lightning_kedro.exceptions import (
    ArchiveError,
    ClusterError,
    NoFlashesError,
    StorageError,
    TableError,
)
from lightning_kedro.granules.hours import ArchiveHour
from lightning_kedro.granules.tasks import ReadHour
from lightning_kedro.schemas import RESULT_KEY, TABLES
from lightning_kedro.selected_flashes import read_flashes
from lightning_kedro.selection import Region, Selection
from lightning_kedro.store.lake import committing
from lightning_kedro.store.lake.hours import hour_of, read_hour
from lightning_kedro.store.lake.log import LakeTable
from lightning_kedro.store.lake.places import Place
from lightning_kedro.store.lake.sweeping import sweep_lake
from lightning_kedro.store.secrets import drop_secrets

if TYPE_CHECKING:
    from lightning_kedro.store.lake.tasks import WriteHour

ALWAYS_THERE = ("flashes", "granules", "coverage")
NEXT = HOUR + timedelta(hours=1)
GRANULES = [*make_granules(), *make_granules(NEXT, (0, 1))]
NAME, CONTENT = GRANULES[1]


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """What workers do is done here: what a cluster adds has tests of its own."""
    monkeypatch.setattr(lake_datasets, "run_on_cluster", run_here)
    monkeypatch.setattr(committing, "LONGEST_PAUSE_SECONDS", 0.01)


@pytest.fixture
def lake(tmp_path: Path) -> LakeIngestion:
    """Five granules of two hours in an archive on disk, and an empty lake."""
    for name, content in GRANULES:
        put(tmp_path / "archive", name, content)
    return LakeIngestion(tmp_path / "data", str(tmp_path / "archive"))


_made: dict[tuple[tuple[str, bytes], ...], Ingestion] = {}


@pytest.fixture(scope="module", autouse=True)
def forget_databases() -> Iterator[None]:
    yield
    _made.clear()


def on_one_machine(lake: LakeIngestion) -> Ingestion:
    """The same archive in a database, which is made once for all tests that have that archive."""
    root = Path(lake.root)
    files = sorted(path for path in root.rglob("*.nc") if path.is_file())
    key = tuple((path.name, hashlib.sha256(path.read_bytes()).digest()) for path in files)
    if key not in _made:
        plain = Ingestion(lake.data.parent / "plain", lake.root)
        plain.run(hours=2)
        _made[key] = plain
    return _made[key]


def test_lake_holds_what_a_database_holds(lake: LakeIngestion) -> None:
    lake.run(hours=2)
    assert_same_as_on_one_machine(lake, on_one_machine(lake))
    assert lake.failures == ()
    assert lake.query("SELECT count(*) FROM granules") == [(5,)]


def test_gaps_and_corrupt_granules_are_reported_as_on_one_machine(lake: LakeIngestion) -> None:
    put(Path(lake.root), NAME, b"not a granule")
    put(Path(lake.root), made_later(GRANULES[2][0]), b"nor this")
    lake.run(hours=2)
    plain = on_one_machine(lake)
    assert_same_as_on_one_machine(lake, plain)
    assert lake.query("SELECT found, corrupt, missing FROM coverage ORDER BY hour") == [
        (3, 1, 177),
        (2, 0, 178),
    ]
    hours = (ArchiveHour("G17", HOUR), ArchiveHour("G17", NEXT))
    summaries = [
        str(LoadedLakeDataset(lake=lake.url).load().summarise(hours)),
        str(lake_datasets_plain(plain).summarise(hours)),
    ]
    assert summaries[0] == summaries[1]
    assert "355 missing and 1 corrupt" in summaries[0]


def lake_datasets_plain(plain: Ingestion) -> Any:
    from lightning_kedro.datasets.loaded_granules import LoadedGranulesDataset

    return LoadedGranulesDataset(path=str(plain.database)).load()


def test_granule_that_does_not_come_is_said_and_comes_with_the_next_run(
    lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightning_kedro.store.storage import Storage

    whole = Storage.read_all

    def lose(self: Storage, granules: Any) -> Iterator[Any]:
        for granule, content in whole(self, granules):
            lost = granule.name == NAME
            yield granule, ArchiveError("it did not come") if lost else content

    with monkeypatch.context() as patch:
        patch.setattr(Storage, "read_all", lose)
        lake.run(hours=2)
    assert lake.failures == ("it did not come",)
    assert lake.query("SELECT count(*) FROM granules") == [(4,)]
    lake.run(hours=2)
    assert lake.failures == ()
    assert_same_as_on_one_machine(lake, on_one_machine(lake))


def test_second_run_makes_no_new_commit_and_no_new_object(lake: LakeIngestion) -> None:
    put(Path(lake.root), NAME, b"not a granule")  # it is looked at again each time
    lake.run(hours=2)
    versions, objects = lake.versions(), lake.objects()
    lake.session = "two"
    lake.run(hours=2)
    assert (lake.versions(), lake.objects()) == (versions, objects)


def test_hour_that_grows_takes_the_place_of_the_former_one_in_one_commit(
    lake: LakeIngestion,
) -> None:
    late = Path(lake.root) / "late"
    path = put(Path(lake.root), NAME, CONTENT)
    path.rename(late)
    lake.run(hours=2)
    late.rename(path)
    newer = make_granules(NEXT, (1,))[0]
    put(Path(lake.root), made_later(newer[0]), newer[1])
    lake.run(hours=2)
    assert_same_as_on_one_machine(lake, on_one_machine(lake))
    assert lake.versions() == [2, 2, 2]
    lying = [path for path in lake.objects() if path.startswith("flashes")]
    assert len(lying) == 4  # a reader that went by what lies there would count flashes twice
    keys = "count(*) - count(DISTINCT (granule_start, flash_id))"
    assert lake.query(f"SELECT {keys} FROM flashes") == [(0,)]


def test_client_that_comes_second_merges_what_the_first_has_committed(lake: LakeIngestion) -> None:
    path = put(Path(lake.root), NAME, CONTENT)
    newer = put(Path(lake.root), made_later(GRANULES[0][0]), GRANULES[3][1][:100])
    path.rename(hidden := path.with_suffix(".hidden"))
    report = lake.transform(hours=2)  # without one granule, and with one that is corrupt
    hidden.rename(path)
    newer.unlink()
    first = replace(lake, session="other")
    first.run(hours=2)
    lake.load(report)
    merged = lake.dump()
    newer.write_bytes(GRANULES[3][1][:100])
    plain = on_one_machine(lake)
    assert_same_as_on_one_machine(lake, plain)
    assert len(merged["granules"]) == 5


def test_two_racing_clients_lose_and_double_nothing(
    lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    race(lake, monkeypatch)
    assert_same_as_on_one_machine(lake, on_one_machine(lake))


def race(lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clients that want to make the first commit to each table at the same moment."""
    meeting = threading.Barrier(2, timeout=60)
    met: set[tuple[int, str]] = set()
    commit = LakeTable.commit
    lost = []

    def meet(self: LakeTable, *arguments: Any) -> bool:
        me = (threading.get_ident(), self.name)
        if self.name == "flashes" and me not in met:
            met.add(me)
            meeting.wait()
        done = commit(self, *arguments)
        if not done:
            lost.append(me)
        return done

    errors: list[BaseException] = []

    def run(client: LakeIngestion, hour: datetime) -> None:
        try:
            client.run(hour, hours=2 if hour == HOUR else 1)
        except BaseException as error:  # noqa: BLE001  (the test fails with it)
            errors.append(error)

    LakeTable(Place.of(lake.url), "flashes").open_or_make()
    with monkeypatch.context() as patch:
        patch.setattr(LakeTable, "commit", meet)
        starts = {"a": HOUR, "b": NEXT}
        threads = [
            threading.Thread(target=run, args=(replace(lake, session=session), hour))
            for session, hour in starts.items()
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []
    assert lost  # one of them did come second


def test_two_racing_clients_on_s3_lose_and_double_nothing(
    lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch, s3_endpoint: str
) -> None:
    for name, value in s3_variables(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket="racing")
    once = {"Bucket": "racing", "Key": "once", "Body": b"", "IfNoneMatch": "*"}
    client.put_object(**once)
    with pytest.raises(client.exceptions.ClientError, match="PreconditionFailed"):
        client.put_object(**once)  # what commits rely on
    client.close()
    lake.url = "s3://racing/lake"
    race(lake, monkeypatch)
    assert_same_as_on_one_machine(lake, on_one_machine(lake))


def test_clients_that_always_come_second_say_so(
    lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(committing, "ATTEMPTS", 2)
    monkeypatch.setattr(LakeTable, "commit", lambda *_: False)
    with pytest.raises(DatasetError, match=r"Other runs keep changing .*flashes: 2 commits came"):
        lake.run()


def test_rows_that_somebody_took_out_come_back(lake: LakeIngestion) -> None:
    from deltalake import DeltaTable

    lake.run(hours=2)
    DeltaTable(f"{lake.url}/flashes").delete("platform = 'G17' AND date = '2024-07-14'")
    assert lake.query("SELECT count(*) FROM flashes") == [(0,)]
    lake.run(hours=2)
    assert_same_as_on_one_machine(lake, on_one_machine(lake))


def test_former_version_can_be_read(lake: LakeIngestion) -> None:
    from deltalake import DeltaTable

    lake.run()
    before = lake.query("SELECT count(*) FROM flashes")
    lake.run(hours=2)
    old = DeltaTable(f"{lake.url}/flashes", version=1).to_pyarrow_dataset().count_rows()
    assert [(old,)] == before < lake.query("SELECT count(*) FROM flashes")


def test_damaged_object_is_named_with_what_to_do(lake: LakeIngestion) -> None:
    late = put(Path(lake.root), *GRANULES[-1])
    content = late.read_bytes()
    late.unlink()
    lake.run(hours=2)
    (path,) = Path(lake.url).glob("flashes/*/*/10-*.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    late.write_bytes(content)
    with pytest.raises(DatasetError, match=r"10-.*is damaged: .*\.delete\(\"platform = 'G17' AND"):
        lake.run(hours=2)


def test_object_that_lacks_flashes_is_damaged(lake: LakeIngestion) -> None:
    import pyarrow.parquet as pq

    lake.run()
    (path,) = Path(lake.url).glob("flashes/*/*/09-*.parquet")
    rows = pq.ParquetFile(path).read()
    pq.write_table(rows.slice(1), path)
    with pytest.raises(TableError, match="it does not hold every flash of its granules"):
        read_hour(
            Place.of(lake.url), {"flashes": str(path.relative_to(Path(lake.url) / "flashes"))}
        )


def test_table_that_another_program_has_compacted_is_refused(lake: LakeIngestion) -> None:
    from deltalake import DeltaTable

    lake.run(hours=2)
    DeltaTable(f"{lake.url}/flashes").optimize.compact()
    put(Path(lake.root), *make_granules(NEXT, (3,))[0])
    with pytest.raises(TableError, match="was changed or compacted by another program"):
        lake.run(hours=2)
    assert hour_of("flashes", "platform=G17/date=2024-07-14/09-0123456789abcdef.parquet") == 9


def test_selections_are_read_as_on_one_machine(lake: LakeIngestion) -> None:
    from lightning_kedro.store.loaded import FlashTable

    lake.run(hours=2)
    plain = FlashTable(on_one_machine(lake).database)
    ours = LakeTableDataset(lake=lake.url, table="flashes").load()
    whole = Selection.from_plain(window(HOUR, 2)["selection"])
    for selection in (
        whole,
        replace(whole, region=Region(-150.0, -30.0, -60.0, 45.0), min_quality="good"),
    ):
        assert read_flashes(ours, selection).equals(read_flashes(plain, selection))
    frame = ours.window("G17", "2024-07-14T09:00", "2024-07-14T09:00:20", ["time", "lat"])
    assert frame.equals(
        plain.window("G17", "2024-07-14T09:00", "2024-07-14T09:00:20", ["time", "lat"])
    )
    later = Selection.from_plain(window(HOUR + timedelta(days=3))["selection"])
    with pytest.raises(NoFlashesError, match="No granule of the window"):
        read_flashes(ours, later)


def test_what_a_result_is_covered_by_is_read_from_the_lake(
    lake: LakeIngestion, tmp_path: Path
) -> None:
    lake.run(hours=2)
    selection = Selection.from_plain(window(HOUR, 2)["selection"])
    path = str(tmp_path / "results.duckdb")
    entry = LakeResultDataset(lake=lake.url, path=path, table="k_selection", lazy=True)
    about = entry.load().read_window(None, selection)
    assert {name: table.num_rows for name, table in about.items()} == {"granules": 5, "coverage": 2}
    assert {*RESULT_KEY} <= {*entry.load().order.split(", ")}
    with pytest.raises(TableError, match="Table storms is not the last one of a kind of results"):
        LakeResultDataset(lake=lake.url, path=path, table="storms")


def test_conditions_on_every_column_find_what_they_find_in_a_database(lake: LakeIngestion) -> None:
    put(Path(lake.root), made_later(GRANULES[2][0]), b"a reason for one granule of five")
    lake.run(hours=2)
    plain = on_one_machine(lake)
    queries = []
    for table in ALWAYS_THERE:
        for column in (*TABLES[table].columns, "simulated"):
            is_number = TABLES[table].types.get(column, "BOOLEAN") not in {"VARCHAR", "BOOLEAN"}
            some = f"(SELECT {'median' if is_number else 'min'}({column}) FROM {table})"
            for condition in (f">= {some}", f"= {some}", "IS NULL", "IS NOT NULL"):
                query = f"SELECT count(*) FROM {table} WHERE {column} {condition}"
                queries.append(f"SELECT '{query.replace(chr(39), '')}', ({query})")
    together = " UNION ALL ".join(queries)
    assert sorted(lake.query(together)) == sorted(plain.query(together))


def test_orphans_are_harmless_and_swept(lake: LakeIngestion) -> None:
    import os

    lake.run(hours=2)
    folder = next(Path(lake.url).glob("flashes/platform=*/date=*"))
    orphan = folder / "09-0123456789abcdef.parquet"
    orphan.write_bytes(next(folder.glob("10-*")).read_bytes())
    plain = on_one_machine(lake)
    assert_same_as_on_one_machine(lake, plain)
    place = Place.of(lake.url)
    assert sweep_lake(place, older_than_days=0) == []  # it may be of a run that is under way
    old = (datetime.now(UTC) - timedelta(days=3)).timestamp()
    os.utime(orphan, (old, old))
    entry = LakeTableDataset(lake=lake.url, table="flashes")
    assert entry.sweep(older_than_days=2, dry_run=True) == [str(orphan)]
    assert orphan.exists()
    assert entry.sweep(older_than_days=2, dry_run=False) == [str(orphan)]
    assert not orphan.exists()
    assert_same_as_on_one_machine(lake, plain)
    assert sweep_lake(Place.of(str(lake.data / "nowhere")), older_than_days=1) == []


SECRETS = {
    "key": "AKIAHIDDEN",
    "secret": "hidden",
    "client_kwargs": {"aws_session_token": "hidden too", "endpoint_url": "http://127.0.0.1:1"},
}


def test_no_secret_is_in_what_workers_get(lake: LakeIngestion) -> None:
    fs_args = {"token": "hidden as well", "client_kwargs": {"region_name": "us-east-1"}}
    archive = GranuleArchiveDataset(
        root="s3://noaa-goes{number}", fs_args=fs_args, credentials={"anon": False, **SECRETS}
    ).load()
    hour = ArchiveHour("G17", HOUR)
    (task,) = lake.series._make_tasks([ReadHour(hour, (), archive.source)])
    pickled = pickle.dumps(task)
    assert b"hidden" not in pickled.lower()
    assert b"AKIA" not in pickled
    reader: Any = pickle.loads(pickled).read.reader  # noqa: S301  (made here)
    assert reader._fs_args["anon"] is False
    assert b"hidden" in pickle.dumps(archive.source)  # for processes of this machine


def test_options_are_kept_without_secrets() -> None:
    options = {"anon": True, "config_kwargs": {"read_timeout": 20}, "headers": {"X": "1"}}
    assert drop_secrets(options) == {"anon": True, "config_kwargs": {"read_timeout": 20}}


def test_passwords_in_addresses_are_refused(lake: LakeIngestion) -> None:
    source = GranuleArchiveDataset(root="https://me:hidden@example.org/x").load().source
    with pytest.raises(ArchiveError, match=r"at example\.org holds a password") as caught:
        list(lake.series._make_tasks([ReadHour(ArchiveHour("G17", HOUR), (), source)]))
    assert "hidden" not in str(caught.value)
    with pytest.raises(StorageError, match="of the lake holds a password") as refused:
        Place.of("s3://me:hidden@bucket/lake")
    assert "hidden" not in str(refused.value)


def test_tasks_have_no_relative_paths(lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lake.data.parent)
    lake.root = "archive"
    written: list[WriteHour] = []

    def note(tasks: Any, **options: Any) -> Any:
        written.extend(tasks)
        return run_here(written, **options)

    monkeypatch.setattr(lake_datasets, "run_on_cluster", note)
    lake.run()
    granules = [granule for task in written for granule in task.read.granules]
    assert granules
    assert all(Path(granule.url).is_absolute() for granule in granules)
    assert Path(Place.of("data/lake").url).is_absolute()
    assert Place.of("s3://bucket/lake/").url == "s3://bucket/lake"


REFUSED: list[tuple[type[Exception], str, Callable[[LakeIngestion], object]]] = [
    (
        TableError,
        "has no table flashes yet|has no table granules yet",
        lambda lake: LakeTableDataset(lake=lake.url, table="flashes").load().df(),
    ),
    (
        TableError,
        "Table storms is not in a lake; it has flashes, groups, events, granules, coverage",
        lambda lake: LakeTableDataset(lake=lake.url, table="storms"),
    ),
    (
        DatasetError,
        "is filled by the node load alone; it cannot be saved as str",
        lambda lake: LakeTableDataset(lake=lake.url, table="flashes").save("rows"),  # type: ignore[arg-type]
    ),
    (
        DatasetError,
        "loaded_granules is read-only: the table granules is filled by the node load",
        lambda lake: LoadedLakeDataset(lake=lake.url).save("rows"),  # type: ignore[arg-type]
    ),
    (
        StorageError,
        "cannot be read: .* Check `lake` in conf/dask/globals.yml",
        lambda lake: Place.of(lake.url).read("nothing"),
    ),
    (
        StorageError,
        "cannot be written: .*nosuch",
        lambda _: Place.of("nosuch://bucket/lake").write("name", b""),
    ),
]


@pytest.mark.parametrize(("kind", "words", "act"), REFUSED)
def test_what_cannot_be_is_said(
    lake: LakeIngestion,
    kind: type[Exception],
    words: str,
    act: Callable[[LakeIngestion], object],
) -> None:
    with pytest.raises(kind, match=words):
        act(lake)


def test_lack_of_deltalake_is_said(lake: LakeIngestion, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "deltalake", None)
    with pytest.raises(ClusterError, match=r"needs Dask and deltalake: `pip install -e"):
        LoadedLakeDataset(lake=lake.url).load().among([ArchiveHour("G17", HOUR)], ("flash",))


def test_handle_is_saved_and_loaded(lake: LakeIngestion) -> None:
    lake.transform()
    series = lake.series
    series.save(series.load())
    assert [hour.hour.hour for hour in series.load().hours] == [9, 10]
    assert lake.series._describe()["lake"] == lake.url
    assert isinstance(series, LakeSeriesDataset)
