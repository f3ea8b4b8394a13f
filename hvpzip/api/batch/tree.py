"""A folder as a batch: which of its files are taken, and what each becomes in the mirrored tree.

The invariant: every file of the folder is either in a plan or counted, so none is left out without a word.
"""

import os
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from hvpzip.api.naming import SOURCE_SUFFIXES, SUFFIX, PlannedFile, apart, decompressed_name
from hvpzip.api.options import CompressOptions, DecompressOptions

__all__ = ["Tree", "plan_tree"]

# macOS keeps what other file systems cannot hold of photo.jpg in ._photo.jpg: no picture, whatever its name ends in.
_APPLE_DOUBLE = "._"


class Tree(NamedTuple):
    """What was found in a folder.

    Attributes:
        plans: one for each file that is taken, sorted by path; a folder that cannot be read has one too, with the error.
        others: how many files of other kinds there are, by suffix in lower case ("" for none).
        links: how many symbolic links there are; none is followed.
    """

    plans: tuple[PlannedFile, ...]
    others: Counter[str]
    links: int


def plan_tree(folder: str | os.PathLike[str], out_dir: str | os.PathLike[str] | None, options: CompressOptions | DecompressOptions) -> Tree:
    """Plans for all files in ``folder`` and below that can be taken: pictures by their suffix, or ``.hvz`` files.

    Outputs have the same places in ``out_dir`` (None: in ``folder`` itself). Names are kept whole, ``a.png`` becomes ``a.png.hvz``, so that
    it does not depend on what else is there what a file becomes; ``decompress`` brings the name back, with ``.png`` added if it is not that
    of a lossless picture, or of a JPEG file that was kept; once more where the name is that of another one. ``out_dir`` is
    left out where it lies in ``folder``. Hidden files are taken as others are.
    Raises: OSError if ``folder`` itself cannot be read.
    """
    compressing = isinstance(options, CompressOptions)
    root = os.fspath(folder)
    out = root if out_dir is None else os.fspath(out_dir)
    taken: list[tuple[str, str]] = []  # path, folder of the output
    others: list[str] = []
    unreadable: list[PlannedFile] = []
    links = 0
    waiting = [(root, out)]
    while waiting:
        place, target = waiting.pop()
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    if entry.is_symlink():
                        links += 1
                    elif entry.is_dir(follow_symlinks=False):
                        if not _is_out(entry, out):
                            waiting.append((entry.path, os.path.join(target, entry.name)))
                    elif entry.is_file(follow_symlinks=False) and _is_taken(entry.name, compressing):
                        taken.append((entry.path, target))
                    else:
                        others.append(entry.path)
        except OSError as error:
            if place == root:
                raise
            unreadable.append(PlannedFile(place, None, error))
    plans = _planned(sorted(taken), compressing, options.part)
    made = {plan.output for plan in plans}
    return Tree(
        plans=tuple(apart(sorted([*plans, *unreadable], key=lambda plan: plan.path))),
        others=Counter(os.path.splitext(path)[1].lower() for path in others if path not in made),
        links=links,
    )


def _planned(taken: Iterable[tuple[str, str]], compressing: bool, part: bool) -> list[PlannedFile]:
    """The plans; those that get back the name which they had come first, so that a name with ``.png`` added never takes it from them."""
    plans: list[PlannedFile] = []
    owners: set[str] = set()
    added: list[tuple[str, str]] = []
    for path, target in taken:
        name = os.path.basename(path) + SUFFIX if compressing else os.path.basename(decompressed_name(path, part=part))
        output = os.path.join(target, name)
        exact = compressing or name == os.path.splitext(os.path.basename(path))[0]
        if exact and output not in owners:
            owners.add(output)
            plans.append(PlannedFile(path, output, None))
        else:
            added.append((path, output))
    for path, output in added:
        while output in owners:
            output += os.path.splitext(output)[1]
        owners.add(output)
        plans.append(PlannedFile(path, output, None))
    return plans


def _is_taken(name: str, compressing: bool) -> bool:
    stem, suffix = os.path.splitext(name)
    if name.startswith(_APPLE_DOUBLE) or not stem:
        return False
    return suffix.lower() in (SOURCE_SUFFIXES if compressing else (SUFFIX,))


def _is_out(entry: "os.DirEntry[str]", out: str) -> bool:
    """Whether a folder is that of the outputs, by whatever name."""
    try:
        return os.path.samestat(entry.stat(), os.stat(out))
    except FileNotFoundError:
        return False
