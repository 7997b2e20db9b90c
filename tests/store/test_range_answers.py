"""Which answers to a request for a range are of use."""

import pytest

from lightning_kedro.store.range_answers import RangeRequest, UnusableRangeError

REQUEST = RangeRequest((100, 200), 1_000, '"a1"')


def test_range_is_asked_for_as_http_has_it() -> None:
    assert REQUEST.range == "bytes=100-199"
    assert REQUEST.limit == 101


@pytest.mark.parametrize("version", [None, '"a1"'])
def test_range_of_the_version_is_of_use(version: str | None) -> None:
    request = RangeRequest((100, 200), 1_000, version)
    assert request.check_headers("bytes 100-199/1000", '"a1"') == '"a1"'


@pytest.mark.parametrize(
    ("content_range", "tag", "message"),
    [
        (None, '"a1"', "sends all instead of a range"),
        ("bytes 101-199/1000", '"a1"', r"bytes=100-199 of 1000 were asked for, .* 101-199/1000"),
        ("bytes 100-198/1000", '"a1"', "were asked for"),
        ("bytes 100-199/1001", '"a1"', "were asked for"),
        ("bytes 100-199/*", '"a1"', "were asked for"),
        ("bytes */1000", '"a1"', "were asked for"),
        ("bytes 100-199/1000\n", '"a1"', "were asked for"),
        ("items 100-199/1000", '"a1"', "were asked for"),
        ("bytes 100-199/1000", None, "does not say of which version"),
        ("bytes 100-199/1000", 'W/"a1"', "does not say of which version"),
        ("bytes 100-199/1000", '""', "does not say of which version"),
        ("bytes 100-199/1000", '"b2"', "replaced meanwhile"),
    ],
)
def test_anything_else_is_not(content_range: str | None, tag: str | None, message: str) -> None:
    with pytest.raises(UnusableRangeError, match=message):
        REQUEST.check_headers(content_range, tag)


@pytest.mark.parametrize(
    ("status", "message"),
    [(200, "sends all instead"), (412, "was replaced"), (416, "is shorter than it was listed")],
)
def test_status_that_will_not_change_is_told(status: int, message: str) -> None:
    with pytest.raises(UnusableRangeError, match=message):
        REQUEST.check_status(status)


@pytest.mark.parametrize("status", [206, 403, 404, 500, 503, None])
def test_other_status_is_left_to_those_who_know_it(status: int | None) -> None:
    REQUEST.check_status(status)


@pytest.mark.parametrize(("size", "came"), [(99, "fewer"), (0, "fewer"), (101, "more")])
def test_content_of_another_length_is_of_no_use(size: int, came: str) -> None:
    with pytest.raises(UnusableRangeError, match=f"{came} bytes came than the 100 that the answer"):
        REQUEST.check_content(bytes(size))
    assert REQUEST.check_content(bytes(100)) == bytes(100)
