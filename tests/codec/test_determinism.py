"""The shipped model gives the same bytes in fresh processes with other thread counts, and either decodes what the other wrote.

The picture is large enough for two threads.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.children import ran

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
import numpy as np
import hvpzip
threads, source, ours, theirs = int(sys.argv[1]), *sys.argv[2:]
samples = np.load(source)
data = hvpzip.compress(samples, threads=threads)
with open(ours, "wb") as file:
    file.write(data)
if theirs != "-":
    with open(theirs, "rb") as file:
        assert np.array_equal(hvpzip.decompress(file.read(), threads=threads), samples)
"""


@pytest.mark.slow
def test_fresh_processes_with_one_and_two_threads_write_the_same_bytes(tmp_path, crop):
    np.save(tmp_path / "samples.npy", np.ascontiguousarray(crop(20, 20, 136, 128).transpose(1, 2, 0)))
    theirs = "-"
    for threads in (1, 2):
        ours = str(tmp_path / f"{threads}.hvz")
        command = [sys.executable, "-c", SCRIPT, str(threads), str(tmp_path / "samples.npy"), ours, theirs]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = ran(command, env=environment, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        theirs = ours
    assert (tmp_path / "1.hvz").read_bytes() == (tmp_path / "2.hvz").read_bytes()
