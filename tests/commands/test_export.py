"""The options of ``export``: read as parameters of a run are, and refused in the same words."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from lightning_kedro.cli import cli
from lightning_kedro.commands.export import EXPORTED, describe, read_wanted
from lightning_kedro.exceptions import ParameterError
from lightning_kedro.selection import Region
from lightning_kedro.store import export as export_module
from lightning_kedro.store.export import Wanted

NOW = datetime(2024, 7, 15, tzinfo=UTC)


def test_tables_are_those_that_can_be_exported() -> None:
    assert EXPORTED == export_module.EXPORTED


def test_nothing_asked_for_is_nothing_wanted() -> None:
    assert read_wanted(now=NOW) == Wanted()


def test_options_are_read_as_parameters_are() -> None:
    wanted = read_wanted("now-3h/2024-07-15T01:00+01:00", "goes-18", "170,-40,-150,40", now=NOW)
    window = (datetime(2024, 7, 14, 21, tzinfo=UTC), NOW)
    assert wanted == Wanted("G18", window, Region(170, -40, -150, 40))
    assert read_wanted(region="all", label="7", min_quality="good", now=NOW) == Wanted(
        region="all", label="7", min_quality="good"
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": "2024-07-14T22:00"}, "Option --window: '2024-07-14T22:00' is no window; give"),
        ({"window": "a/b"}, "Parameter window.start: 'a' is not a time"),
        ({"window": "2024-07-14/2024-07-13"}, r"must be before window\.end"),
        ({"region": "1,2,3"}, "Option --region: '1,2,3' is no region; give west,south,east,north"),
        ({"region": "1,2,3,x"}, r"Parameter preprocessing\.region\.north: 'x' cannot be used"),
        ({"region": "0,50,10,40"}, r"south \(50\) must be less than north \(40\)"),
        ({"satellite": "G99"}, "Parameter satellite: 'G99' cannot be used"),
        ({"label": " "}, r"Parameter clustering\.label: "),
    ],
)
def test_option_that_cannot_be_used_is_named(options: dict[str, str], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        read_wanted(**options, now=NOW)


def test_folder_without_a_database_is_told_what_to_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for program in ("lightning-kedro", "kedro"):
        asked = ["export", "flashes", "--to", "flashes.parquet"]
        done = CliRunner().invoke(cli, asked, prog_name=program)
        assert done.exit_code == 1
        assert done.output == (
            f"Error: There is no database {tmp_path}/data/03_primary/lightning.duckdb yet: run "
            f"`{program} run --pipelines ingestion` first.\n"
        )


def test_what_was_written_is_said() -> None:
    about = {"platform": "G18", "window_start": "a", "window_end": "b", "region": "1,2,3,4"}
    told = describe(22968, "flashes", {**about, "label": "mine"})
    assert told == "22,968 rows of flashes (G18, a to b, region 1,2,3,4, label mine)"


def test_label_of_a_variant_is_one() -> None:
    """Results with places on the ground have @ground after their label."""
    assert read_wanted(label="mine@ground", now=NOW).label == "mine@ground"
    assert read_wanted(label="default@10km+no-sun", satellite="both", now=NOW) == Wanted(
        satellite="both", label="default@10km+no-sun"
    )
