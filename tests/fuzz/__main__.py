"""Feeds a target by hand for as long as wanted: ``python -m tests.fuzz TARGET --seconds 600 [--atheris]``.

Without atheris, entries of the corpus and of the golden files are mutated at random. What a target raises is written to its corpus, as
crash-<digest>, which test_fuzz.py then tries for ever; the exit status is 1.
"""

import argparse
import hashlib
import random
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from types import ModuleType


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one target; returns 0 if nothing was found, 1 if something was."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="container, message, metadata, picture or file")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (default: %(default)s)")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage (pip install atheris)")
    options = parser.parse_args(arguments)
    warnings.simplefilter("error")  # a warning would be a second line on standard error
    targets = _targets(options.atheris)
    if options.target not in targets.TARGETS:
        parser.error(f"no target {options.target}")
    corpus = targets.FOLDER / "corpus" / options.target
    corpus.mkdir(parents=True, exist_ok=True)
    target = targets.TARGETS[options.target]

    def kept(data: bytes) -> None:
        try:
            target(data)
        except Exception:
            (corpus / f"crash-{hashlib.sha256(data).hexdigest()[:16]}").write_bytes(data)
            raise

    seeds = [path.read_bytes() for path in sorted(corpus.iterdir())]
    seeds += [path.read_bytes() for path in targets.GOOD] if options.target == "container" else [bytes(16)]
    return _guided(kept, corpus.as_posix(), options.seconds) if options.atheris else _blind(kept, seeds, options)


def _targets(guided: bool) -> ModuleType:
    """The module of the targets; where coverage guides, hvpzip's own code is instrumented as it is imported."""
    if not guided:
        return import_module("tests.fuzz.targets")
    import atheris

    with atheris.instrument_imports(include=["hvpzip"]):
        return import_module("tests.fuzz.targets")


def _blind(target: Callable[[bytes], None], seeds: list[bytes], options: argparse.Namespace) -> int:
    from benchmarks.damage import mutated

    chance = random.Random(options.seed)
    end, tried, found = time.monotonic() + options.seconds, 0, set()
    while time.monotonic() < end:
        data = mutated(chance.choice(seeds), chance) if chance.random() < 0.9 else chance.randbytes(chance.randrange(200))
        tried += 1
        try:
            target(data)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            if (type(error), place.filename, place.lineno) not in found:
                found.add((type(error), place.filename, place.lineno))
                traceback.print_exc()
    print(f"{options.target}: {tried:,} inputs in {options.seconds:g} s, {len(found)} defects")
    return 1 if found else 0


def _guided(target: Callable[[bytes], None], corpus: str, seconds: float) -> int:
    import atheris

    # Inputs of new coverage go to the first folder, which is not kept: there are very many.
    with tempfile.TemporaryDirectory() as scratch:
        atheris.Setup([sys.argv[0], f"-max_total_time={seconds:.0f}", "-max_len=4096", scratch, corpus], target)
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
