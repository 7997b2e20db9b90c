"""Who works on parts of a whole: the threads of this process, or somebody that a caller brings.

Parts are tasks: picklable, each with all that it needs, none depending on another. Their results
come in the order of the tasks, whoever has done them: a result is the same byte for byte.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from lightning_kedro.analysis.threads import map_ahead

T = TypeVar("T")


class Workers(ABC):
    """Does tasks."""

    @abstractmethod
    def run(self, tasks: Sequence[Callable[[], T]], seconds: float, what: str) -> Iterator[T]:
        """Do tasks, only a few of them ahead of whoever takes their results.

        Args:
            tasks: What to do.
            seconds: About how long one core takes for all of them: little work is not worth its
                way to another machine.
            what: What is being done, for the log: ``Finding storms``.

        Yields:
            The results in the order of the tasks.
        """


class Threads(Workers):
    """The threads of this process."""

    def run(self, tasks: Sequence[Callable[[], T]], seconds: float, what: str) -> Iterator[T]:  # noqa: ARG002
        """Do tasks on as many threads as the machine has processors."""
        if len(tasks) == 1:
            return iter([tasks[0]()])
        return map_ahead(_call, tasks)


THREADS: Final = Threads()


def _call(task: Callable[[], T]) -> T:
    return task()
