"""Prefetching: work that begins before its result is needed, bounded in number and in bytes."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def prefetch(
    items: Iterable[T],
    start: Callable[[T], Future[R]],
    *,
    cost: Callable[[T], int],
    max_items: int,
    max_bytes: int,
) -> Generator[tuple[T, R], None, None]:
    """Begin work on the next few items while the one before is used.

    Args:
        items: What to work on.
        start: Begins the work on an item.
        cost: How many bytes an item or its result takes.
        max_items: How many items may be begun and not yet used.
        max_bytes: How many bytes they may take; one item is begun whatever it takes.

    Yields:
        The items in order, each with its result. Work that is no longer wanted, because the
        caller stopped or a result was an error, is cancelled.
    """
    ahead: deque[tuple[T, Future[R]]] = deque()
    held = 0
    try:
        for item in items:
            while ahead and (len(ahead) >= max_items or held + cost(item) > max_bytes):
                held -= cost(ahead[0][0])
                yield _take_first(ahead)
            held += cost(item)
            ahead.append((item, start(item)))
        while ahead:
            yield _take_first(ahead)
    finally:
        for _, future in ahead:
            future.cancel()


def _take_first(ahead: deque[tuple[T, Future[R]]]) -> tuple[T, R]:
    """The first item with its result; a function, so that nothing here holds on to the result."""
    item, future = ahead.popleft()
    return item, future.result()
