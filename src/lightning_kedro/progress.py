"""A line on a terminal while a node is at work, so that nobody wonders whether it still is.

Listing, fetching, decoding and loading count what they do and have bars of their own. How long fits
and pictures take nobody can say beforehand: their line shows the seconds.
"""

import threading
from typing import TYPE_CHECKING, Any, Final, TextIO

from kedro.framework.hooks import hook_impl

if TYPE_CHECKING:
    from kedro.pipeline.node import Node

FIRST_SHOWN_SECONDS: Final = 2.0
"""What is done sooner needs no line."""

_REFRESH_SECONDS: Final = 0.5


class Ticker:
    """A line with a name and the seconds since its start; nothing where there is no terminal.

    Args:
        name: What is under way.
        file: Where the line is written; stderr if None.
        first_shown_s: After how many seconds it appears.
    """

    def __init__(
        self, name: str, file: TextIO | None = None, first_shown_s: float = FIRST_SHOWN_SECONDS
    ) -> None:
        """Start the clock, and the thread that looks at it."""
        from tqdm import tqdm

        self._bar = tqdm(
            desc=name,
            bar_format="{desc}: {elapsed}",
            file=file,
            delay=first_shown_s,
            leave=False,
            disable=None,
        )
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        if not self._bar.disable:
            self._thread = threading.Thread(target=self._tick, daemon=True)
            self._thread.start()

    def _tick(self) -> None:
        """Draw the line anew until the end."""
        while not self._end.wait(_REFRESH_SECONDS):
            self._bar.update()

    def stop(self) -> None:
        """Take the line away."""
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        self._bar.close()


class ShowProgress:
    """Shows a line for every node that computes for more than two seconds."""

    def __init__(self) -> None:
        """Start with no node."""
        self._tickers: dict[str, Ticker] = {}

    @hook_impl
    def before_node_run(self, node: "Node") -> None:
        """Start its clock."""
        self._tickers[node.name] = Ticker(node.name)

    @hook_impl
    def after_node_run(self, node: "Node") -> None:
        """Take its line away: what saves the outputs may have bars of its own."""
        self._stop(node)

    @hook_impl
    def on_node_error(self, node: "Node") -> None:
        """Take its line away, so that the error has one of its own."""
        self._stop(node)

    def _stop(self, node: "Node") -> None:
        ticker = self._tickers.pop(node.name, None)
        if ticker is not None:
            ticker.stop()

    def __getstate__(self) -> dict[str, Any]:
        """Other processes have lines of their own."""
        return {"_tickers": {}}
