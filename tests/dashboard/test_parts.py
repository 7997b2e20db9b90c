"""The dashboard's parts: what is listed, sampled, counted and drawn; where the server listens."""

import json
import socket
import time
from datetime import date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pytest
from click.testing import CliRunner
from tests.conftest import Project
from tests.dashboard.stored_results import _fill, save_coverage, save_result
from tests.pipelines.reported_results import make_tables

from lightning_kedro.cli import cli
from lightning_kedro.dashboard import maps, server
from lightning_kedro.dashboard.answers import MapAnswers, write_json
from lightning_kedro.dashboard.charts import chart_rate, list_levels
from lightning_kedro.dashboard.coverage import Coverage
from lightning_kedro.dashboard.database import CrowdedError, Reader
from lightning_kedro.dashboard.days import arrange_calendar, pick_months, read_rows
from lightning_kedro.dashboard.details import BATCH_ROWS, count_flashes, read_details
from lightning_kedro.dashboard.maps import describe_sample, read_map, sample_flashes
from lightning_kedro.dashboard.server import ServerError, listen, name_address
from lightning_kedro.dashboard.stored import list_results, read_selection
from lightning_kedro.dashboard.views import describe_motion
from lightning_kedro.pipelines.reporting.findings import gather_findings
from lightning_kedro.pipelines.reporting.flash_rate import choose_bins
from lightning_kedro.results import make_table
from lightning_kedro.schemas import RESULT_KEY
from lightning_kedro.selection import ResultKey
from lightning_kedro.store.database import connect, transaction
from lightning_kedro.store.replacing import replace_rows

START, END = datetime(2024, 7, 14, 22), datetime(2024, 7, 14, 23)  # noqa: DTZ001


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "lightning.duckdb"
    save_result(path, n=5000, simulated=False)
    return path


@pytest.mark.parametrize(
    ("found", "level"), [(0, 0), (89, 0), (90, 1), (161, 1), (162, 2), (178, 2), (179, 3), (180, 4)]
)
def test_colors_change_at_round_shares(found: int, level: int) -> None:
    assert Coverage(1, 180, found, 0, 180 - found).level == level


def test_share_that_is_only_nearly_whole_is_not_called_so() -> None:
    assert Coverage(100, 18_000, 17_999, 0, 1).text == (
        "17,999 of 18,000 granules of 100 hours (99.9 %)"
    )
    assert Coverage().text == "nothing ingested"


def test_months_go_on_where_the_last_page_ended() -> None:
    months = [date(2024, month, 1) for month in range(12, 0, -1)]
    assert pick_months(months, None) == months[:6]
    assert pick_months(months, date(2024, 6, 1)) == months[6:]
    assert pick_months(months, date(2025, 3, 1)) == [date(2025, 3, 1), *months[:5]]


