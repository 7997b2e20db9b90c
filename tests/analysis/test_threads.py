import time

from threadpoolctl import threadpool_info

from lightning_kedro.analysis.threads import map_threads


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
