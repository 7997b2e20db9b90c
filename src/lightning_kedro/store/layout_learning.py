"""Where in a granule the bytes of its flashes are to be expected, learnt from the granules before.

All granules of one writer are laid out alike: what HDF5 needs to find its way is at a fixed
distance from the beginning or from the end of the file, events grow in between, and most values of
flashes are near the end. What is expected is only fetched first: what is needed beyond it is found
out by reading (``lightning_kedro.glm.needed_bytes``), so that a wrong guess costs time and nothing
else.
"""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Final

from lightning_kedro.glm.sparse_image import Span, join_spans

BLOCK_BYTES: Final = 512
"""What is learnt is learnt in blocks of this size."""

GAP_BYTES: Final = 4 << 10
"""Bytes that are not needed are fetched where they are fewer than this between two that are: so
much comes over a line of 10 Mbit/s in 3 ms, and one request more costs as much of the processor.
With it a granule takes four to eight ranges and a sixth to half of its bytes. Half as much makes
that eight to thirteen ranges and an eighth to a third: no gain on a line of more than 10 Mbit/s
(``tests/benchmarks/home_line.py``)."""

REMEMBERED: Final = 8
"""The last so many granules are learnt from."""

SHARE: Final = 4
"""What one in so many of them needed is expected of the next."""

WORTH: Final = 0.7
"""A granule of which more than this share is expected to be needed is fetched as a whole."""


class LearntLayout:
    """What the last few granules of a lot needed.

    Example:
        >>> layout = LearntLayout()
        >>> layout.learn(400_000, [(0, 4_096), (390_000, 400_000)])
        >>> layout.expect(500_000)
        [(0, 4096), (489760, 500000)]
    """

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._recent: deque[tuple[frozenset[int], frozenset[int]]] = deque(maxlen=REMEMBERED)

    def learn(self, size: int, touched: Iterable[Span]) -> None:
        """Learn what a granule needed.

        Args:
            size: Bytes of the granule.
            touched: Which of them were read.
        """
        head: set[int] = set()
        tail: set[int] = set()
        for start, stop in touched:
            if start < size // 2:
                head.update(_list_blocks(start, stop))
            else:
                tail.update(_list_blocks(size - stop, size - start))
        self._recent.append((frozenset(head), frozenset(tail)))

    def expect(self, size: int) -> list[Span]:
        """What a granule of some size will need.

        Returns:
            Spans with larger gaps between them than ``GAP_BYTES``; none if nothing was learnt.
        """
        enough = max(1, len(self._recent) // SHARE)
        heads = Counter(block for head, _ in self._recent for block in head)
        tails = Counter(block for _, tail in self._recent for block in tail)
        spans = [_to_span(block) for block, count in heads.items() if count >= enough]
        spans += [
            (size - stop, size - start)
            for start, stop in (
                _to_span(block) for block, count in tails.items() if count >= enough
            )
        ]
        within = ((max(0, start), min(stop, size)) for start, stop in spans)
        return join_spans(((start, stop) for start, stop in within if start < stop), GAP_BYTES)


def is_worth_while(size: int, spans: Iterable[Span], known: int = 0) -> bool:
    """Whether ranges take less time than the whole granule.

    Args:
        size: Bytes of the granule.
        spans: What has to be fetched.
        known: Bytes that were fetched before.
    """
    cost = known + sum(stop - start + GAP_BYTES for start, stop in spans)
    return cost <= WORTH * size


def _list_blocks(start: int, stop: int) -> range:
    """The blocks that some bytes are in."""
    return range(start // BLOCK_BYTES, -(-stop // BLOCK_BYTES))


def _to_span(block: int) -> Span:
    """The bytes of a block."""
    return block * BLOCK_BYTES, (block + 1) * BLOCK_BYTES
