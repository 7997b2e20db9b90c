import time
from collections.abc import Iterator

import pytest
from threadpoolctl import threadpool_info

from lightning_kedro.analysis.threads import map_ahead, map_threads


def test_results_come_in_the_order_of_the_items() -> None:
    def wait(item: int) -> int:
        time.sleep(0.01 * (3 - item))
        return item

    assert map_threads(wait, range(4), n_threads=4) == [0, 1, 2, 3]


def test_numerical_libraries_get_one_thread_each() -> None:
    import sklearn.cluster  # noqa: F401  (brings OpenMP and BLAS)

    before = [pool["num_threads"] for pool in threadpool_info()]
    found = map_threads(lambda _: threadpool_info(), range(4), n_threads=2)
    assert {pool["num_threads"] for pools in found for pool in pools} == {1}
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_results_made_ahead_come_in_order() -> None:
    assert [*map_ahead(lambda item: item * item, range(20), 3)] == [n * n for n in range(20)]
    assert [*map_ahead(str, [], 3)] == []


def test_no_more_is_made_ahead_than_there_are_threads() -> None:
    taken: list[int] = []

    def list_items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    results = map_ahead(str, list_items(), 2)
    assert next(results) == "0"
    assert taken == [0, 1, 2]
    assert next(results) == "1"
    assert taken == [0, 1, 2, 3]
    results.close()


def test_error_of_an_item_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        [*map_ahead(lambda item: 1 // item, [1, 0, 1], 2)]
