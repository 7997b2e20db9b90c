"""The pipeline ``reporting`` under every runner: one result in, one publication out."""

import json
import logging
import pickle
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml
from kedro.io import DataCatalog, MemoryDataset, SharedMemoryDataCatalog
from kedro.runner import ParallelRunner, SequentialRunner, ThreadRunner
from tests.conftest import PROJECT
from tests.pipelines.reported_results import (
    Handle,
    Tables,
    gather,
    gather_once,
    make_tables,
)
from tests.pipelines.storm_results import make_stormy

from lightning_kedro.datasets.report import ChartDataset, ReportDataset
from lightning_kedro.exceptions import NoResultError, PartialRunError
from lightning_kedro.hooks import SummariseReport, describe_report
from lightning_kedro.pipelines.reporting import create_pipeline
from lightning_kedro.store import reports

FILES = {
    "cluster_animation.gif",
    "cluster_map.png",
    "density_map.png",
    "density_panels.png",
    "flash_extent_animation.gif",
    "flash_extent_density.png",
    "flash_extent_panels.png",
    "flash_rate.png",
    "k_evaluation.json",
    "k_evaluation.png",
    "report.html",
    "storm_map.png",
    "storm_series.png",
}


def make_catalog(
    data: Path, tables: Tables, *others: Tables, kind: type[DataCatalog] = DataCatalog
) -> DataCatalog:
    """The catalog's own entries of reporting, and a made-up result."""
    text = (PROJECT / "conf" / "base" / "catalog_reporting.yml").read_text()
    facts = {
        "${globals:data}": str(data),
        "${globals:published}": "null",
        "${runtime_params:made_for.reporting,none}": tables.selection.name,
        "${runtime_params:session,none}": uuid4().hex,
    }
    for name, value in facts.items():
        text = text.replace(name, value)
    entries = yaml.safe_load(text)
    config = {name: entry for name, entry in entries.items() if not name.startswith("_")}
    catalog = kind.from_config(config)
    # Shared with the processes of ParallelRunner by pickling, which a handle can bear.
    catalog["k_selection"] = HandleDataset(Handle([tables, *others]))
    catalog["storm_selection"] = HandleDataset(Handle([tables, *others]))
    catalog["grids"] = HandleDataset({})
    catalog["sky_selection"] = HandleDataset(Handle([tables, *others]))
    catalog["params:selection"] = MemoryDataset(tables.selection.to_plain())
    catalog["params:run_time"] = MemoryDataset("2024-07-20T00:00:00")
    catalog["params:unchanged"] = MemoryDataset("keep")
    return catalog


class HandleDataset(MemoryDataset):
    """An entry that other processes may load too."""

    _SINGLE_PROCESS = False


