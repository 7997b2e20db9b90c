"""Two runs on a file system of their own: a small one first, then one with room.

To be called with ``unshare``, so that the mounts end with the process: folder, options of the first
mount, arguments of ``kedro``.
"""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))

from tests.processes import PRELOADED, call_kedro


def run_full_then_with_room(folder: str, options: str, *arguments: str) -> None:
    """Run on a small disk, make room, run again, and keep what is there when the disk goes."""
    for module in PRELOADED:
        importlib.import_module(module)
    Path(folder).mkdir(parents=True, exist_ok=True)
    mount("-t", "tmpfs", "-o", options, "tmpfs", folder)
    Path("first.status").write_text(f"{fork_kedro('first.log', *arguments)}")
    Path("left.log").write_text("".join(f"{path}\n" for path in Path(folder).rglob("*.part")))
    mount("-o", "remount,rw,size=1g", folder)
    Path("second.status").write_text(f"{fork_kedro('second.log', *arguments)}")
    shutil.copytree("data", "out")


def mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def fork_kedro(log: str, *arguments: str) -> int:
    """Run ``kedro`` in a process of its own, on the same mounts; its exit status."""
    process = os.fork()
    if not process:
        try:
            call_kedro(Path(log), *arguments)
        except SystemExit as end:  # and no more: what ends a whole interpreter is the parent's
            sys.stderr.flush()
            os._exit(int(end.code or 0))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


if __name__ == "__main__":
    run_full_then_with_room(*sys.argv[1:])
