"""Nodes that take long show a line on a terminal, and nothing elsewhere."""

import io
import pickle
import time
from types import SimpleNamespace
from typing import Any, cast

from lightning_kedro.progress import ShowProgress, Ticker


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_line_appears_counts_and_goes() -> None:
    terminal = Terminal()
    ticker = Ticker("kmeans_candidates", terminal, first_shown_s=0.2)
    time.sleep(1.3)
    ticker.stop()
    text = terminal.getvalue()
    assert "kmeans_candidates: 00:0" in text
    assert text.endswith("\r"), "the next line of the log begins where it stood"


def test_what_is_done_soon_shows_nothing() -> None:
    terminal = Terminal()
    Ticker("load", terminal).stop()
    assert terminal.getvalue().strip() == ""


def test_files_and_pipes_get_no_line() -> None:
    file = io.StringIO()
    ticker = Ticker("load", file, first_shown_s=0.0)
    time.sleep(0.6)
    ticker.stop()
    assert file.getvalue() == ""


def test_every_node_is_shown_until_its_end() -> None:
    show, node = ShowProgress(), cast("Any", SimpleNamespace(name="load"))
    for end in (show.after_node_run, show.on_node_error):
        show.before_node_run(node)
        assert list(show._tickers) == ["load"]
        assert pickle.loads(pickle.dumps(show))._tickers == {}  # noqa: S301  (made here)
        end(node)
        assert show._tickers == {}
