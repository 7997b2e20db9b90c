"""Dagster's view of the pipelines: loaded, materialised, backfilled and scheduled.

Skipped where Dagster is not installed, as in continuous integration: with all that it brings it
takes longer to install than these tests take to run.
"""

import importlib
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import PROJECT
from tests.ingesting import HOUR, make_granules, put

dg = pytest.importorskip("dagster")

pytestmark = pytest.mark.filterwarnings("ignore:Function `JobDefinition:DeprecationWarning")

HOURS = [f"{HOUR + timedelta(hours=number):%Y-%m-%d-%H:%M}" for number in range(3)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three hours, of which the archive has the first granule each."""
    root = tmp_path_factory.mktemp("dagster")
    for number in range(3):
        for name, content in make_granules(HOUR + timedelta(hours=number), [0]):
            put(root / "archive", name, content)
    return root


@pytest.fixture(scope="module")
def definitions(folder: Path) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIGHTNING_KEDRO_FOLDER", str(folder))
        params = f"satellite=G17,archive={folder / 'archive'},clustering.k_max=2"
        patch.setenv("LIGHTNING_KEDRO_PARAMS", params)
        patch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
        yield importlib.reload(importlib.import_module("lightning_kedro.definitions"))


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Any]:
    shutil.copy(PROJECT / "deploy" / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def config(step: str, **options: str) -> dict[str, Any]:
    return {"ops": {f"hour_{step}": {"config": options}}}


def run(definitions: Any, instance: Any, step: str, partition: str, **options: str) -> Any:
    (assets,) = [one for one in definitions.defs.assets if one.op.name == f"hour_{step}"]
    return dg.materialize(
        [assets],
        run_config=config(step, **options),
        partition_key=partition,
        instance=instance,
        raise_on_error=False,
    )


def test_assets_are_what_the_pipelines_make(definitions: Any) -> None:
    graph = definitions.defs.get_repository_def().asset_graph
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    made = {"granules", "flashes", "storms", "cluster_centers", "k_selection", "report"}
    assert {f"{span}/{name}" for span in ("hour", "day") for name in made} <= keys
    assert not [key for key in keys if "drawn" in key or key.endswith("load_report")]
    parents = {
        name: {key.path[-1] for key in graph.get(dg.AssetKey(["hour", name])).parent_keys}
        for name in ("flashes", "storms", "k_selection", "report")
    }
    assert parents == {
        "flashes": set(),
        "storms": {"flashes"},
        "k_selection": {"flashes"},
        "report": {"k_selection", "storm_selection", "sky_selection"},
    }
    steps = definitions.defs.get_repository_def().asset_graph.assets_defs
    assert {step.op.pool for step in steps} == {"lightning_database"}


def test_run_is_a_window_and_its_log_the_steps(definitions: Any, instance: Any) -> None:
    done = run(definitions, instance, "ingestion", HOURS[0], gaps="allow")
    assert done.success
    event = instance.get_latest_materialization_event(dg.AssetKey(["hour", "flashes"]))
    metadata = event.asset_materialization.metadata
    assert "window.start=2024-07-14T09:00,window.end=2024-07-14T10:00" in metadata["command"].text
    assert "Loaded 2 new granules" in metadata["log"].md_str


def test_run_that_lacks_a_granule_is_red_with_its_sentence(definitions: Any, instance: Any) -> None:
    done = run(definitions, instance, "ingestion", HOURS[0])
    assert not done.success
    (failure,) = [event for event in done.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data.description.startswith("The run is incomplete, everything else is loaded")
    assert "ingestion.gaps is error: 179 missing and 0 corrupt" in data.description
    assert "Traceback" not in data.description
    bad = run(definitions, instance, "storms", HOURS[0], params="satellite=G99")
    (failure,) = [event for event in bad.all_events if event.is_step_failure]
    assert failure.step_failure_data.user_failure_data.description.startswith(
        "Parameter satellite: 'G99'"
    )


def test_three_hours_are_backfilled(definitions: Any, instance: Any) -> None:
    for partition in HOURS:
        assert run(definitions, instance, "ingestion", partition, gaps="allow").success
    made = instance.get_materialized_partitions(dg.AssetKey(["hour", "granules"]))
    assert made == {*HOURS}


def test_schedules_ask_for_the_hour_and_the_day_that_are_over(
    definitions: Any, instance: Any
) -> None:
    repository = definitions.defs.get_repository_def()
    now = datetime(2024, 7, 15, 1, 30, tzinfo=UTC)
    asked = {}
    for schedule in repository.schedule_defs:
        context = dg.build_schedule_context(
            instance, scheduled_execution_time=now, repository_def=repository
        )
        ((request,), _) = (schedule.evaluate_tick(context).run_requests, None)
        asked[schedule.cron_schedule] = request.partition_key
    assert asked == {"5 * * * *": "2024-07-15-00:00", "30 1 * * *": "2024-07-14"}


def test_error_is_the_last_one_that_the_log_has(definitions: Any) -> None:
    lines = ["Error: old", "more", "Error: Parameter x.", "  second line"]
    assert definitions.find_error(lines, 1) == "Parameter x.\n  second line"
    assert (
        definitions.find_error(["killed"], -9)
        == "The run has ended with status -9: its log says why."
    )
