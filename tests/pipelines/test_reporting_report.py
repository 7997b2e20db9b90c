"""The report: one file that holds everything and asks for nothing."""

import base64
import json
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError
from tests.pipelines.reported_results import (
    START,
    Tables,
    draw_all,
    gather,
    make_tables,
    write_page,
)

from lightning_kedro.datasets.picture import PictureDataset
from lightning_kedro.pipelines.reporting import findings, interactive_map
from lightning_kedro.pipelines.reporting.reported import count_flags


class Addresses(HTMLParser):
    """All addresses that a page names."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value or "" for name, value in attrs if name in {"src", "href", "action"}]
        assert tag not in {"iframe", "object", "embed"}


def read_data(page: str) -> dict[str, Any]:
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page)
    data: dict[str, Any] = json.loads(text)
    return data


def unpack(axis: tuple[float, float, str]) -> Any:
    low, step, text = axis
    return low + step * np.frombuffer(base64.b64decode(text), "<u2")


def test_report_holds_everything_and_asks_for_nothing() -> None:
    tables = make_tables(n=20_000, simulated=True)
    pictures = draw_all(tables)
    page = write_page(tables, pictures)
    assert len(page.encode()) < 10e6
    addresses = Addresses(page).found
    assert all(address.startswith("data:") for address in addresses)
    assert "http" not in re.sub(r'http-equiv|"data:[^"]*"', "", page)
    for content in pictures.values():
        assert base64.b64encode(content).decode() in page
    for text in (
        "4 lightning clusters seen by GOES-18 (West)",
        "20,000",
        "no storm of this report",
    ):
        assert text in page
    for name, value in findings.list_options(tables.reported.row):
        assert f"<code>{name}</code></td><td><code>{value}</code>" in page


def test_report_of_an_empty_window_says_so() -> None:
    page = write_page(make_tables(n=0))
    assert "No clustered flashes in this window" in page
    assert "No k was evaluated" in page
    assert read_data(page)["flashes"]["n"] == 0


def test_what_is_recorded_is_shown_and_nulls_are_not() -> None:
    tables = make_tables(n=10)
    row = tables.k_selection.assign(time_scale_km_per_hour=np.nan, standardize=True)
    options = dict(findings.list_options(replace(tables, k_selection=row).reported.row))
    assert options["standardize"] == "true"
    assert options["window_start"] == "2024-07-14T22:00:00"
    assert options["requested_criterion"] == "silhouette"
    assert options["code_version"] == "0.1.0+g1937cf2"
    assert not {"west", "requested_k", "time_scale_km_per_hour", "cell_size_km"} & set(options)
    foot = write_page(tables).partition("<footer")[2]
    assert "Clustered 2025-01-01 06:30:00 UTC" in foot
    assert "lightning_kedro 0.1.0+g1937cf2" in foot
    assert "flashes 60b5c1a2" in foot
    assert tables.selection.name in foot


def test_what_is_not_known_of_an_old_result_is_left_out() -> None:
    tables = make_tables(n=10)
    unknown = {"code_version": None, "run_time": pd.NaT, "flashes_fingerprint": None}
    old = replace(tables, k_selection=tables.k_selection.assign(**unknown))
    assert findings.describe_origin(old.reported.row) == ""
    assert gather(old).card["run_time"] == ""
    for text in ("None", "NaT", "nan"):
        assert f"<code>{text}" not in write_page(old)


def test_recorded_texts_cannot_break_out_of_the_page() -> None:
    tables = make_tables(n=10)
    evil = tables.k_selection.assign(label="<script>alert(1)</script>")
    page = write_page(replace(tables, k_selection=evil))
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_interactive_map_holds_every_flash_where_and_when_it_was() -> None:
    tables = make_tables(n=5000)
    clustered = tables.clustered
    data = read_data(write_page(tables))
    order = np.argsort(clustered.time, kind="stable")
    lon = clustered.choose_extent(1.6).unwind(clustered.lon[order])
    np.testing.assert_allclose(unpack(data["flashes"]["lon"]), lon, atol=0.003)
    np.testing.assert_allclose(unpack(data["flashes"]["lat"]), clustered.lat[order], atol=0.003)
    times = np.frombuffer(base64.b64decode(data["flashes"]["time"]), "<u4")
    wanted = (clustered.time[order] - np.datetime64(START)) / np.timedelta64(1, "ms")
    np.testing.assert_allclose(times, wanted, atol=1.0)
    clusters = np.frombuffer(base64.b64decode(data["flashes"]["cluster"]), "<u2")
    np.testing.assert_array_equal(clusters, clustered.cluster[order])
    assert sum(data["counts"]) == data["total"] == 5000
    assert len(data["frames"]) == len(data["counts"]) == len(data["edges"]) - 1 == 12


def test_half_a_million_flashes_are_thinned_and_the_report_says_so() -> None:
    tables = make_tables(n=500_000)
    page = write_page(tables)
    data = read_data(page)
    assert data["flashes"]["n"] == 200_000
    assert sum(data["counts"]) == 500_000
    assert "draws 200,000 of the 500,000 flashes, chosen evenly at random" in page
    assert len(page.encode()) < 5e6
    clusters = np.frombuffer(base64.b64decode(data["flashes"]["cluster"]), "<u2")
    shares = np.bincount(clusters) / 200_000
    counts = pd.Series(tables.clustered.cluster).value_counts(normalize=True).sort_index()
    np.testing.assert_allclose(shares, counts, atol=0.005)
    assert not interactive_map.describe_downsampling(200_000)


def test_basemap_of_the_map_is_whole_and_small() -> None:
    layers = read_data(write_page(make_tables(n=10)))["basemap"]
    for layer in layers.values():
        lengths = np.frombuffer(base64.b64decode(layer["lengths"]), "<u2")
        points = np.frombuffer(base64.b64decode(layer["points"]), "<i2").reshape(-1, 2)
        assert lengths.sum() == len(points)
        assert np.abs(points * layer["unit"]).max() < 200.0
    assert len(json.dumps(layers)) < 300_000


def find(tables: Tables) -> findings.Findings:
    return findings.gather_findings(tables.reported)


def test_notes_name_what_is_missing_corrupt_flagged_or_merged() -> None:
    tables = make_tables(n=1000)
    granules = tables.granules.drop(index=range(10, 14))
    granules.loc[50:59, "status"] = "corrupt"
    granules.loc[50:59, "reason"] = "cut short"
    merged = tables.k_selection.assign(method="cells", n_cells=400, cell_size_km=5.0)
    coverage = tables.coverage.assign(found=176, corrupt=10, missing=4)
    found = find(replace(tables, granules=granules, k_selection=merged, coverage=coverage))
    notes = "\n".join(found.notes)
    assert "176 granules lie in the window: 166 with flashes, 0 empty, 10 corrupt." in notes
    assert notes.count("Corrupt: OR_GLM-L2-LCFA (cut short).") == 8
    assert "And 2 more corrupt granules." in notes
    assert "has 176 of 180 expected granules (4 missing)" in notes
    assert "100 flashes (10.00 %) have flag 3: cut: too many events." in notes
    assert "1,000 flashes were merged into 400 cells of 5.0 km" in notes
    assert "those of the flashes themselves, each right to within 1.0e-12, as proved." in notes
    unknown = replace(tables, k_selection=merged.assign(silhouette_error_bound=None))
    assert "as proved" not in "\n".join(find(unknown).notes)
    assert found.gaps == [
        "14 Jul 22:16:40 to 14 Jul 22:20:00 UTC (200 s)",
        "14 Jul 22:03:20 to 14 Jul 22:04:40 UTC (80 s)",
    ]


def test_many_gaps_are_counted_not_listed() -> None:
    tables = make_tables(n=100)
    found = find(replace(tables, granules=tables.granules[::2]))
    assert len(found.gaps) == 9
    assert found.gaps[-1] == "and 82 shorter ones"


def test_good_flashes_are_said_to_be_good() -> None:
    tables = make_tables(n=5)
    flags = count_flags(tables.clustered_flashes.slice(1))
    assert flags == {0: 4}
    assert list(findings._note_flags(flags)) == ["All flashes have quality flag 0 (good)."]


def test_key_numbers_are_those_of_the_tables() -> None:
    numbers = dict(find(make_tables(n=3000)).numbers)
    assert numbers["flashes"] == "3,000"
    assert numbers["clusters"] == "4"
    assert numbers["flashes a minute, mean"] == "50.0"
    assert numbers["of the window covered"] == "100.0 %"


def test_hours_outside_the_window_do_not_count_as_coverage() -> None:
    tables = make_tables(n=10)
    later = tables.coverage.assign(hour=pd.Timestamp(START + timedelta(hours=1)))
    assert (
        "No hour of this window has been ingested." in find(replace(tables, coverage=later)).notes
    )


def test_picture_is_kept_as_it_is_and_shown(tmp_path: Path) -> None:
    picture = PictureDataset(path=str(tmp_path / "made" / "one.png"))
    assert not picture.exists()
    content = draw_all(make_tables(n=10))["flash_rate"]
    picture.save(content)
    assert picture.exists()
    assert picture.load() == content
    assert base64.b64decode(picture.preview()) == content
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["one.png"]
    assert "one.png" in repr(picture)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    picture = PictureDataset(path=str(tmp_path / "one.png"))
    with pytest.raises(DatasetError, match=r"takes the bytes of a PNG or GIF file.*b'<html>'"):
        picture.save(b"<html>")
    assert not picture.exists()
