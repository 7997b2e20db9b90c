from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_kedro.glm.granule import (
    SYSTEM_ENVIRONMENTS,
    GranuleName,
    format_time,
    hour_prefix,
    parse_granule_name,
    parse_time,
)
from lightning_kedro.glm.satellites import PLATFORMS

NAME = "OR_GLM-L2-LCFA_G16_s20203662359400_e20210010000004_c20210010000030.nc"

tenths = st.integers(0, 10 * 366 * 24 * 36_000).map(
    lambda count: datetime(2018, 1, 1, tzinfo=UTC) + count * timedelta(milliseconds=100)
)
names = st.builds(
    lambda start, length, latency, **rest: GranuleName(
        start=start, end=start + length, created=start + length + latency, **rest
    ),
    start=tenths,
    length=st.integers(1, 400).map(lambda count: count * timedelta(milliseconds=100)),
    latency=st.integers(0, 400).map(lambda count: count * timedelta(milliseconds=100)),
    platform=st.sampled_from(PLATFORMS),
    environment=st.sampled_from(sorted(SYSTEM_ENVIRONMENTS)),
)


def test_name_is_taken_apart() -> None:
    name = parse_granule_name(NAME)
    assert name is not None
    assert name.platform == "G16"
    assert name.start == datetime(2020, 12, 31, 23, 59, 40, tzinfo=UTC)
    assert name.end == datetime(2021, 1, 1, 0, 0, 0, 400_000, tzinfo=UTC)
    assert name.created == datetime(2021, 1, 1, 0, 0, 3, tzinfo=UTC)
    assert name.hour == datetime(2020, 12, 31, 23, tzinfo=UTC)
    assert hour_prefix(name.hour) == "GLM-L2-LCFA/2020/366/23"


@given(names)
def test_name_survives_a_round_trip(name: GranuleName) -> None:
    assert parse_granule_name(name.file_name) == name


@given(names, st.integers(0, 72), st.characters())
def test_name_with_a_character_changed_is_refused_or_another_name(
    name: GranuleName, position: int, character: str
) -> None:
    text = name.file_name
    position %= len(text)
    changed = text[:position] + character + text[position + 1 :]
    parsed = parse_granule_name(changed)
    assert parsed is None or parsed.file_name == changed


@given(st.text(max_size=100))
def test_any_text_is_refused_or_read_back_the_same(text: str) -> None:
    parsed = parse_granule_name(text)
    assert parsed is None or parsed.file_name == text


@given(tenths)
def test_time_survives_a_round_trip(time: datetime) -> None:
    assert parse_time(format_time(time)) == time


@pytest.mark.parametrize("environment", ["OR", "OT", "IR", "IT", "IP", "IS"])
def test_name_of_every_system_environment_is_accepted(environment: str) -> None:
    name = parse_granule_name(environment + NAME[2:])
    assert name is not None
    assert name.is_simulated == (environment == "IS")
    assert name.is_operational == (environment == "OR")


@pytest.mark.parametrize(
    "text",
    [
        NAME.replace("c2021", "c2044"),  # reprocessed
        NAME.replace("e20210010000004", "e20210010004400"),
        NAME.replace("c20210010000030", "c20203662359400"),
    ],
)
def test_name_at_the_bounds_is_accepted(text: str) -> None:
    name = parse_granule_name(text)
    assert name is not None
    assert name.file_name == text


@pytest.mark.parametrize(
    "text",
    [
        NAME.replace("LCFA", "GLMF"),
        NAME.replace("G16", "G15"),
        NAME.replace("OR_", "XX_"),
        NAME.replace("s2020366", "s2021366"),
        NAME.replace("s2020366", "s2020000"),
        NAME.replace("2359400", "2360400"),
        NAME.replace("2359400", "2359600"),
        NAME.replace("2359400", "2459400"),
        NAME.replace("e2021", "e2019"),
        NAME.replace("e2021", "e2030"),
        NAME.replace("e20210010000004", "e20210010004401"),  # 5 minutes and a tenth
        NAME.replace("c20210010000030", "c20203662359399"),  # made before its start
        NAME.replace("c2021", "c0001"),
        NAME.replace("c2021", "c2100"),
        NAME.replace("c2021", "c9999"),
        NAME + "\n",
        "../" + NAME,
        NAME.replace("s2020", "s202\N{FULLWIDTH DIGIT ZERO}"),
        NAME.upper(),
        "",
    ],
)
def test_name_of_no_granule_is_refused(text: str) -> None:
    assert parse_granule_name(text) is None
