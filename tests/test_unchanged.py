"""A run whose result is there already keeps it, and makes it again if any single fact differs."""

import shutil
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import pytest
from kedro.io import DatasetError

from lightning_kedro import packaged
from lightning_kedro.datasets.stored import StoredReportDataset, StoredResultDataset
from lightning_kedro.parameters import check_parameters
from lightning_kedro.pipelines.storms.flashes import widen
from lightning_kedro.pipelines.storms.options import StormOptions
from lightning_kedro.results import MAKERS, RESULT_TABLES, SKY_TABLES, STORM_TABLES
from lightning_kedro.selection import Selection
from lightning_kedro.store import kept_reports
from lightning_kedro.store.database import connect
from lightning_kedro.store.fingerprints import StoredResult
from lightning_kedro.store.kept_reports import StoredReport
from lightning_kedro.unchanged import REMAKE, Unchanged, hand_on, look_at, name_making
from tests.conftest import HOUR, WINDOW, Project
from tests.stand_ins import stand_in_for

PARAMS = f"{WINDOW},clustering.k_max=3,storms.look_back_hours=0"
ALL = ("--pipelines", "sky,storms,clustering,reporting", "--params")
CHECKED = check_parameters(
    {
        "satellite": "G17",
        "window": {"start": "2024-07-14T09:00", "end": "2024-07-14T10:00"},
        "clustering": {"k_max": 3},
        "storms": {"look_back_hours": 0},
    },
    now=HOUR,
)
SELECTION = Selection.from_plain(CHECKED["selection"])
STORMS = StormOptions.from_parameters(CHECKED["storms"])
SATELLITE = {"satellite": "G17"}
MADE_WITH = {
    RESULT_TABLES: (SELECTION, {"clustering": CHECKED["clustering"]} | SATELLITE),
    STORM_TABLES: (widen(SELECTION, STORMS), {"storms": STORMS.to_columns()} | SATELLITE),
    SKY_TABLES: (SELECTION, SATELLITE),
}
"""What is read for each kind of result, and with what options it is made."""


SWAP = """
    UPDATE flashes SET area_km2 = others.area_km2 FROM flashes AS others
    WHERE flashes.rowid IN (7, 8) AND others.rowid = 15 - flashes.rowid
"""
"""Two flashes have changed their areas."""


@pytest.fixture(scope="module")
def made(ingested_buckets: Project, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project in which all has been made once."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        stand_in_for(patch)
        patch.chdir(folder)
        project = Project(folder)
        shutil.copytree(ingested_buckets.folder / "data", folder / "data")
        project.succeed(*ALL, PARAMS)
        yield project


@pytest.fixture
def database(made: Project, tmp_path: Path) -> Path:
    """A copy of its database."""
    return Path(shutil.copy(made.database(), tmp_path))


def edit(database: Path, sql: str) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute(sql)


def look(database: Path, kind: tuple[str, ...]) -> Unchanged | None:
    read, options = MADE_WITH[kind]
    return StoredResult(database, kind).look(SELECTION, read, options)[1]


@pytest.mark.parametrize("kind", MADE_WITH, ids=MAKERS.get)
def test_result_is_unchanged_until_a_fact_differs(
    database: Path, kind: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = look(database, kind)
    assert kept is not None
    assert kept.name == SELECTION.name
    read, options = MADE_WITH[kind]
    handle = StoredResult(database, kind)
    assert handle.look(SELECTION, read, options | {"satellite": "west"})[1] is None
    monkeypatch.setattr("lightning_kedro.store.fingerprints.fingerprint_code", lambda: "other")
    assert look(database, kind) is None, "edited code"


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM flashes WHERE rowid = 7",
        "UPDATE flashes SET lat = lat + 0.01 WHERE rowid = 7",
        "UPDATE flashes SET energy_j = energy_j * 2 WHERE rowid = 7",
        "UPDATE flashes SET quality_flag = 5 WHERE rowid = 7",
        "UPDATE flashes SET time_end = time_end + INTERVAL 1 MILLISECOND WHERE rowid = 7",
        "INSERT INTO flashes SELECT * REPLACE (65000 AS flash_id) FROM flashes WHERE rowid = 7",
        SWAP,
        "DELETE FROM granules",
        "DROP TABLE result_fingerprints",
        "UPDATE result_fingerprints SET made_of = 'x'",
        "UPDATE result_fingerprints SET rows_fingerprint = 'x'",
    ],
)
def test_other_flashes_make_every_result_again(database: Path, sql: str) -> None:
    edit(database, sql)
    assert [look(database, kind) for kind in MADE_WITH] == [None] * 3


@pytest.mark.parametrize("kind", MADE_WITH, ids=MAKERS.get)
def test_rows_of_any_table_that_are_lost_or_edited_are_noticed(
    database: Path, kind: tuple[str, ...]
) -> None:
    whole = database.read_bytes()
    harms = cycle(
        (
            "DELETE FROM {0} WHERE rowid = (SELECT min(rowid) FROM {0})",
            "UPDATE {0} SET simulated = true WHERE rowid = (SELECT min(rowid) FROM {0})",
            "DROP TABLE {0}",
        )
    )
    for table in kind:
        with connect(database, read_only=True) as connection:
            has_rows = connection.execute(f"SELECT 1 FROM {table} LIMIT 1").fetchall()
        sql = next(harms).format(table) if has_rows else f"DROP TABLE {table}"
        edit(database, sql)
        assert look(database, kind) is None, sql
        database.write_bytes(whole)
    assert look(database, kind) is not None


