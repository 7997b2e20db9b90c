"""Reports in a folder: whole or not at all, one a result, and the latest at fixed names."""

import json
import logging
import os
import signal
import subprocess
import sys
from html.parser import HTMLParser
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from tests.processes import choose_context

from lightning_kedro.exceptions import StorageError
from lightning_kedro.publication import Publication
from lightning_kedro.store import reports
from lightning_kedro.store.reports import Card, finish_publication, list_reports, publish

FILES = ("cluster_animation.gif", "cluster_map.png", "k_evaluation.json", "report.html")


def make(name: str = "one", mark: str = "1", **card: Any) -> Publication:
    """A publication whose files all hold its mark."""
    files = {file: f"{file} of {name} {mark}".encode() for file in FILES}
    known = {"dates": f"dates of {name}", "run_time": "2025-01-01T00:00:00", "n_flashes": 12345}
    return Publication(name, files, {"thumbnail.png": b"small"}, {**known, **card})


def read(folder: Path) -> dict[str, str]:
    """The files of a folder that a person sees, without the list."""
    paths = [path for path in folder.iterdir() if path.is_file() and path.name[0] != "."]
    return {path.name: path.read_text() for path in paths if path.name != reports.INDEX}


def assert_published(root: Path, publication: Publication, *, latest: bool = True) -> None:
    wanted = {name: content.decode() for name, content in publication.files.items()}
    shown = read(root / publication.name)
    assert Card.from_plain(json.loads(shown.pop("result.json"))) == Card(**publication.card)
    assert shown.pop("thumbnail.png") == "small"
    assert shown == wanted
    if latest:
        assert read(root) == wanted


class Links(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "script"
        self.found += [value or "" for name, value in attrs if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.text += f" {data.strip()}"


def test_report_has_its_folder_and_the_fixed_names(tmp_path: Path) -> None:
    one, other = make("one"), make("other")
    assert publish(tmp_path, one) == tmp_path / "one" / "report.html"
    publish(tmp_path, other)
    assert_published(tmp_path, one, latest=False)
    assert_published(tmp_path, other)
    again = make("one", "2")
    publish(tmp_path, again)
    assert_published(tmp_path, again)
    assert_published(tmp_path, other, latest=False)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".publication")]


def test_same_report_again_changes_no_byte(tmp_path: Path) -> None:
    publish(tmp_path, make("one"))
    publish(tmp_path, make("two"))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    publish(tmp_path, make("two"))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_list_names_every_result_the_newest_first(tmp_path: Path) -> None:
    variant = {"label": "fine", "region": "-100,20,-80,45"}
    publish(tmp_path, make("new", run_time="2025-03-01T00:00:00", **variant))
    publish(tmp_path, make("old", run_time="2024-03-01T00:00:00", min_quality="good"))
    publish(tmp_path, make("unknown", run_time="", satellites="GOES-17 (Test)", simulated=True))
    assert [one.name for one in list_reports(tmp_path)] == ["new", "old", "unknown"]
    page = (tmp_path / reports.INDEX).read_text()
    places = [page.index(f"dates of {name}") for name in ("new", "old", "unknown")]
    assert places == sorted(places)
    text = Links(page).text
    for shown in ("12,345", "fine", "-100,20,-80,45", "good", "GOES-17 (Test)"):
        assert shown in text
    assert "2024-03-01 00:00:00 UTC" in text
    assert text.count("simulated") == 1
    assert text.count("latest") == 2, "the badge of one result, and the sentence at the top"


@pytest.mark.parametrize("name", ["G16+G19_1", "a b", "50%", "ü#?&'\"<b>", "x;y=z"])
def test_links_of_the_list_lead_to_the_reports(tmp_path: Path, name: str) -> None:
    publish(tmp_path, make(name, dates="<b>evil</b>"))
    page = (tmp_path / reports.INDEX).read_text(encoding="utf-8")
    assert "<b>evil" not in page
    links = [link for link in Links(page).found if not link.startswith("data:")]
    assert len(links) == 3
    for link in links:
        assert "+" not in link
        assert (tmp_path / unquote(link)).is_file(), link


def test_list_is_made_of_what_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("kept", "removed", "broken", "odd", "foreign"):
        publish(tmp_path, make(name))
    for path in (tmp_path / "removed").iterdir():
        path.unlink()
    (tmp_path / "removed").rmdir()
    (tmp_path / "broken" / "result.json").write_text('{"title": "cut')
    (tmp_path / "odd" / "result.json").write_text('{"n_flashes": "many"}')
    (tmp_path / "foreign" / "result.json").write_text("[1, 2]")
    (tmp_path / "a person's own").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    with caplog.at_level(logging.WARNING):
        publish(tmp_path, make("new", later_versions_column=1))
    assert {one.name for one in list_reports(tmp_path)} == {"kept", "new"}
    assert (tmp_path / "notes.txt").read_text() == "mine"
    for name in ("broken", "odd", "foreign"):
        start = (
            f"Left out of the list of reports: {tmp_path / name / 'result.json'} cannot be read ("
        )
        assert any(text.startswith(start) for text in caplog.messages)


