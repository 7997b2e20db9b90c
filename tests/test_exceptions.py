"""What comes from outside does nothing to a terminal and fills no log."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.exceptions import (
    MAX_ARCHIVE_MESSAGE,
    ArchiveError,
    UnlistableArchiveError,
    printable,
)
from lightning_kedro.store.errors import explain_failure
from lightning_kedro.store.retry import DownError


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain (text), with ümläuts", "plain (text), with ümläuts"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("a\r\nError: b\tc\x00", r"a\r\nError: b\tc\x00"),
        ("\u202egnp.exe\u2066\u200f", r"\u202egnp.exe\u2066\u200f"),
        ("\x9b31m\x85\u2028\u2029", r"\x9b31m\x85\u2028\u2029"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\udcff", r"\udcff"),
        (OSError(2, "No\nsuch"), r"[Errno 2] No\nsuch"),
    ],
)
def test_text_from_outside_is_one_line_that_does_nothing(text: object, line: str) -> None:
    assert printable(text) == line


@given(st.text(st.characters(codec=None)), st.integers(3, 400))
def test_any_text_becomes_printable_and_bounded(text: str, limit: int) -> None:
    line = printable(text, limit)
    assert line.isprintable()
    assert len(line) <= limit
    line.encode()
    assert printable(line, limit) == line, "what is escaped already stays"


def test_message_of_the_archive_is_printable_whoever_made_it() -> None:
    error = ArchiveError("key \x1b[31m\nnext" + "x" * 10_000)
    assert str(error).startswith(r"key \x1b[31m\nnext")
    assert len(str(error)) == MAX_ARCHIVE_MESSAGE
    for kind in (ArchiveError, UnlistableArchiveError, DownError):
        again = pickle.loads(pickle.dumps(kind("a\nb")))  # noqa: S301
        assert (type(again), str(again)) == (kind, r"a\nb")


def test_key_and_servers_message_are_quoted_in_part() -> None:
    error = OSError("\x1b[1A" + "m" * 5000)
    explained = explain_failure(error, "k\n" + "k" * 5000, "s3://b", is_local=False, to_fetch=False)
    assert str(explained).isprintable()
    assert len(str(explained)) < 800
    assert str(explained).endswith("`kedro run --env sample`.")
