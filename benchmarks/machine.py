"""Where and with what a run was made, for its JSON; and how it says what it does."""

import os
import platform
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

__all__ = ["describe_machine", "say"]


def describe_machine(arguments: list[str], threads: int) -> dict[str, Any]:
    """The command with these arguments, threads, date, revision, system, processor, versions."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "command": ["python", "-m", "benchmarks", *arguments],
        "threads": threads,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "revision": _revision(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": cores,
        "python": platform.python_version(),
        "packages": _packages("hvpzip", "imagecodecs", "numpy", "pillow", "torch"),
    }


def say(line: str) -> None:
    """A line about what is going on, to standard error."""
    print(line, file=sys.stderr, flush=True)


def _packages(*names: str) -> dict[str, str | None]:
    from importlib.metadata import PackageNotFoundError, version

    found: dict[str, str | None] = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _revision() -> str | None:
    """The commit of the checkout, with "+" where the work tree differs from it; None outside git."""
    root = Path(__file__).resolve().parent.parent
    try:
        done = subprocess.run(["git", "-C", str(root), "describe", "--always", "--dirty=+"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
