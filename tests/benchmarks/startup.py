"""What a run costs before it does anything: ``python -m tests.benchmarks.startup``.

Whole processes in pairs, beside ``kedro run`` of an empty project (one node that returns a number):
ingestion of a window that is in the database already; the whole job on it, which finds everything
unchanged; and the whole job that makes all of it again. With ``--against PATH`` also those of
another checkout.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.benchmarks.processes import HERE, Taken, compare, run_kedro, take

FILES = {
    "pyproject.toml": '[tool.kedro]\npackage_name = "empty"\nproject_name = "empty"\n'
    'kedro_init_version = "1.7.0"\n',
    "conf/base/catalog.yml": "{}\n",
    "conf/base/parameters.yml": "{}\n",
    "conf/local/parameters.yml": "{}\n",
    "src/empty/__init__.py": "",
    "src/empty/settings.py": "",
    "src/empty/pipeline_registry.py": "from kedro.pipeline import Node, Pipeline\n\n\n"
    "def answer() -> int:\n    return 42\n\n\n"
    "def register_pipelines():\n"
    '    return {"__default__": Pipeline([Node(answer, None, "answer", name="answer")])}\n',
}


def make_empty_project(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def measure(name: str, run: Callable[[], Taken], other: Callable[[], Taken], pairs: int) -> None:
    compare(name, [(run(), other()) for _ in range(pairs)])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--against", type=Path, help="another checkout")
    parser.add_argument("--pairs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        empty = make_empty_project(Path(temporary) / "empty")
        data = Path(temporary) / "data"
        data.mkdir()
        run_kedro(data, "--env", "sample")

        def run_empty() -> Taken:
            return take([sys.executable, "-m", "kedro", "run"], empty, {"PYTHONPATH": ""})

        run_empty()
        for tree in [HERE, *([given.against.resolve()] if given.against else [])]:
            print(f"{'This checkout' if tree == HERE else tree}, beside an empty project:")
            for name, options in (
                ("ingestion, all there", ("--pipelines", "ingestion")),
                ("the whole job, unchanged", ()),
                ("the whole job, remade", ("--params", "unchanged=remake")),
            ):
                measure(
                    name,
                    lambda tree=tree, more=options: run_kedro(
                        data, "--env", "sample", *more, tree=tree
                    ),
                    run_empty,
                    1 if "--params" in options else given.pairs,
                )


if __name__ == "__main__":
    main()
