"""The digest of the core's sources. The build writes it into the module, and the tests compare it with the checkout's.

Run by CMake as a script: ``python digest.py HEADER``. Imports the standard library only.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

__all__ = ["source_digest"]

_FOLDER = Path(__file__).resolve().parent


def source_digest() -> str | None:
    """SHA-256 over the names and contents of all sources, hexadecimal; None where they are not there, as in an installed package."""
    paths = [*_FOLDER.glob("src/**/*.cpp"), *_FOLDER.glob("src/**/*.h"), *_FOLDER.glob("CMakeLists.txt")]
    if len(paths) < 2:
        return None
    digest = hashlib.sha256()
    for name, path in sorted((path.relative_to(_FOLDER).as_posix(), path) for path in paths):
        content = path.read_bytes()
        digest.update(f"{name}\n{len(content)}\n".encode() + content)
    return digest.hexdigest()


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(f'#define HVPZIP_SOURCE_DIGEST "{source_digest()}"\n', encoding="utf-8")