def test_calendar_names_earlier_and_later_months(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    save_coverage(path, "G16", (5, 180, 0))
    with connect(path, read_only=False) as connection:
        connection.execute(
            "INSERT INTO coverage SELECT 'G16', hour - to_months(month), 180, 180, 0, 0, false "
            "FROM coverage, range(1, 20) AS months(month)"
        )
    with Reader(path).open() as tables:
        rows = read_rows(tables, None)
    found = arrange_calendar(rows, [], date(2023, 12, 1), None)
    assert [month.first for month in found.months][::5] == [date(2023, 12, 1), date(2023, 7, 1)]
    assert found.earlier == date(2023, 6, 1)
    assert found.later == date(2024, 6, 1)
    assert found.known == ["G16"]
    assert not found.simulated


def test_window_belongs_to_every_month_and_day_it_touches(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    start = datetime(2024, 6, 30, 12)  # noqa: DTZ001
    save_result(path, n=10, hours=36, start=start, storms=False)
    with Reader(path).open() as tables:
        rows = read_rows(tables, date(2024, 7, 1))
    found = arrange_calendar(rows, [], None, date(2024, 7, 1))
    days = [day for month in found.months for week in month.weeks for day in week if day]
    assert [one.date for one in days if one.n_results] == [date(2024, 7, 1), date(2024, 6, 30)]
    assert found.day is not None
    assert [(bar.x, bar.width) for bar in found.day.bars] == [(0.0, 100.0)]


def test_key_of_a_changed_slot_is_read_as_it_was_asked_for() -> None:
    start, end = datetime(2025, 4, 6, 22), datetime(2025, 4, 7, 2)  # noqa: DTZ001
    selection = read_selection(ResultKey("G16+G19", start, end))
    assert [one.platform for one in selection.segments] == ["G16", "G19"]
    assert selection.segments[0].end == selection.segments[1].start
    assert selection.key == ResultKey("G16+G19", start, end)


@pytest.mark.parametrize("region", ["all", "-100,20,-80.5,45", "170,-10,-170,10"])
def test_keys_are_read_back(region: str) -> None:
    key = ResultKey("G18", START, END, region, "good", "South")
    assert read_selection(key).key == key


def test_results_of_an_older_database_are_listed_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE k_selection (platform VARCHAR, window_start TIMESTAMP, "
            "window_end TIMESTAMP, k INTEGER, n_flashes BIGINT, criterion VARCHAR)"
        )
        connection.execute(
            "CREATE TABLE clustered_flashes (platform VARCHAR, window_start TIMESTAMP, "
            "window_end TIMESTAMP, flash_platform VARCHAR, granule_start TIMESTAMP, "
            "flash_id INTEGER, time TIMESTAMP, lat FLOAT, lon FLOAT, cluster INTEGER)"
        )
        values = [START, END, START, START]
        connection.execute(
            "INSERT INTO k_selection VALUES ('G18', ?, ?, 1, 1, 'fixed')", values[:2]
        )
        connection.execute(
            "INSERT INTO clustered_flashes VALUES ('G18', ?, ?, 'G18', ?, 1, ?, 30, -100, 0)",
            values,
        )
    before = path.read_bytes()
    with Reader(path).open() as tables:
        (stored,) = list_results(tables)
        details = read_details(tables, stored)
    assert stored.key == ResultKey("G18", START, END, "unknown", "unknown", "default")
    assert stored.name == "G18_20240714T2200_20240714T2300_quality-unknown"
    assert details.rate.count == 1
    assert details.storms is None
    assert details.reported is not None
    assert path.read_bytes() == before


def test_what_no_version_knows_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    save_result(path, n=10, storms=False)
    with connect(path, read_only=False) as connection:
        connection.execute(
            "INSERT INTO k_selection BY NAME SELECT * REPLACE ('G99' AS platform) FROM k_selection"
        )
    with Reader(path).open() as tables:
        assert [one.key.platform for one in list_results(tables)] == ["G18"]


@pytest.mark.parametrize("table", ["clustered_flashes", "storm_flashes"])
def test_sample_is_always_the_same_and_as_large_as_asked(database: Path, table: str) -> None:
    with Reader(database).open() as tables:
        (stored,) = list_results(tables)
        whole = sample_flashes(tables, stored, table, "0")
        some = sample_flashes(tables, stored, table, "0", most=500)
        again = sample_flashes(tables, stored, "clustered_flashes", "0", most=500)
    assert whole.num_rows == 5000
    assert some.equals(again), "the same of both tables"
    assert 400 < some.num_rows < 600
    times = some["time"].to_numpy()
    assert (np.diff(times) >= np.timedelta64(0)).all()
    assert {*some["time"].to_pylist()} <= {*whole["time"].to_pylist()}
    counts = np.histogram(times.astype(np.int64), 4)[0]
    assert counts.min() > 0.15 * some.num_rows, "evenly in time"


def test_storms_of_which_no_flash_is_drawn_are_left_out(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maps.sample_flashes, "__defaults__", ("cluster", 60))
    with Reader(database).open() as tables:
        (stored,) = list_results(tables)
        parts = read_map(tables, stored, "storm")
    data = parts.gather()
    assert 0 < len(data["storms"]) < 30
    assert parts.storms.labels.max() == len(data["storms"]) - 1
    assert parts.storms.labels.min() == -1
    assert data["total"] == 5000


def test_map_is_kept_until_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "lightning.duckdb"
    save_result(path, n=50)
    answers = MapAnswers(Reader(path))
    name = "G18_20240714T2200_20240714T2300"
    made = answers.read(name, None, None)
    assert answers.read(name, None, None) is made
    assert answers.read(name, "storm", None) != made
    with connect(path, read_only=False) as connection:
        connection.execute("DELETE FROM clustered_flashes WHERE flash_id < 20")
        connection.execute("CHECKPOINT")
    assert json.loads(answers.read(name, None, None))["total"] == 30


def test_numbers_that_are_none_are_null_in_json() -> None:
    data = {"a": [1.5, float("nan")], "b": {"c": float("inf")}}
    assert write_json(data) == b'{"a":[1.5,null],"b":{"c":null}}'


def test_sample_is_said() -> None:
    assert describe_sample(200_000) == ""
    assert describe_sample(1_000_000).startswith(
        "The map draws about 200,000 of the 1,000,000 flashes, always the same ones"
    )


def test_flashes_are_counted_in_batches_like_at_once(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = choose_bins(START, END)
    with Reader(database).open() as tables:
        (stored,) = list_results(tables)
        (whole,) = count_flashes(tables, "clustered_flashes", stored, edges)
        monkeypatch.setattr("lightning_kedro.dashboard.details.BATCH_ROWS", 100)
        (counts,) = count_flashes(tables, "clustered_flashes", stored, edges)
    assert BATCH_ROWS > 100
    assert counts.sum() == 5000
    assert counts.tolist() == whole.tolist()


def test_chart_keeps_to_the_scale_that_it_is_given() -> None:
    rate = make_tables(n=600).reported.rate
    alone, wide = chart_rate(rate), chart_rate(rate, top=10 * rate.peak)
    highest = min(bar.y for bar in alone.bars)
    assert highest == pytest.approx(8.0)
    assert min(bar.y for bar in wide.bars) == pytest.approx(100.0 - 92.0 / 10.0)
    assert alone.bars[-1].x + alone.bars[-1].width == pytest.approx(100.0)
    assert len(alone.ticks) <= 5


@pytest.mark.parametrize(
    ("top", "names"),
    [(1.0, "0 0.25 0.5 0.75 1"), (779.5, "0 200 400 600"), (0.03, "0 0.01 0.02 0.03")],
)
def test_levels_are_round(top: float, names: str) -> None:
    assert " ".join(one.names[0] for one in list_levels(top)) == names


@pytest.mark.parametrize(
    ("speed", "direction", "text"),
    [
        (12.34, 44.0, "12.3 m/s to NE"),
        (3.0, 359.0, "3.0 m/s to N"),
        (0.01, 90.0, "0.0 m/s"),
        (float("nan"), 10.0, "\N{EN DASH}"),
    ],
)
def test_motion_is_said_in_words(speed: float, direction: float, text: str) -> None:
    assert describe_motion(speed, direction) == text


def test_pages_that_wait_for_pages_say_so(database: Path) -> None:
    reader = Reader(database, queue=0.05)
    crowded = pytest.raises(CrowdedError, match="Many pages are read from the database at once")
    with reader.open(), crowded, reader.open():
        pass
    with reader.open() as tables:
        assert list_results(tables)


def test_file_is_closed_for_as_long_as_it_was_open(database: Path) -> None:
    reader = Reader(database)
    with reader.open():
        time.sleep(0.3)
    closed = time.monotonic()
    with reader.open():
        assert time.monotonic() - closed > 0.25


def test_taken_port_is_said_and_the_usual_one_gives_way() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        message = f"The dashboard cannot listen at 127.0.0.1 port {port}: .* Give another --port"
        with pytest.raises(ServerError, match=message):
            listen("127.0.0.1", port)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(server, "USUAL_PORT", port)
            with listen("127.0.0.1", None) as free:
                assert name_address(free) != f"http://127.0.0.1:{port}"


def test_address_that_is_none_is_said() -> None:
    with pytest.raises(
        ServerError, match=r"The dashboard cannot listen at 203\.0\.113\.7 port 0: "
    ):
        listen("203.0.113.7", 0)


def test_command_serves_the_environments_data(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project.folder)
    asked = []
    monkeypatch.setattr(server, "serve", lambda *given, **more: asked.append((given, more)))
    done = CliRunner().invoke(cli, ["serve", "--env", "sample", "--no-open", "--port", "0"])
    assert done.exit_code == 0, done.output
    ((database, reports, host, port, env, _), more) = asked[0]
    assert Path(database) == project.database("sample")
    assert reports == project.folder / "data" / "sample" / "08_reporting"
    assert (host, port, env, more) == ("127.0.0.1", 0, "sample", {"opens": False, "lake": None})
    assert not Path(database).exists(), "nothing is made"


def test_artifacts_are_those_of_the_result(tmp_path: Path) -> None:
    """The page has the report's notes: also what the pipeline sky has found."""
    path = tmp_path / "lightning.duckdb"
    result = save_result(path, n=40, storms=False)
    stored_notes = []
    for counts in (None, {"n_sun_glint": 3, "n_flashes": 40}):
        if counts is not None:
            counts["flashes_fingerprint"] = result.row["flashes_fingerprint"]
            columns = _fill(
                "sky_selection", {name: [counts[name]] for name in counts}, result.selection
            )
            row = make_table("sky_selection", result.selection, columns)
            with connect(path, read_only=False) as connection, transaction(connection):
                replace_rows(connection, "sky_selection", row, RESULT_KEY, simulated=True)
        with Reader(path).open() as tables:
            (stored,) = list_results(tables)
            reported = read_details(tables, stored).reported
        assert reported is not None
        stored_notes.append("\n".join(gather_findings(reported).notes))
    assert "Artifacts have not been looked for" in stored_notes[0]
    assert "3 of 40 flashes may be the Sun's glint on water." in stored_notes[1]
