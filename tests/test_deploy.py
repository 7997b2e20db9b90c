"""What stands in deploy/: units of systemd, a line for cron, a DAG of Airflow."""

import ast
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from lightning_kedro.commands.watch import watch
from lightning_kedro.parameters import check_parameters
from tests.conftest import PROJECT
from tests.test_parameters import NOW

DEPLOY = PROJECT / "deploy"
UNITS = sorted((DEPLOY / "systemd").iterdir())


def read_unit(path: Path) -> ConfigParser:
    unit = ConfigParser(interpolation=None, strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(path.read_text())
    return unit


def check_params(text: str) -> None:
    """Check what follows --params as a run does."""
    given: dict[str, dict[str, str]] = {}
    for pair in text.split(","):
        name, _, value = pair.partition("=")
        branch, _, leaf = name.rpartition(".")
        (given.setdefault(branch, {}) if branch else given)[leaf] = value  # type: ignore[index]
    check_parameters({"window": {"start": "now-1h", "end": "now"}, **given}, now=NOW)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit_is_one_that_systemd_takes(path: Path, tmp_path: Path) -> None:
    unit = read_unit(path)
    assert "Description" in unit["Unit"]
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    for one in UNITS:  # with a program and a folder that there are
        text = re.sub(r"/srv/lightning/venv/bin/lightning-kedro", sys.executable, one.read_text())
        text = text.replace("/srv/lightning", str(tmp_path)).replace("User=lightning\n", "")
        (tmp_path / one.name).write_text(text)
    command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / path.name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = [line for line in done.stderr.splitlines() if "lightning-kedro" in line]
    assert ours == []


def test_timer_begins_runs_that_do_not_overlap() -> None:
    service = read_unit(DEPLOY / "systemd" / "lightning-kedro.service")["Service"]
    assert service["Type"] == "oneshot", "while one goes on, a timer begins no other"
    assert read_unit(DEPLOY / "systemd" / "lightning-kedro.timer")["Timer"]["OnCalendar"]
    check_params(service["ExecStart"].partition("--params ")[2])


def test_watch_service_gives_options_that_there_are() -> None:
    service = read_unit(DEPLOY / "systemd" / "lightning-kedro-watch.service")["Service"]
    program, verb, *options = service["ExecStart"].split()
    assert (Path(program).name, verb, service["Restart"]) == ("lightning-kedro", "watch", "always")
    given = watch.make_context("watch", options).params
    check_params(given["params"])


def test_cron_line_is_one_and_runs_do_not_overlap(tmp_path: Path) -> None:
    (line,) = [one for one in (DEPLOY / "crontab").read_text().splitlines() if one[:1] != "#"]
    *times, command = line.split(None, 5)
    field = re.compile(r"(\*|\d+(-\d+)?)(/\d+)?")
    assert all(field.fullmatch(time) for time in times)
    assert "%" not in command, "cron takes it for the end of the line"
    found = re.search(r"--params (\S+)", command)
    assert found is not None
    check_params(found[1])
    if not shutil.which("flock"):
        pytest.skip("flock is not installed")
    text = re.sub(r"venv/bin/.*", "sh -c 'echo ran >>log; sleep 1'", command)
    text = text.replace("/srv/lightning", str(tmp_path))
    runs = [subprocess.Popen(["sh", "-c", text]) for _ in range(3)]
    assert sorted(run.wait() for run in runs) == [0, 1, 1]
    assert (tmp_path / "log").read_text() == "ran\n"


def test_dag_has_one_task_that_is_a_run_of_its_interval() -> None:
    source = (DEPLOY / "airflow_dag.py").read_text()
    ast.parse(source)
    assert source.count("BashOperator(") == 1
    assert "max_active_runs=1" in source


def test_dag_is_loaded_by_airflow(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("airflow", reason="Airflow is large: it is tested where it is installed")
    import importlib.util

    monkeypatch.setenv("LIGHTNING_KEDRO_FOLDER", "/srv/my lightning")
    spec = importlib.util.spec_from_file_location("airflow_dag", DEPLOY / "airflow_dag.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (task,) = module.dag.tasks
    assert (module.dag.dag_id, task.task_id, task.cwd) == ("lightning", "run", "/srv/my lightning")
    assert '"/srv/my lightning/venv/bin/lightning-kedro" run --params' in task.bash_command
    from datetime import UTC, datetime

    from jinja2 import Template

    sides = {"data_interval_start": datetime(2024, 7, 14, 9, tzinfo=UTC)}
    sides["data_interval_end"] = datetime(2024, 7, 14, 10, tzinfo=UTC)
    command = Template(task.bash_command).render(**sides)
    assert 'window.start=2024-07-14T09:00,window.end=2024-07-14T10:00"' in command
    check_params(command.partition('--params "')[2].rstrip('"'))
