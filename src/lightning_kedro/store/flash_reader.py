"""Reading of granules in an archive only what their flashes need."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightning_kedro.granules.ports import GranuleReader
from lightning_kedro.granules.record import Content, StoredGranule

if TYPE_CHECKING:
    from lightning_kedro.store.storage import Storage


@dataclass(frozen=True, slots=True)
class FlashReader(GranuleReader):
    """Reads only those bytes of remote granules that their flashes need.

    Attributes:
        storage: Where they lie.
    """

    storage: "Storage"

    def read_all(
        self, granules: Sequence[StoredGranule]
    ) -> Generator[tuple[StoredGranule, Content], None, None]:
        """Granules with their content, in order; as ``Storage.read_all``."""
        yield from self.storage.fetcher(ranges=True).fetch_all(granules)
