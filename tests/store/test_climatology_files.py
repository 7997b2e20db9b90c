"""Files of a climatology: what is in them, and that their folder changes as a whole."""

import csv
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import xarray as xr
from tests.analysis.test_climatology_building import build, hour

from lightning_kedro.analysis.climatology.published import PublishedClimatology
from lightning_kedro.datasets.climatology import ClimatologyDataset
from lightning_kedro.exceptions import StorageError
from lightning_kedro.file_formats import NETCDF
from lightning_kedro.store import climatology_files, folders
from lightning_kedro.store.climatology_files import FIELDS, TABLE, write_climatology

NAME = "G19_20260701T0000_20260703T0000_0.05deg"
PLACE = (28.02, -81.02)


def publish(picture: bytes = b"picture") -> PublishedClimatology:
    made = build(hour(20, PLACE, PLACE), hour(21, PLACE))
    return PublishedClimatology(
        name=NAME,
        files={"thunder_hours.png": picture},
        extras={},
        card={},
        climatology=made,
        start="2026-07-01T00:00:00",
        end="2026-07-03T00:00:00",
        facts={"platform_ID": "G19", "thunder_radius_km": 15.0},
    )


def test_fields_follow_cf_and_hold_the_values(tmp_path: Path) -> None:
    published = publish()
    entry = ClimatologyDataset(path=str(tmp_path), name=NAME)
    assert not entry.exists()
    entry.save(published)
    with entry.load() as fields:
        assert fields.attrs["Conventions"] == "CF-1.8"
        assert fields.attrs["platform_ID"] == "G19"
        assert fields.flash_density.attrs["units"] == "km-2 yr-1"
        assert fields.thunder_hours.attrs["grid_mapping"] == "crs"
        assert fields.crs.attrs["grid_mapping_name"] == "latitude_longitude"
        assert str(fields.time.values)[:19] == "2026-07-01T00:00:00"
        assert str(fields.time_bounds.values[1])[:19] == "2026-07-03T00:00:00"
        there = fields.sel(lat=PLACE[0], lon=PLACE[1], method="nearest")
        assert int(there.thunder_hours) == 1
        assert int(there.flash_count) == 3
        made = published.climatology
        np.testing.assert_array_equal(fields.flash_density, made.flash_density)
        np.testing.assert_array_equal(fields.flash_rate_utc, made.cycle.utc_rate)
        assert fields.lat_bounds.values[0] == pytest.approx([26.0, 26.05])
    assert (entry.folder / "thunder_hours.png").read_bytes() == b"picture"


def test_same_climatology_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_climatology(tmp_path / name, publish()) for name in ("a", "b"))
    for name in (FIELDS[NETCDF], TABLE):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_table_has_a_row_for_each_hour_of_the_day(tmp_path: Path) -> None:
    folder = write_climatology(tmp_path, publish())
    rows = list(csv.DictReader((folder / TABLE).read_text().splitlines()))
    assert [row["hour"] for row in rows] == [str(number) for number in range(24)]
    assert rows[20]["flash_count_utc"] == "2"
    assert float(rows[20]["flash_rate_utc"]) == pytest.approx(2.0)
    assert rows[3]["flash_rate_utc"] == "", "not observed: no rate, and not zero"


def test_folder_changes_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends while it writes leaves the former files; one between the renames, the new."""
    folder = write_climatology(tmp_path, publish(b"former"))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(climatology_files, "_write_fields", stop)
        with pytest.raises(KeyboardInterrupt):
            write_climatology(tmp_path, publish(b"half"))
    assert (folder / "thunder_hours.png").read_bytes() == b"former"
    with monkeypatch.context() as patch:
        finish = Mock(side_effect=[None, KeyboardInterrupt])
        patch.setattr(folders, "_finish", finish)
        with pytest.raises(KeyboardInterrupt):
            write_climatology(tmp_path, publish(b"new"))
    folder.rename(tmp_path / f".{NAME}.former")  # as if killed between the renames
    with ClimatologyDataset(path=str(tmp_path), name=NAME).load():
        pass
    assert (folder / "thunder_hours.png").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [NAME]


def test_folder_that_cannot_be_written_to_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        write_climatology(tmp_path / "file" / "below", publish())


def test_file_is_opened_by_xarray_as_it_is(tmp_path: Path) -> None:
    folder = write_climatology(tmp_path, publish())
    with xr.open_dataset(folder / FIELDS[NETCDF]) as fields:
        assert set(fields.dims) == {"lat", "lon", "hour", "bounds"}
