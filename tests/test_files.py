"""Files that a user names are written as `cp` would write them; those of a run replace what was."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lab.kit import CannotWrite, files, ready, replace_whole, write_whole

ROOT = Path(__file__).parents[1]
POSIX = pytest.mark.skipif(os.name == "nt", reason="links, pipes and modes are POSIX's")
pytestmark = POSIX
WRITE = "import sys; from lab.kit import write_whole; print('before'); "
WRITE += "write_whole(sys.argv[1], b'data\\n'); print('after')"


@pytest.fixture
def there(tmp_path):
    """A folder with a file in it and links to what is there and what is not."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "old").write_bytes(b"old")
    (tmp_path / "link").symlink_to("elsewhere/old")
    (tmp_path / "link-to-link").symlink_to(tmp_path / "link")
    (tmp_path / "dangling").symlink_to("elsewhere/new")
    return tmp_path


@pytest.mark.parametrize(
    "name, target", [("link", "old"), ("link-to-link", "old"), ("dangling", "new")]
)
def test_a_link_is_followed(there, name, target):
    ready(there / name)
    assert not (there / "elsewhere" / "new").exists()
    write_whole(there / name, b"data")
    assert (there / name).is_symlink() and (there / "elsewhere" / target).read_bytes() == b"data"
    assert not list(there.rglob("*.new"))


def test_what_a_run_writes_follows_no_link(there):
    """Whoever hands over a run folder does not choose what is overwritten."""
    replace_whole(there / "link", b"data")
    files.write_json(there / "dangling", {})
    assert (there / "elsewhere" / "old").read_bytes() == b"old"
    assert not (there / "elsewhere" / "new").exists() and not (there / "link").is_symlink()


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o755, 0o4711])
def test_a_file_keeps_its_mode(tmp_path, mode):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new" and stat.S_IMODE(path.stat().st_mode) == mode & 0o777


def test_a_pipe_is_written_into(tmp_path):
    pipe, seen = tmp_path / "pipe", []
    os.mkfifo(pipe)
    ready(pipe)  # without a reader, too
    reader = threading.Thread(target=lambda: seen.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_whole(pipe, b"data" * 50_000)
    reader.join()
    assert seen == [b"data" * 50_000] and pipe.is_fifo()


def test_a_device_is_written_into(tmp_path):
    null, link = tmp_path / "null", tmp_path / "link"
    try:
        os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        null.write_bytes(b"")
    except OSError:
        pytest.skip("only root may make a device, and not on every disk")
    link.symlink_to(null)
    for path in (null, link):
        ready(path)
        write_whole(path, b"data")
    assert null.is_char_device() and link.is_symlink() and len(list(tmp_path.iterdir())) == 2


def test_its_own_output_is_written_into(tmp_path):
    """Piped, redirected, or handed in by the shell's >(…); what is printed stays in its order."""
    words = [sys.executable, "-c", WRITE]
    piped = subprocess.run([*words, "/dev/stdout"], cwd=ROOT, capture_output=True)
    assert (piped.stdout, piped.stderr) == (b"before\ndata\nafter\n", b"")
    (tmp_path / "link").symlink_to("/proc/self/fd/1")
    for name in ("/dev/fd/1", "/proc/self/fd/1", str(tmp_path / "link")):
        with open(tmp_path / "out", "wb") as out:
            subprocess.run([*words, name], cwd=ROOT, stdout=out, check=True)
        assert (tmp_path / "out").read_bytes() == b"before\ndata\nafter\n", name
    receiving, sending = os.pipe()
    subprocess.run([*words, f"/dev/fd/{sending}"], cwd=ROOT, pass_fds=[sending], check=True)
    assert os.read(receiving, 99) == b"data\n"
    os.close(receiving), os.close(sending)


def test_what_nothing_can_take_the_place_of_is_written_into(tmp_path, monkeypatch):
    """A file that is mounted into a container: the system calls it busy."""
    path = tmp_path / "file"
    path.write_bytes(b"older and longer")
    inode = path.stat().st_ino

    def busy(source, target):
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

    monkeypatch.setattr(files.os, "replace", busy)
    write_whole(path, b"new")
    assert path.read_bytes() == b"new" and path.stat().st_ino == inode
    with pytest.raises(CannotWrite, match="busy"):
        replace_whole(path, b"newer")
    assert [left.name for left in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("write", [ready, lambda path: write_whole(path, b"data")])
def test_what_cannot_be_written_is_said_in_one_line(tmp_path, write):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "nowhere").symlink_to("no/such/folder")
    before = sorted(tmp_path.rglob("*"))
    for name in ("folder", "file/x", "loop", "nowhere", "x" * 300):
        with pytest.raises(CannotWrite) as caught:
            write(tmp_path / name)
        assert caught.value.strerror and "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before and (tmp_path / "file").read_bytes() == b"old"


def test_what_may_not_be_written_is_not(tmp_path, monkeypatch):
    """A folder of somebody else's: a file there that is ours is written into, others are left."""
    (tmp_path / "ours").write_bytes(b"old")
    (tmp_path / "theirs").write_bytes(b"old")
    allowed = lambda path, mode: Path(path).name == "ours"  # noqa: E731  root may do anything
    monkeypatch.setattr(files.os, "access", allowed)
    write_whole(tmp_path / "ours", b"new")
    assert (tmp_path / "ours").read_bytes() == b"new"
    for write in (ready, lambda path: write_whole(path, b"new")):
        with pytest.raises(CannotWrite, match="Permission denied"):
            write(tmp_path / "theirs")
    assert (tmp_path / "theirs").read_bytes() == b"old"


def test_ready_makes_the_folder_and_nothing_else(tmp_path):
    ready(tmp_path / "a" / "b" / "file")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "b"]


def test_a_long_name_has_room_beside_it(tmp_path):
    write_whole(tmp_path / ("x" * 255), b"data")
    assert (tmp_path / ("x" * 255)).read_bytes() == b"data"


def test_a_pipe_or_a_link_for_a_lock_is_refused(tmp_path):
    (tmp_path / "precious").write_bytes(b"precious")
    lock = tmp_path / ".lock"
    lock.symlink_to("precious")
    for make in (lambda: None, lambda: os.mkfifo(lock), lock.mkdir):
        make()
        with pytest.raises(ValueError, match=r"\.lock is (a link|no regular file)"):
            files.hold(tmp_path)
        lock.rmdir() if lock.is_dir() else lock.unlink()
    assert (tmp_path / "precious").read_bytes() == b"precious"


def test_a_pipe_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(ValueError, match="is no regular file"):
            files.read_json(path)
