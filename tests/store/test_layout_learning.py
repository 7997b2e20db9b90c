"""What a granule is expected to need, after those before it."""

from lightning_kedro.store.layout_learning import (
    GAP_BYTES,
    REMEMBERED,
    SHARE,
    LearntLayout,
    is_worth_while,
)

HEAD, TAIL = (0, 4_096), 20_480


def learn(layout: LearntLayout, size: int, *others: tuple[int, int]) -> None:
    layout.learn(size, [HEAD, (size - TAIL, size), *others])


def test_nothing_is_expected_before_anything_is_learnt() -> None:
    assert LearntLayout().expect(400_000) == []


def test_both_ends_are_expected_whatever_the_size() -> None:
    layout = LearntLayout()
    learn(layout, 400_000)
    for size in (200_000, 400_001, 5_000_000):
        assert layout.expect(size) == [HEAD, (size - TAIL, size)]


def test_what_few_granules_needed_is_not_expected_of_others() -> None:
    layout = LearntLayout()
    learn(layout, 400_000, (150_016, 150_528))
    assert (149_504, 150_528) in layout.expect(300_000) or len(layout.expect(300_000)) == 3
    for _ in range(REMEMBERED - 1):
        learn(layout, 400_000)
    assert SHARE < REMEMBERED
    assert layout.expect(300_000) == [HEAD, (300_000 - TAIL, 300_000)]


def test_another_layout_is_learnt_in_place_of_the_old_one() -> None:
    layout = LearntLayout()
    learn(layout, 400_000)
    for _ in range(REMEMBERED):
        layout.learn(400_000, [(20_480, 30_720)])
    assert layout.expect(400_000) == [(20_480, 30_720)]


def test_small_gaps_are_fetched_and_large_ones_are_not() -> None:
    layout = LearntLayout()
    first = (512, 1_024)
    near, far = (1_024 + GAP_BYTES, 6_144), (6_144 + GAP_BYTES + 512, 12_288)
    layout.learn(400_000, [first, near, far])
    assert layout.expect(400_000) == [(512, 6_144), far]


def test_what_is_expected_is_within_the_granule() -> None:
    layout = LearntLayout()
    learn(layout, 400_000)
    assert layout.expect(10_000) == [(0, 10_000)]
    assert layout.expect(100) == [(0, 100)]
    assert layout.expect(0) == []


def test_whole_granule_is_asked_for_where_ranges_come_to_as_much() -> None:
    assert is_worth_while(100_000, [(0, 40_000)])
    assert not is_worth_while(100_000, [(0, 40_000)], known=40_000)
    assert not is_worth_while(100_000, [(0, 70_000)])
    assert not is_worth_while(100_000, [(10_000 * n, 10_000 * n + 3_000) for n in range(10)])
