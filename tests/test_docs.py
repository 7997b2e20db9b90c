"""The documents: they build without a warning, fetch nothing, and their queries run."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlparse

import pytest

from lightning_kedro.commands.export import export, read_wanted
from lightning_kedro.parameters import check_parameters
from lightning_kedro.schemas import TABLES
from lightning_kedro.store.database import connect
from lightning_kedro.store.macros import MACROS
from lightning_kedro.store.tables import create_tables
from lightning_kedro.store.views import VIEWS, renew_views
from tests.conftest import PROJECT
from tests.test_parameters import NOW, tree

DOCS = PROJECT / "docs"
QUERIES = re.findall(r"```sql\n(.*?)```", (DOCS / "tables.md").read_text(), re.DOTALL)


class Fetched(HTMLParser):
    """What a page loads by itself when it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "img", "iframe", "source"}:
            self.addresses.append(given.get("src") or "")
        if tag == "link" and given.get("rel") in {"stylesheet", "icon", "preload", "preconnect"}:
            self.addresses.append(given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # a word on the theme's successor
    done = subprocess.run(
        command, cwd=PROJECT, env=quiet, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


def test_site_has_every_page(site: Path) -> None:
    built = {f"{path.parent.relative_to(site)}" for path in site.rglob("index.html")}
    pages = {f"{path.relative_to(DOCS).with_suffix('')}" for path in DOCS.rglob("*.md")}
    assert pages - {"index"} <= built


def test_pages_fetch_nothing(site: Path) -> None:
    for path in site.rglob("*.html"):
        parser = Fetched()
        parser.feed(path.read_text(encoding="utf-8"))
        remote = [address for address in parser.addresses if urlparse(address).netloc]
        assert remote == [], path


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All tables, and the views and macros on them."""
    path = tmp_path_factory.mktemp("documents") / "lightning.duckdb"
    with connect(path, read_only=False) as connection:
        create_tables(connection, [name for name in TABLES if not name.endswith("_series")])
        renew_views(connection)
    return path


@pytest.mark.parametrize("query", QUERIES)
def test_queries_of_the_documents_run(query: str, database: Path) -> None:
    with connect(database, read_only=False) as connection:
        connection.execute(query).fetchall()


def test_every_view_and_macro_is_in_the_documents() -> None:
    page = (DOCS / "tables.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert [name for name in listed if name not in TABLES] == [*VIEWS]
    called = re.findall(r"^\| `(\w+)\(.*\)` \|", page, re.MULTILINE)
    assert called == [*MACROS]
    assert {*VIEWS, *MACROS} <= set(re.findall(r"\bFROM (\w+)", " ".join(QUERIES)))


def exports() -> list[str]:
    texts = [path.read_text() for path in (PROJECT / "README.md", *sorted(DOCS.rglob("*.md")))]
    return [
        found
        for text in texts
        for found in re.findall(r"^(?:lightning-)?kedro export (.+)$", text, re.MULTILINE)
    ]


@pytest.mark.parametrize("options", exports())
def test_exports_in_the_documents_can_be_asked_for(options: str) -> None:
    asked = export.make_context("export", options.split()).params
    wanted = ("window", "satellite", "region", "min_quality", "label")
    read_wanted(**{name: asked[name] for name in wanted}, now=NOW)
    assert Path(asked["path"]).suffix in {".parquet", ".geojson", ".csv"}


def commands() -> list[str]:
    texts = [path.read_text() for path in sorted(DOCS.rglob("*.md"))]
    blocks = [
        block for text in texts for block in re.findall(r"```(?:bash)?\n(.*?)```", text, re.DOTALL)
    ]
    found = [re.search(r"--params (\S+)", line) for block in blocks for line in block.splitlines()]
    return [match[1] for match in found if match is not None]


@pytest.mark.parametrize("params", commands())
def test_parameters_in_the_documents_can_be_used(params: str) -> None:
    given = tree()
    for pair in params.split(","):
        place, _, value = pair.partition("=")
        *branches, leaf = place.split(".")
        branch = given
        for name in branches:
            branch = branch.setdefault(name, {})
        branch[leaf] = int(value) if re.fullmatch(r"-?\d+", value) else value
    check_parameters(given, now=NOW)


def test_links_between_documents_lead_somewhere() -> None:
    for path in DOCS.rglob("*.md"):
        for target in re.findall(r"\]\(([^)#:]+\.(?:md|png))\)", path.read_text()):
            assert (path.parent / target).exists(), (path, target)
