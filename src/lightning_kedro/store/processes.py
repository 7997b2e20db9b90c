"""Which process a file belongs to, on machines and in containers that share a disk."""

import hashlib
import os
import platform
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
"""Linux has it: another one after each start of the machine."""

_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")
"""Linux has it: another one in each container, where the same number is another process."""


@cache
def pid_domain() -> str:
    """Where the numbers of processes mean what they mean to this process, as 10 hex digits.

    Two processes with the same domain can look for one another by number. It is made of the host's
    name and, where there are such things, of the machine's start and the container.
    """
    try:
        namespace = str(_PID_NAMESPACE.readlink())
    except OSError:
        namespace = ""
    try:
        boot_id = _BOOT_ID.read_text()
    except OSError:
        boot_id = ""
    parts = f"{platform.node()}\0{boot_id}\0{namespace}"
    return hashlib.blake2s(parts.encode(), digest_size=5).hexdigest()


MOST_COMMAND: Final = 120
"""Characters of a command that are shown, at most."""

_SECRET: Final = re.compile(r"//[^/@\s]+@")
"""A user, perhaps with a password, in an address."""


def describe_process() -> str:
    """This process in words for others who wait for it, from now on: ``process 12 on host ...``."""
    since = f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S}"
    command = name_command([sys.executable, *sys.argv])
    return f"process {os.getpid()} on {_host()} ({command}), since {since} UTC"


def describe_other(process: int) -> str:
    """Another process of this machine in words: number, host, command, and when it was started.

    Of one that this process cannot see, as on another machine or in another container, the number
    is all that is said.
    """
    import psutil

    try:
        other = psutil.Process(process)
        command, started = name_command(other.cmdline()), other.create_time()
    except psutil.Error:
        return f"PID {process}"
    began = datetime.fromtimestamp(started, UTC)
    named = f", {command}" if command else ""
    return f"PID {process} on {_host()}{named}, running since {began:%Y-%m-%d %H:%M:%S} UTC"


def name_command(arguments: Sequence[str]) -> str:
    """A command line as a person would write it: one line of printable characters.

    Args:
        arguments: The program, its first argument and so on.

    Example:
        >>> name_command(["/usr/bin/python3", "/home/me/bin/kedro", "run", "--env", "sample"])
        'kedro run --env sample'
    """
    words = [*arguments]
    if (
        len(words) > 1
        and Path(words[0]).name.startswith("python")
        and words[1][:1] not in ("-", "")
    ):
        del words[0]
    if words:
        program = Path(words[0])
        words[0] = program.parent.name if program.name == "__main__.py" else program.name
    line = _SECRET.sub("//...@", " ".join(words))
    line = "".join(letter if letter.isprintable() else " " for letter in line)
    return line if len(line) <= MOST_COMMAND else f"{line[: MOST_COMMAND - 3]}..."


def _host() -> str:
    """The name of this machine."""
    return platform.node() or "this machine"


def is_running(process: int) -> bool:
    """Whether there is a process of this number in this domain that has not ended.

    One that was killed and that its parent has not yet waited for (a zombie) still has its number,
    for ever where nobody waits, as in many containers.

    Not ``os.kill(process, 0)``: on Windows that ends the process.
    """
    import psutil

    try:
        return bool(psutil.Process(process).status() != psutil.STATUS_ZOMBIE)
    except psutil.AccessDenied:
        return True
    except (psutil.NoSuchProcess, OverflowError):
        return False