def publish_and_stop(root: Path, after: int) -> None:
    """Publish a report, and be killed at one of the changes of files."""
    steps = count(1)

    def stop(event: str, arguments: tuple[Any, ...]) -> None:
        if event in {"os.rename", "os.mkdir", "os.rmdir", "os.remove", "open"}:
            is_ours = any(str(root) in str(one) for one in arguments[:1])
            if is_ours and next(steps) == after:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(stop)
    publish(root, make("one", "2"))


def test_kill_at_any_moment_leaves_a_whole_report(tmp_path: Path) -> None:
    """Before the publication stands all is as it was; from then on the next look completes it."""
    former, new = make("one"), make("one", "2")
    ended = []
    for step in range(1, 400, 3):
        root = tmp_path / f"{step}"
        publish(root, make("other"))
        publish(root, former)
        run = choose_context([__name__]).Process(target=publish_and_stop, args=(root, step))
        run.start()
        run.join()
        if run.exitcode == 0:
            break
        assert run.exitcode == -signal.SIGKILL
        finish_publication(root)
        mark = read(root)["report.html"][-1]
        assert_published(root, new if mark == "2" else former)
        ended.append(mark)
        publish(root, new)
        assert_published(root, new)
        assert not [path for path in root.iterdir() if path.name.startswith(".publication")]
    else:
        pytest.fail("the publication never ended")
    assert set(ended) == {"1", "2"}, "kills came before and after the new report stood"


PUBLISHED = """
import sys
from pathlib import Path
from tests.store.test_reports import make
from lightning_kedro.store.reports import publish

for number in range(15):
    publish(Path(sys.argv[1]), make(f"{sys.argv[2]}{number % 3}", f"{number}"))
"""


def test_publications_at_once_end_whole(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    names = ("one", "two", "one")
    runs = [
        subprocess.Popen([sys.executable, "-c", PUBLISHED, str(tmp_path), name], env=environment)
        for name in names
    ]
    assert [run.wait(120) for run in runs] == [0, 0, 0]
    expected = {f"{name}{number}" for name in names for number in range(3)}
    assert {one.name for one in list_reports(tmp_path)} == expected
    for folder in (tmp_path, *(tmp_path / name for name in expected)):
        marks = {text.partition(" of ")[2] for file, text in read(folder).items() if file in FILES}
        assert len(marks) == 1, f"the files in {folder.name} are of one report"
    index = (tmp_path / reports.INDEX).read_text()
    assert all(f"dates of {one.name}" in index for one in list_reports(tmp_path))


def test_error_while_files_are_prepared_leaves_the_former_report(tmp_path: Path) -> None:
    former = make("one")
    publish(tmp_path, former)
    broken = Publication("one", {"cluster_map.png": b"new", "no/such/folder.png": b""}, {}, {})
    with pytest.raises(FileNotFoundError):
        publish(tmp_path, broken)
    assert_published(tmp_path, former)
    publish(tmp_path, make("one", "2"))
    assert_published(tmp_path, make("one", "2"))


def test_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    place = tmp_path / "08_reporting"
    place.write_text("mine")
    with pytest.raises(StorageError, match="A file has the name of the folder: move it away"):
        publish(place, make())
    assert place.read_text() == "mine"


@pytest.mark.parametrize("name", ["cluster_map.png", reports.INDEX])
def test_folder_in_place_of_a_picture_is_named_and_nothing_changes(
    tmp_path: Path, name: str
) -> None:
    former, new = make("one"), make("two")
    publish(tmp_path, former)
    standing = read(tmp_path)
    mine = tmp_path / name
    kept = mine.read_bytes()
    mine.unlink()
    (mine / "kept").mkdir(parents=True)
    with pytest.raises(StorageError, match=rf"{name}\. A folder has the name of the file: "):
        publish(tmp_path, new)
    assert not (tmp_path / "two").exists()
    (mine / "kept").rmdir()
    mine.rmdir()
    mine.write_bytes(kept)
    assert read(tmp_path) == standing
    publish(tmp_path, new)
    assert_published(tmp_path, new)


def test_run_that_read_first_and_comes_last_leaves_the_report_of_the_stored_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    early, late = make(mark="1", identity="one@1"), make(mark="2", identity="one@2")
    publish(tmp_path, late, lambda: "one@2")
    with caplog.at_level(logging.INFO):
        publish(tmp_path, early, lambda: "one@2")
    assert_published(tmp_path, late)
    assert "The report of one@2, which was made meanwhile, stands" in caplog.text


@pytest.mark.parametrize("stored", ["one@1", "one@3", None])
def test_report_of_another_result_than_the_stored_one_is_replaced(
    tmp_path: Path, stored: str | None
) -> None:
    publish(tmp_path, make(mark="2", identity="one@2"), lambda: stored)
    again = make(mark="1", identity="one@1")
    publish(tmp_path, again, lambda: stored)
    assert_published(tmp_path, again)
