"""Files that appear whole or not at all."""

import errno
import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from hvpzip import atomic
from hvpzip.atomic import atomic_write
from tests.helpers.children import ran


@pytest.fixture(autouse=True, params=["nameless", "hidden"])
def way(request, monkeypatch):
    """Files without a name until the end, where the system has them, and files with a hidden one, as on all other systems."""
    if request.param == "hidden":
        monkeypatch.setattr(atomic, "_open_nameless", lambda folder, mode: None)
    return request.param


def no_nameless_files(folder: Path) -> bool:
    opened = atomic._open_nameless(folder, 0o600)
    if opened is not None:
        opened.close()
    return opened is None


@pytest.fixture
def no_hard_links(monkeypatch):
    def link(*_args, **_kwargs):
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", link)


def test_the_file_appears_with_its_contents_when_the_block_ends(tmp_path):
    target = tmp_path / "a.hvz"
    with atomic_write(target) as out:
        out.write(b"contents")
        assert not target.exists()
    assert target.read_bytes() == b"contents"
    assert os.listdir(tmp_path) == ["a.hvz"]


def test_what_was_written_can_be_read_back_inside_the_block(tmp_path):
    with atomic_write(str(tmp_path / "a")) as out:
        out.write(b"contents")
        out.seek(0)
        assert out.read() == b"contents"
    assert (tmp_path / "a").read_bytes() == b"contents"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("overwrite", [False, True])
def test_any_exception_leaves_nothing_behind_and_the_old_file_as_it_was(tmp_path, error, overwrite):
    target = tmp_path / "a"
    if overwrite:
        target.write_bytes(b"old")

    def fail(out):
        out.write(b"half of the n")
        raise error

    with pytest.raises(error), atomic_write(target, overwrite=overwrite) as out:
        fail(out)
    assert os.listdir(tmp_path) == (["a"] if overwrite else [])
    assert not overwrite or target.read_bytes() == b"old"


def test_a_file_without_a_name_is_not_seen_and_a_hidden_one_is_named_after_its_target(tmp_path, way):
    if way == "nameless" and no_nameless_files(tmp_path):
        pytest.skip("this system or file system has no files without a name")
    with atomic_write(tmp_path / "a.hvz") as out:
        out.write(b"contents")
        seen = os.listdir(tmp_path)
    assert len(seen) == (way == "hidden")
    assert all(name.startswith(".a.hvz.") and len(name) == len(".a.hvz.") + 16 for name in seen)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_killed_process_leaves_the_old_state_and_at_most_a_hidden_file(tmp_path, way, overwrite):
    if way == "nameless" and no_nameless_files(tmp_path):
        pytest.skip("this system or file system has no files without a name")
    target = tmp_path / "a"
    if overwrite:
        target.write_bytes(b"old")
    code = f"""if True:
        import os, signal
        from hvpzip import atomic
        if {way == "hidden"}:
            atomic._open_nameless = lambda folder, mode: None
        with atomic.atomic_write({str(target)!r}, overwrite={overwrite}) as out:
            out.write(b"half of the n")
            out.flush()
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = ran([sys.executable, "-c", code], cwd=Path(__file__).parents[1])
    assert done.returncode == -signal.SIGKILL
    left = sorted(os.listdir(tmp_path))
    assert [name for name in left if not name.startswith(".")] == (["a"] if overwrite else [])
    assert not overwrite or target.read_bytes() == b"old"
    assert sum(name.startswith(".a.") for name in left) == (way == "hidden")


def test_an_existing_file_is_replaced_only_if_asked(tmp_path):
    target = tmp_path / "a"
    target.write_bytes(b"old")
    with pytest.raises(FileExistsError, match="exists already"), atomic_write(target) as out:
        out.write(b"new")
    assert target.read_bytes() == b"old"
    with atomic_write(target, overwrite=True) as out:
        out.write(b"new")
    assert target.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_never_overwritten(tmp_path, links, request):
    if not links:
        request.getfixturevalue("no_hard_links")
    target = tmp_path / "a"

    def write_while_another_does(out):
        out.write(b"new")
        target.write_bytes(b"another's")

    with pytest.raises(FileExistsError, match="exists already"), atomic_write(target) as out:
        write_while_another_does(out)
    assert target.read_bytes() == b"another's"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.usefixtures("no_hard_links")
def test_a_file_system_without_hard_links_works(tmp_path):
    with atomic_write(tmp_path / "a") as out:
        out.write(b"contents")
    assert (tmp_path / "a").read_bytes() == b"contents"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.usefixtures("no_hard_links")
def test_a_rename_that_fails_gives_the_name_back(tmp_path, monkeypatch):
    def replace(*_args):
        raise OSError(errno.EIO, "broken")

    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(OSError, match="broken"), atomic_write(tmp_path / "a") as out:
        out.write(b"contents")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path, overwrite, umask, mode):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a", overwrite=overwrite) as out:
            out.write(b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o444, 0o666])
def test_a_mode_that_is_given_is_kept_whatever_the_umask_and_nobody_else_reads_meanwhile(tmp_path, overwrite, mode, links, request):
    if not links:
        request.getfixturevalue("no_hard_links")
    before = os.umask(0o022)
    try:
        with atomic_write(tmp_path / "a", overwrite=overwrite, mode=mode) as out:
            out.write(b"x")
            assert stat.S_IMODE(os.fstat(out.fileno()).st_mode) & 0o077 == 0
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == mode


def test_a_symbolic_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    real = tmp_path / "real"
    (tmp_path / "there").mkdir()
    real.write_bytes(b"old")
    (tmp_path / "there" / "link").symlink_to("../real")
    with atomic_write(tmp_path / "there" / "link", overwrite=True) as out:
        out.write(b"new")
    assert os.readlink(tmp_path / "there" / "link") == "../real"
    assert real.read_bytes() == b"new"
    assert not real.is_symlink()
    assert os.listdir(tmp_path / "there") == ["link"]
    real.unlink()
    with atomic_write(tmp_path / "there" / "link", overwrite=True) as out:
        out.write(b"first")
    assert real.read_bytes() == b"first"


def test_a_link_that_leads_to_itself_is_refused(tmp_path):
    (tmp_path / "a").symlink_to("a")
    with pytest.raises(OSError, match="leads to itself"), atomic_write(tmp_path / "a", overwrite=True) as out:
        out.write(b"x")
    assert os.listdir(tmp_path) == ["a"]


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"), atomic_write(tmp_path / "none" / "a") as out:
        out.write(b"x")


def test_names_as_long_as_the_system_allows_work(tmp_path):
    target = tmp_path / ("a" * 255)
    with atomic_write(target) as out:
        out.write(b"x")
    assert target.read_bytes() == b"x"


def test_a_link_that_points_nowhere_counts_as_existing(tmp_path):
    target = tmp_path / "a"
    target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError, match="exists"), atomic_write(target) as out:
        out.write(b"x")
    assert not (tmp_path / "nowhere").exists()
