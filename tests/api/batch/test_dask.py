"""Batches on a cluster of Dask: two real workers on this machine, one of them killed in the middle."""

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

import hvpzip
from tests.helpers.children import ran
from tests.helpers.coded import coded

distributed = pytest.importorskip("distributed", reason="needs hvpzip[dask]")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # Dask's own warnings are not ours

Samples = npt.NDArray[np.uint8]
ROOT = Path(__file__).parents[3]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> "Iterator[distributed.Client]":
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])))
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
@pytest.mark.parametrize("recursive", [False, True])
def test_batch_outlives_a_worker_that_is_killed_in_the_middle(
    client: "distributed.Client", folder: Path, pictures: Mapping[str, Samples], packed: Mapping[str, bytes], recursive: bool
) -> None:
    names = [f"{number:02}-{name}.png" for number in range(6) for name in ("gray", "rgb")]
    (folder / "in").mkdir()
    (folder / "out").mkdir()
    for name in names:
        (folder / "in" / name).write_bytes((folder / f"{name[3:-4]}.png").read_bytes())
    (folder / "in" / "03-broken.png").write_bytes(b"no picture")
    names = sorted([*names, "03-broken.png"])
    pids = client.run(os.getpid)
    killed: list[str] = []

    def progress(result: hvpzip.FileResult) -> None:
        # When the second result is here, two tasks are running.
        seen.append(result.path)
        if len(seen) == 2:
            busy = next(address for address, tasks in client.processing().items() if tasks)
            os.kill(pids[busy], signal.SIGKILL)
            killed.append(busy)

    seen: list[str] = []
    paths = [folder / "in"] if recursive else [folder / "in" / name for name in names]
    results = hvpzip.compress_files(
        paths, folder / "out", recursive=recursive, executor=client.get_executor(), threads=1, progress=progress
    )
    assert len(killed) == 1
    assert pids[killed[0]] not in client.run(os.getpid).values()
    assert [Path(result.path).name for result in results] == names
    assert sorted(seen) == sorted(str(folder / "in" / name) for name in names)
    assert [Path(result.path).name for result in results if result.error] == ["03-broken.png"]
    suffix = ".png.hvz" if recursive else ".hvz"
    for name in names:
        if "broken" not in name:
            assert coded((folder / "out" / f"{name[:-4]}{suffix}").read_bytes()) == coded(packed[name[3:-4]])
    outputs = {path.name for path in (folder / "out").iterdir() if not path.name.startswith(".") or sys.platform == "linux"}
    assert outputs == {f"{name[:-4]}{suffix}" for name in names if "broken" not in name}


def test_script_on_the_page_runs(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len([line for line in block.splitlines() if line]) <= 10
    (tmp_path / "script.py").write_text(block)
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "sub/b.png")):
        Image.new("RGB", (3, 2), (number, 2, 3)).save(tmp_path / "photos" / name)
    (tmp_path / "photos" / "bad.png").write_bytes(b"no picture")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))}
    done = ran([sys.executable, "script.py"], cwd=tmp_path, env=environment, deadline_s=600)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "2 of 3 files"
    assert second.startswith(f"{os.path.join('photos', 'bad.png')}: not a picture")
    for name in ("a.png", "sub/b.png"):
        hvpzip.verify(tmp_path / "packed" / f"{name}.hvz")
