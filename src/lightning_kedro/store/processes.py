"""Which process a file belongs to, on machines and in containers that share a disk."""

import hashlib
import os
import platform
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


def describe_process() -> str:
    """This process in words for others who wait for it."""
    return f"process {os.getpid()} on {platform.node() or 'this machine'}"


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
