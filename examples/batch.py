"""Every PNG of a folder goes to a ``.hvz`` file, on two processes; a broken file does not stop the others.

python examples/batch.py FOLDER OUT
"""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import hvpzip


def show(result: hvpzip.FileResult) -> None:
    """Prints one line for each finished file, as soon as it is finished."""
    print(f"{result.path}: {result.error or f'{result.input_bytes} -> {result.output_bytes} bytes in {result.seconds:.1f} s'}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Every PNG of a folder to a .hvz file.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("out", type=Path)
    folder, out = vars(parser.parse_args()).values()
    out.mkdir(parents=True, exist_ok=True)
    # Any concurrent.futures.Executor will do, one that reaches other machines too. "spawn", because torch does not survive a fork.
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        results = hvpzip.compress_files(sorted(folder.glob("*.png")), out, executor=executor, threads=1, progress=show)
    done = [result for result in results if not result.error]
    print(f"{len(done)} of {len(results)} files, {sum(r.input_bytes or 0 for r in done)} -> {sum(r.output_bytes or 0 for r in done)} bytes")


if __name__ == "__main__":  # the worker processes import this file too
    main()
