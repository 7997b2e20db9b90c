"""Catalog entries that give a handle on something that nodes do not write."""

from typing import ClassVar, Final, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

Handle = TypeVar("Handle")


class ReadOnlyDataset(AbstractDataset[None, Handle], Generic[Handle]):
    """Loads a handle, which is always there, and is never saved.

    Attributes:
        REFUSAL: What to say to whoever would save it.
    """

    REFUSAL: ClassVar[str]

    def save(self, data: None) -> NoReturn:  # noqa: ARG002
        """Refuse.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(self.REFUSAL)

    def _exists(self) -> bool:
        return True


GRANULES_REFUSAL: Final = (
    "loaded_granules is read-only: the table granules is filled by the node load."
)
