"""Threads that never change a result: one numerical thread each, results in the order of the items.

Sums split over threads are added in the order in which threads finish, and so differ in their last
bits from run to run. Here every item is computed by one thread alone.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_threads(
    function: Callable[[Item], Result], items: Iterable[Item], n_threads: int | None = None
) -> list[Result]:
    """Apply a function to items on several threads.

    Args:
        function: What to do with one item; it must not depend on the other items.
        items: The items.
        n_threads: Number of threads; as many as the machine has processors if None.

    Returns:
        The results, in the order of the items.
    """
    from threadpoolctl import threadpool_limits

    with (
        threadpool_limits(limits=1),
        # OpenMP keeps its limit thread by thread: a new thread would start with all processors.
        ThreadPoolExecutor(n_threads or os.cpu_count() or 1, initializer=_limit_thread) as pool,
    ):
        return list(pool.map(function, items))


def _limit_thread() -> None:
    """Give the numerical libraries one thread for as long as this thread lives."""
    from threadpoolctl import threadpool_limits

    threadpool_limits(limits=1)