def read(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_pipeline_takes_the_result_and_the_selection_only() -> None:
    """What it takes does not grow with the history: no table is read as a whole."""
    taken = {"k_selection", "storm_selection", "sky_selection", "grids", "stored_report"}
    parameters = {"params:selection", "params:run_time", "params:unchanged"}
    assert create_pipeline().inputs() == taken | parameters


def test_reporting_imports_nothing_of_clustering() -> None:
    folder = PROJECT / "src" / "lightning_kedro" / "pipelines" / "reporting"
    for path in folder.glob("*.py"):
        assert "pipelines.clustering" not in path.read_text(encoding="utf-8"), path.name


@pytest.fixture(scope="module")
def tables() -> Tables:
    return make_stormy(n=400)


@pytest.fixture(scope="module")
def former() -> Tables:
    return make_tables(n=30)


@pytest.fixture(scope="module")
def expected(tables: Tables) -> dict[str, bytes]:
    return dict(gather_once(tables).files)


@pytest.mark.parametrize(
    ("runner", "options"),
    [
        (SequentialRunner, {}),
        (SequentialRunner, {"is_async": True}),
        (ThreadRunner, {"max_workers": 3}),
        (ParallelRunner, {"max_workers": 2}),
    ],
    ids=["sequential", "async", "threads", "processes"],
)
def test_every_runner_publishes_the_same_bytes(
    tmp_path: Path, tables: Tables, expected: dict[str, bytes], runner: Any, options: dict[str, Any]
) -> None:
    shared = runner is ParallelRunner
    kind = SharedMemoryDataCatalog if shared else DataCatalog
    catalog = make_catalog(tmp_path, tables, kind=kind)
    runner(**options).run(create_pipeline(), catalog)
    root = tmp_path / "08_reporting"
    shown = read(root)
    assert shown.pop(reports.INDEX)
    assert shown == expected
    own = read(root / tables.selection.name)
    assert set(own) == FILES | {"result.json", "thumbnail.png"}
    assert {name: own[name] for name in FILES} == expected
    assert catalog["cluster_map"].load() == expected["cluster_map.png"]
    assert catalog["report"].load() == expected["report.html"].decode()
    assert catalog["k_evaluation_chart"].load().to_dict()["data"]


@pytest.mark.usefixtures("stand_ins")
def test_run_without_a_result_leaves_the_last_report_alone(tmp_path: Path, tables: Tables) -> None:
    SequentialRunner().run(create_pipeline(), make_catalog(tmp_path, tables))
    root = tmp_path / "08_reporting"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    catalog = make_catalog(tmp_path, tables)
    catalog["params:selection"] = MemoryDataset(make_tables(n=0, hours=2).selection.to_plain())
    with pytest.raises(NoResultError, match="There is no result of the window 2024-07-14T22:00"):
        SequentialRunner().run(create_pipeline(), catalog)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("stand_ins")
def test_error_at_the_last_save_leaves_the_last_report_whole(
    tmp_path: Path, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = make_tables(n=30)
    SequentialRunner().run(create_pipeline(), make_catalog(tmp_path, former))
    root = tmp_path / "08_reporting"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}

    def fail(*_: object) -> None:
        message = "no space left"
        raise OSError(message)

    monkeypatch.setattr(ReportDataset, "save", fail)
    with pytest.raises(OSError, match="no space left"):
        SequentialRunner().run(create_pipeline(), make_catalog(tmp_path, tables))
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("stand_ins")
def test_results_that_differ_in_any_part_of_the_key_stand_side_by_side(tmp_path: Path) -> None:
    variants: list[dict[str, Any]] = [
        {},
        {"hours": 2.0},
        {"satellite": "G17"},
        {"region": (-100.0, 20.0, -80.0, 45.0)},
        {"min_quality": "good"},
        {"label": "fine"},
    ]
    made = [make_tables(n=20 + number, **selected) for number, selected in enumerate(variants)]
    for one in made:
        SequentialRunner().run(create_pipeline(), make_catalog(tmp_path, one, *made))
    root = tmp_path / "08_reporting"
    assert len(reports.list_reports(root)) == len(variants)
    for number, one in enumerate(made):
        card = json.loads((root / one.selection.name / "result.json").read_bytes())
        assert card["n_flashes"] == 20 + number
        assert card["region"] == one.selection.key.region
        assert card["label"] == one.selection.key.label
        page = (root / one.selection.name / "report.html").read_text(encoding="utf-8")
        assert f"{20 + number} GLM flashes" in page


def test_what_is_passed_on_is_not_copied(tables: Tables) -> None:
    reported = tables.reported
    publication = gather_once(tables)
    for one in (reported, publication, tables.result):
        assert deepcopy(one) is one
    again = pickle.loads(pickle.dumps(reported))  # noqa: S301  (made here)
    assert (again.clustered.lat == reported.clustered.lat).all()


def test_publication_is_published_by_the_last_entry_alone(tmp_path: Path, tables: Tables) -> None:
    catalog = make_catalog(tmp_path, tables)
    publication = gather_once(tables)
    *first, last = (name for name in create_pipeline().nodes[-1].outputs)
    assert last == "report"
    for name in first:
        catalog[name].save(publication)
    assert not (tmp_path / "08_reporting").exists()
    catalog[last].save(publication)
    assert set(read(tmp_path / "08_reporting")) > FILES


def test_saving_what_was_loaded_changes_nothing(tmp_path: Path, tables: Tables) -> None:
    catalog = make_catalog(tmp_path, tables)
    catalog["report"].save(gather_once(tables))
    root = tmp_path / "08_reporting"
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for name in create_pipeline().nodes[-1].outputs:
        assert catalog[name].exists()
        catalog[name].save(catalog[name].load())
    after = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    for path, content in before.items():
        if path == root / "k_evaluation.json":  # Plotly puts the names in another order
            assert json.loads(content) == json.loads(after[path])
        else:
            assert content == after[path], path.name


@pytest.mark.parametrize("name", ["cluster_map", "report", "k_evaluation_chart"])
@pytest.mark.parametrize("action", ["load", "preview"])
def test_looking_completes_what_a_kill_left(
    tmp_path: Path,
    tables: Tables,
    former: Tables,
    name: str,
    action: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = make_catalog(tmp_path, tables)
    catalog["report"].save(gather_once(former))
    with monkeypatch.context() as patch:
        calls: list[Path] = []

        def stop(root: Path) -> None:
            calls.append(root)
            if len(calls) > 1:
                raise KeyboardInterrupt

        patch.setattr(reports, "_complete", stop)
        with pytest.raises(KeyboardInterrupt):
            catalog["report"].save(gather_once(tables))
    root = tmp_path / "08_reporting"
    assert b"30 GLM flashes" in (root / "report.html").read_bytes()
    getattr(catalog[name], action)()
    assert {file: content for file, content in read(root).items() if file in FILES} == dict(
        gather_once(tables).files
    )


def test_previews_are_what_kedro_viz_shows(tmp_path: Path, tables: Tables) -> None:
    catalog = make_catalog(tmp_path, tables)
    publication = gather_once(tables)
    catalog["report"].save(publication)
    assert catalog["report"].preview() == catalog["cluster_map"].preview()
    assert len(catalog["k_evaluation_chart"].preview()["data"]) == 2
    hints = {
        ReportDataset: "ImagePreview",
        ChartDataset: "PlotlyPreview",
    }
    for dataset, hint in hints.items():
        assert dataset.preview.__annotations__["return"].__name__ == hint
    assert "report.html" in repr(catalog["report"])
    assert "k_evaluation.json" in repr(catalog["k_evaluation_chart"])


@pytest.fixture
def summary() -> Any:
    """What ends a run, as pluggy calls it."""
    import pluggy
    from kedro.framework.hooks.specs import PipelineSpecs

    manager = pluggy.PluginManager("kedro")
    manager.add_hookspecs(PipelineSpecs)
    manager.register(SummariseReport())
    return manager


def end(manager: Any, catalog: DataCatalog, pipeline: Any) -> None:
    manager.hook.after_pipeline_run(
        run_params={}, run_result={}, pipeline=pipeline, catalog=catalog
    )


@pytest.mark.usefixtures("stand_ins")
@pytest.mark.parametrize(
    ("n", "words"), [(0, "0 flashes"), (1, "1 flash"), (1234, "1,234 flashes")]
)
def test_last_line_says_where_the_report_is(
    tmp_path: Path,
    summary: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    words: str,
) -> None:
    made = make_tables(n=n, label="a b")
    catalog = make_catalog(tmp_path / "data", made)
    catalog["report"].save(gather(made))
    name = made.selection.name
    with caplog.at_level(logging.INFO):
        end(summary, catalog, create_pipeline())
        monkeypatch.chdir(tmp_path)
        end(summary, catalog, create_pipeline())
        end(summary, catalog, create_pipeline().only_nodes("select_result"))
    place = f"data/08_reporting/{name}/report.html"
    assert caplog.messages == [
        f"Report of {words} in the window: {tmp_path}/{place}",
        f"Report of {words} in the window: {place}",
    ]


def test_last_line_comes_after_what_is_missing(
    tmp_path: Path, summary: Any, caplog: pytest.LogCaptureFixture, tables: Tables
) -> None:
    from kedro.framework.hooks import hook_impl

    from lightning_kedro.exceptions import IncompleteRunError

    class Incomplete:
        @hook_impl
        def after_pipeline_run(self) -> None:
            raise IncompleteRunError

    summary.register(Incomplete())
    catalog = make_catalog(tmp_path, tables)
    catalog["report"].save(gather_once(tables))
    with caplog.at_level(logging.INFO), pytest.raises(IncompleteRunError):
        end(summary, catalog, create_pipeline())
    assert caplog.messages[-1].startswith("Report of 400 flashes in the window: ")


def test_nothing_is_said_of_a_report_that_is_not_there(tmp_path: Path, tables: Tables) -> None:
    catalog = make_catalog(tmp_path, tables)
    assert describe_report(catalog) == ""
    catalog["report"] = MemoryDataset("<!DOCTYPE html>")
    assert describe_report(catalog) == ""


def test_every_node_may_run_in_a_process_of_its_own(
    tmp_path: Path, tables: Tables, expected: dict[str, bytes]
) -> None:
    """Each with a catalog of its own, as separate runs have."""
    pipeline = create_pipeline()
    for node in pipeline.nodes:
        catalog = make_catalog(tmp_path, tables)
        SequentialRunner().run(pipeline.only_nodes(node.name), catalog)
    shown = read(tmp_path / "08_reporting")
    assert {name: shown[name] for name in FILES} == expected


@pytest.mark.usefixtures("stand_ins")
def test_pictures_of_another_result_are_refused(tmp_path: Path, tables: Tables) -> None:
    """The window was clustered again between two runs of some of the nodes."""
    pipeline = create_pipeline()
    SequentialRunner().run(pipeline, make_catalog(tmp_path, tables))
    before = read(tmp_path / "08_reporting")
    row = tables.k_selection.assign(flashes_fingerprint="other")
    newer = replace(tables, k_selection=row)
    for name in ("select_result", "cluster_map"):
        SequentialRunner().run(pipeline.only_nodes(name), make_catalog(tmp_path, newer))
    with pytest.raises(PartialRunError, match=r"A picture was drawn of G18_.*, but the"):
        SequentialRunner().run(pipeline.only_nodes("report"), make_catalog(tmp_path, newer))
    assert read(tmp_path / "08_reporting") == before


def test_pictures_of_one_result_are_the_same_byte_for_byte(tables: Tables) -> None:
    assert gather(tables).files == gather_once(tables).files