def test_flashes_elsewhere_or_nowhere_are_never_called_unchanged(tmp_path: Path) -> None:
    for path in (None, tmp_path / "none.duckdb"):
        handle = StoredResult(path, RESULT_TABLES)
        assert handle.look(SELECTION, SELECTION, {}) == ("", None)
    assert name_making("", {}) == ""


def test_run_on_a_window_already_done_keeps_everything(made: Project) -> None:
    root = made.folder / "data" / "08_reporting"
    files = {path: path.read_bytes() for path in root.rglob("*.*") if path.is_file()}
    before = made.database().read_bytes()
    run = made.succeed(*ALL, PARAMS)
    assert "The clusters of this window are unchanged since the run of " in run.output
    assert "The storms of this window are unchanged since the run of " in run.output
    assert "How this window's flashes were seen is unchanged since the run of " in run.output
    assert "The pictures and the report of this window are unchanged since " in run.output
    assert made.database().read_bytes() == before
    assert {path: path.read_bytes() for path in files} == files
    single = made.succeed("--nodes", "kmeans_cluster", "--params", PARAMS)
    assert "unchanged" not in single.output, "who names a node wants what it makes"
    assert made.database().read_bytes() != before
    assert "kmeans_cluster: " in single.output


def test_results_of_two_windows_take_turns_at_the_fixed_names(made: Project) -> None:
    root = made.folder / "data" / "08_reporting"
    made.succeed(*ALL, PARAMS)
    first = (root / "report.html").read_bytes()
    listed = (root / "index.html").read_bytes()
    good = f"{PARAMS},preprocessing.min_quality=good"
    made.succeed("--pipelines", "clustering,reporting", "--params", good)
    assert (root / "report.html").read_bytes() != first
    run = made.succeed("--pipelines", "reporting", "--params", PARAMS)
    assert "report of this window are unchanged" in run.output
    own = root / SELECTION.name
    for path in own.glob("*.[pgh]*"):
        if path.name != "thumbnail.png":
            assert (root / path.name).read_bytes() == path.read_bytes()
    assert (root / "index.html").read_bytes() != listed, "it lists both"


def break_nothing(_: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("harm", "drawn"),
    [
        (break_nothing, False),
        (lambda root: (root / SELECTION.name / "cluster_map.png").unlink(), True),
        (lambda root: (root / SELECTION.name / "storm_map.png").write_bytes(b"x"), True),
        (lambda root: (root / SELECTION.name / "thumbnail.png").unlink(), True),
        (lambda root: (root / SELECTION.name / "result.json").write_bytes(b"{}"), True),
        (lambda root: shutil.rmtree(root / SELECTION.name), True),
        (lambda root: (root / "flash_rate.png").unlink(), False),
        (lambda root: (root / "report.html").write_bytes(b"x"), False),
        (lambda root: (root / "index.html").write_bytes(b"x"), False),
    ],
)
def test_harmed_report_is_drawn_again_or_shown_again(
    made: Project, tmp_path: Path, harm: Callable[[Path], None], drawn: bool
) -> None:
    data = made.folder / "data"
    root = Path(shutil.copytree(data / "08_reporting", tmp_path / "reports"))
    handle = StoredReport(root, made.database(), data / "07_model_output" / "grids")
    made.succeed(*ALL, PARAMS)
    shutil.rmtree(root)
    shutil.copytree(data / "08_reporting", root)
    harm(root)
    kept = handle.look(SELECTION, SELECTION, {})[1]
    assert (kept is None) == drawn
    if kept is not None:
        kept_reports.show_again(root, kept.name)
        for path in (data / "08_reporting").glob("*.*"):
            assert (root / path.name).read_bytes() == path.read_bytes()


def test_grids_that_come_later_are_drawn(made: Project, tmp_path: Path) -> None:
    grids = tmp_path / "grids"
    grids.mkdir()
    handle = StoredReport(tmp_path, made.database(), grids)
    without = handle.measure(SELECTION)
    (grids / f"{SELECTION.name}_conus_1min.nc").write_bytes(b"some")
    some = handle.measure(SELECTION)
    (grids / f"{SELECTION.name}_conus_1min.nc").write_bytes(b"same")
    assert len({without, some, handle.measure(SELECTION)}) == 3


def test_remake_makes_again_what_is_unchanged(database: Path) -> None:
    handle = StoredResult(database, SKY_TABLES)
    measured, kept = look_at(handle, SELECTION, SELECTION, SATELLITE, REMAKE)
    assert measured == handle.measure(SELECTION) != ""
    assert kept is None


def test_nodes_hand_on_that_nothing_has_changed() -> None:
    kept = Unchanged("storms", "name")
    assert hand_on(3)(lambda *_: (1, 2, 3))(1, kept) == (kept,) * 3
    assert hand_on()(lambda one, *, other: one + other)(1, other=2) == 3


def test_code_has_a_digest_of_all_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packaged, "__file__", str(tmp_path / "packaged.py"))
    digest = packaged.fingerprint_code.__wrapped__
    (tmp_path / "node.py").write_text("1")
    before = digest()
    (tmp_path / "node.py").write_text("2")
    assert digest() != before


def test_stored_things_are_only_looked_at(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There are no results of pictures; kind must be one of"):
        StoredResultDataset(path=None, kind="pictures")
    with pytest.raises(DatasetError, match="What is stored of sky is only looked at"):
        StoredResultDataset(path=None, kind="sky").save(1)  # type: ignore[arg-type]
    report = StoredReportDataset(folder=str(tmp_path), database=None, grids=str(tmp_path))
    with pytest.raises(DatasetError, match="What is published is only looked at"):
        report.save(1)  # type: ignore[arg-type]
    assert report.load().look(SELECTION, SELECTION, {}) == ("", None)
