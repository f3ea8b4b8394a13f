"""The summary of a folder: what became of its files, for people and as JSON."""

import time
from collections import Counter

from hvpzip.api import FileResult, Tree
from hvpzip.cli.console import Console, shown

__all__ = ["Tally"]

_SUFFIXES_SHOWN = 5


class Tally:
    """Adds results up. Bytes are those of files that are done, now or before."""

    def __init__(self, compressing: bool, tree: Tree) -> None:
        self._compressing = compressing
        self._tree = tree
        self._counts = Counter[str]()
        self._started = time.perf_counter()

    def add(self, result: FileResult) -> None:
        """Count one file."""
        self._counts["failed" if result.error is not None else "skipped" if result.skipped else "done"] += 1
        if result.error is None:
            self._counts["input_bytes"] += result.input_bytes or 0
            self._counts["output_bytes"] += result.output_bytes or 0

    def say(self, console: Console, *, as_json: bool, interrupted: bool = False) -> None:
        """The summary as a notice, and as a JSON object if wanted."""
        console.notice(self._text(interrupted))
        if as_json:
            counts: dict[str, object] = {name: self._counts[name] for name in ("done", "skipped", "failed")}
            counts |= {"other_files": self._tree.others.total(), "links": self._tree.links}
            counts |= {name: self._counts[name] for name in ("input_bytes", "output_bytes")}
            console.record({"summary": counts | {"seconds": time.perf_counter() - self._started, "interrupted": interrupted}})

    def _text(self, interrupted: bool) -> str:
        counts, others = self._counts, self._tree.others
        verb = "compressed" if self._compressing else "decompressed"
        parts = [f"{counts['done']} {verb}, {counts['skipped']} there already, {counts['failed']} failed"]
        if interrupted:
            parts[0] += f", {len(self._tree.plans) - counts['done'] - counts['skipped'] - counts['failed']} not done"
        if others:
            kinds = [f"{shown(suffix) or 'without suffix'} {count}" for suffix, count in others.most_common(_SUFFIXES_SHOWN)]
            more = ", ..." if len(others) > _SUFFIXES_SHOWN else ""
            parts.append(f"left alone: {others.total()} other files ({', '.join(kinds)}{more})")
        if self._tree.links:
            parts.append(f"not followed: {self._tree.links} symbolic links")
        parts.append(f"{counts['input_bytes']:,} to {counts['output_bytes']:,} bytes, {time.perf_counter() - self._started:.1f} s")
        return f"hvpzip: {'interrupted: ' if interrupted else ''}{'; '.join(parts)}"
