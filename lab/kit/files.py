"""Files and folders that appear whole or not at all, on every system, also beside other writers."""

import contextlib
import errno
import itertools
import json
import os
import re
import shutil
import stat
import sys
import time
import uuid
from pathlib import Path

RETRY_SECONDS = 0.01, 0.05, 0.2, 0.5, 1  # Windows lets nobody replace what somebody has open
OURS = re.compile(r"\.[0-9a-f]{32}\.new")  # what is not finished; nobody else names a thing so
ABANDONED_SECONDS = 3600  # a folder takes milliseconds to make; this one's maker was killed
LARGEST = 10**9  # bytes of a file that is read: episodes.csv has ten million episodes then


class CannotWrite(OSError):
    """A file of ours cannot be written: `filename` is its path, `strerror` the reason."""


@contextlib.contextmanager
def writing(path):
    """Whatever the system objects to in here, it is that `path` CannotWrite."""
    try:
        yield
    except CannotWrite:
        raise
    except OSError as error:
        raise CannotWrite(error.errno, error.strerror or str(error), str(path)) from None


def safe_name(text):
    """A text with nothing in it that some file system may mind."""
    return "".join(c if c.isalnum() or c in "-_.=+" else "-" for c in text)


def write_whole(path, data):
    """Write bytes to a file that a user names, as `cp` would write there. Raises CannotWrite.

    A link is followed. A device, a pipe and a descriptor (/dev/stdout) are written into, and so
    is what nothing can take the place of: a mounted file, one in a folder that is not ours.
    Any other file holds either what it held before or all of `data`, as of replace_whole.
    """
    with writing(path):
        if not _is_written_into(path):
            try:
                return replace_whole(os.path.realpath(path) if os.path.islink(path) else path, data)
            except OSError as error:
                if error.errno != errno.EBUSY:  # it is mounted
                    raise
        descriptor = _descriptor(path)
        with open(path if descriptor is None else os.dup(descriptor), "wb") as file:
            file.write(data)


def ready(path):
    """See to it, before the work, that its result can be written to `path`; makes its folder.

    Raises CannotWrite, as write_whole would after the work.
    """
    with writing(path):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        if not _is_written_into(path):
            with _beside(os.path.realpath(path)):
                pass


def _is_written_into(path):
    """Would write_whole open what is there, not replace it? Raises OSError if it could neither."""
    if _descriptor(path) is not None:
        return True
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(mode) or not os.access(path, os.W_OK):
        code = errno.EISDIR if stat.S_ISDIR(mode) else errno.EACCES
        raise OSError(code, os.strerror(code))
    folder = os.path.dirname(os.path.realpath(path))
    return not (stat.S_ISREG(mode) and os.access(folder, os.W_OK))


def _descriptor(path):
    """Which open file of this process `path` leads to (/dev/stdout: 1), or None."""
    for _ in range(9):  # links, one after another
        folder, name = os.path.split(path)
        if not os.path.islink(path):
            break
        if os.path.realpath(folder) == os.path.realpath("/proc/self/fd"):
            sys.stdout.flush()
            return int(name)
        path = os.path.join(folder, os.readlink(path))
    return None


def replace_whole(path, data):
    """Write bytes to `path` so that it holds either what it held before or all of `data`.

    That holds through a power cut too: the bytes are on the disk before they get
    their name, and the name is when this returns. A file keeps its mode; a link is
    not followed, but replaced. Raises CannotWrite.
    """
    path = Path(path)
    with writing(path), _beside(path) as beside:
        with open(beside, "wb") as file:
            if path.is_file() and not path.is_symlink():
                beside.chmod(stat.S_IMODE(path.stat().st_mode) & 0o777)
            file.write(data)
            flush(file)
        replace(beside, path)
        flush_folder(path.parent)


@contextlib.contextmanager
def _beside(path):
    """An empty file beside `path`, which is gone in the end unless it was renamed."""
    beside = _unfinished(Path(path).parent)
    try:
        open(beside, "xb").close()
        yield beside
    finally:
        beside.unlink(missing_ok=True)  # on a full disk, leave no half file in the way


def _unfinished(folder):
    """A new name in a folder, for what gets its own when it is finished."""
    return Path(folder) / f".{uuid.uuid4().hex}.new"


def _left(folder, there):
    """What is unfinished in a folder, and of the kind that there(path) tells; links are not."""
    for path in Path(folder).glob(".*.new"):
        if OURS.fullmatch(path.name) and there(path) and not path.is_symlink():
            yield path


def flush(file):
    """Put all that was written into this open file on the disk."""
    file.flush()
    os.fsync(file.fileno())


def flush_folder(path):
    """Put a folder's list of names on the disk; Windows does that by itself."""
    if os.name == "posix":
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def replace(source, target):
    """os.replace, patient while a viewer or a virus scanner has the target open."""
    for seconds in RETRY_SECONDS:
        try:
            return os.replace(source, target)
        except PermissionError:
            time.sleep(seconds)
    os.replace(source, target)


def write_json(path, data):
    """Write a dict as readable JSON, whole or not at all."""
    replace_whole(path, (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode())


def regular(path):
    """`path` as a Path. Raises ValueError if it is there, but no file that one can read whole.

    Reading a pipe would wait for somebody to write, and writing through a link to nothing
    would make a file elsewhere.
    """
    path = Path(path)
    if (path.is_symlink() or path.exists()) and not path.is_file():
        raise ValueError(f"{path} is no regular file; move it away")
    if path.exists() and path.stat().st_size > LARGEST:
        raise ValueError(f"{path} has more than {LARGEST:,} bytes; no file of ours is so large")
    return path


def read_json(path):
    """The dict in a JSON file. Raises ValueError, naming the file, when there is none."""
    path = regular(path)
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist") from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
    if not isinstance(data, dict):
        raise ValueError(f"{path} does not hold a JSON object")
    return data


def new_folder(parent, name, fill):
    """A folder of one's own: parent/name or, where that is taken, name-2, name-3, … -> its Path.

    It appears only when fill(path of the unfinished folder) has filled it, and
    nobody who asks for the same name at the same time gets the same folder.
    What earlier ones left behind when they were killed is cleaned up. Raises CannotWrite.
    """
    parent = Path(parent)
    with writing(parent):
        parent.mkdir(parents=True, exist_ok=True)
        for left in _left(parent, Path.is_dir):
            with contextlib.suppress(FileNotFoundError):  # it has just been finished
                if time.time() - left.stat().st_mtime > ABANDONED_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)
        unfinished = _unfinished(parent)
        unfinished.mkdir()
        try:
            fill(unfinished)
            path = _claim(unfinished, parent, safe_name(name))
        except BaseException:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise
        flush_folder(parent)
    return path


def hold(folder):
    """Keep other processes from writing into a folder until this one ends -> the lock; keep it.

    Raises ValueError if another process holds it, CannotWrite if it cannot be written.
    """
    import filelock

    path = Path(folder) / ".lock"
    if path.is_symlink():  # locking a file empties it
        raise ValueError(f"{path} is a link; no lock of this program is")
    lock = filelock.FileLock(regular(path), blocking=False)
    with writing(folder):
        try:
            lock.acquire()
        except filelock.Timeout:
            raise ValueError(f"{folder} is in use by another process") from None
        for place in (folder, Path(folder) / "seeds"):
            for left in _left(place, Path.is_file):  # by one that was killed
                left.unlink()
    return lock


def _claim(unfinished, parent, name):
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            if not path.exists():
                return unfinished.rename(path)  # fails if another one took the name
        except OSError:
            if not path.exists():
                raise
