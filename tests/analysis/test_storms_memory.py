"""The parts of memories: against the pixels of each step's memory, joined one pair at a time."""

import numpy as np

from lightning_kedro.analysis.storms.memory import Cells, TrackOptions
from lightning_kedro.analysis.storms.pixels import PixelGrid, connect

OPTIONS = TrackOptions(15.0, 10.0, 40.0, 60.0, 40, 0.1, 60.0, 20)


def test_parts_of_memories_are_those_of_each_step_alone() -> None:
    random = np.random.default_rng(2)
    steps = np.sort(random.choice([*range(7), *range(12, 40)], 3000))
    grid = PixelGrid(7.5)
    keys = grid.find_keys(random.uniform(-1, 1, 3000), random.uniform(179.0, 181.0, 3000))
    cells = Cells.gather(grid, keys, steps, OPTIONS)
    assert (cells.counts == np.bincount(cells.of_flash)).all()
    found = {memory.step: memory for memory in cells.join_memories(np.unique(steps))}
    assert [*found] == np.unique(steps).tolist()
    for step, memory in found.items():
        mine = (cells.step > step - OPTIONS.memory_steps) & (cells.step <= step)
        pixels, index = np.unique(cells.pixel[mine], return_inverse=True)
        centers = cells.centers[pixels]
        squares = ((centers[:, np.newaxis] - centers) ** 2).sum(axis=2)
        first, second = np.nonzero(squares <= OPTIONS.link_km**2)
        wanted = connect(first, second, pixels.size)[1][index]
        assert (memory.part_of == wanted).all()
        assert memory.n_parts == wanted.max() + 1
        for part in range(memory.n_parts):
            old = memory.old[memory.old_starts[part] : memory.old_starts[part + 1]]
            new = memory.new[memory.new_starts[part] : memory.new_starts[part + 1]]
            both = np.concatenate([old, new])
            assert (both == np.flatnonzero(wanted == part)).all()
            assert old.max(initial=-1) < memory.n_old
            assert (new >= memory.n_old).all()
