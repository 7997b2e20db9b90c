"""Reports and exports at URLs, shown on an S3 server: whole, with pages after their pictures."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import s3_client, s3_variables

from lightning_kedro.commands.export import _export, _find_database
from lightning_kedro.datasets.report import ReportDataset
from lightning_kedro.exceptions import ParameterError, StorageError
from lightning_kedro.publication import Publication
from lightning_kedro.store.database import connect
from lightning_kedro.store.export import Wanted
from lightning_kedro.store.tables import create_table
from lightning_kedro.store.uploads import upload_file

BUCKET = "uploads"


@pytest.fixture
def s3(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of a server with an empty bucket, which the project finds in the environment."""
    for name, value in s3_variables(s3_endpoint).items():
        monkeypatch.setenv(name, value)
    client = s3_client(s3_endpoint)
    client.create_bucket(Bucket=BUCKET)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.close()


def read(client: Any, key: str) -> bytes:
    content: bytes = client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    return content


def test_report_is_copied_when_it_is_published(s3: Any, tmp_path: Path) -> None:
    entry = ReportDataset(
        path=str(tmp_path / "reports" / "report.html"), published=f"s3://{BUCKET}/reports/"
    )
    for name in ("one", "two"):
        files = {"map.png": name.encode(), "report.html": b"<p>" + name.encode()}
        entry.save(Publication(name, files, {"extra.json": b"{}"}, {"title": name}))
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=BUCKET)["Contents"]]
    own = [f"reports/{name}/{file}" for name in ("one", "two") for file in FILES]
    latest = ["reports/index.html", "reports/map.png", "reports/report.html"]
    assert keys == sorted([*own, *latest])
    assert read(s3, "reports/map.png") == b"two"
    assert read(s3, "reports/one/map.png") == b"one"
    assert read(s3, "reports/index.html") == (tmp_path / "reports" / "index.html").read_bytes()


FILES = ("extra.json", "map.png", "report.html", "result.json")


def test_export_is_written_to_a_url(s3: Any, tmp_path: Path) -> None:
    database = tmp_path / "lightning.duckdb"
    with connect(database, read_only=False) as connection:
        for table in ("granules", "flashes"):
            create_table(connection, table)
        connection.execute(
            "INSERT INTO granules BY NAME SELECT 'G17' AS platform, "
            "TIMESTAMP '2024-07-14 09:00' AS granule_start, "
            "TIMESTAMP '2024-07-14 09:00:20' AS granule_end, false AS simulated"
        )
    window = tuple(read_time(text) for text in ("2024-07-14T09:00", "2024-07-14T10:00"))
    wanted = Wanted("G17", window, None)  # type: ignore[arg-type]
    done = _export(database, "flashes", wanted, f"s3://{BUCKET}/out/flashes.csv")
    assert done.n_rows == 0
    assert read(s3, "out/flashes.csv").startswith(b"platform,granule_start,flash_id,time")


def read_time(text: str) -> Any:
    from datetime import UTC, datetime

    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.usefixtures("s3")
@pytest.mark.parametrize("url", ["s3://no-such-bucket/file.csv", "nosuch://bucket/file.csv"])
def test_place_that_takes_nothing_is_named(url: str, tmp_path: Path) -> None:
    path = tmp_path / "file.csv"
    path.write_text("")
    with pytest.raises(StorageError, match=r"Nothing can be copied to .*file\.csv: .* stands"):
        upload_file(path, url)


def test_flashes_of_a_lake_are_read_otherwise() -> None:
    class Entry:
        lake = "s3://bucket/lake"

    with pytest.raises(ParameterError, match="flashes of this environment are a Delta table in"):
        _find_database(Entry(), "flashes")
