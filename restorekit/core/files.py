"""Files: written atomically and never through a symbolic link, identified by their SHA-256, and locked.

A folder for outputs is passed to `claim` before anything is written there. From then on neither that folder nor
anything below it is written, changed or removed through a symbolic link; links on the way to the folder are the
user's own and are followed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

from restorekit.core.errors import ImageError, UsageError

TEMPORARY = ".restorekit-part"  # suffix of the hidden file that is written before the rename
_REASONS = {
    errno.ENOSPC: "the disk is full; free some space or choose another folder",
    errno.EDQUOT: "the disk quota is used up; free some space or choose another folder",
    errno.EROFS: "the file system is read-only; choose another folder",
    errno.EACCES: "permission is denied; choose another folder or change its permissions",
    errno.EPERM: "permission is denied; choose another folder or change its permissions",
    errno.EISDIR: "a folder of that name is in the way; remove it or choose another folder",
    errno.ENOTDIR: "a part of its folder's path is a file; choose another folder",
    errno.EEXIST: "a part of its folder's path is a file; choose another folder",
    errno.ENAMETOOLONG: "the name is too long for the file system; shorten it",
    errno.ELOOP: "it is a symbolic link, which is never written through; remove the link or choose another folder",
    errno.EMFILE: "too many files are open; lower --workers, or raise the limit with `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine; close other programs",
    errno.ENOMEM: "the system is out of memory; close other programs",
    errno.EIO: "the disk reports an error; check the disk or choose another folder",
    errno.EMLINK: "it has a second name (a hard link), whose content would change too; replace it by a copy of itself",
    errno.EFBIG: "the file is larger than the file system or `ulimit -f` allows; choose another folder",
}
_claimed: set[Path] = set()


def claim(folder: str | Path) -> None:
    """Declare a folder as one for outputs, which may not exist yet; see the module's text for what that forbids.

    Raises
    ------
    UsageError
        The folder is itself a symbolic link; the message names the folder behind it.
    """
    folder = Path(folder).absolute()
    _claimed.add(folder)  # even if it is refused, so that not even a report of the failure is written
    if folder.is_symlink():
        raise UsageError(
            f"the output folder {folder} is a symbolic link, which is never written through; give "
            f"{os.path.realpath(folder)} itself, or another folder"
        )


def refuse_links(path: Path) -> None:
    """Raise an ImageError if a path is a symbolic link, or lies behind one within a folder for outputs."""
    full = path.absolute()
    claimed = [i for i, part in enumerate(full.parents) if part in _claimed]
    for part in (full, *full.parents[: max(claimed, default=-1) + 1]):
        if part.is_symlink():
            raise ImageError(
                f"cannot write {path}: {part} is a symbolic link, which is never written through; remove the link or "
                "choose another folder"
            )


def make_folder(folder: Path) -> None:
    """Make a folder for outputs with its parents; it may exist.

    Raises
    ------
    ImageError
        It cannot be made, or lies behind a symbolic link within a folder for outputs.
    """
    refuse_links(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(folder, error) from error


def remove(path: Path) -> None:
    """Remove a file of an earlier run; a missing one, or a name too long to exist, is no error.

    Raises
    ------
    ImageError
        It cannot be removed, or lies behind a symbolic link within a folder for outputs.
    """
    refuse_links(path)
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.ENOTDIR):
            raise ImageError(f"cannot remove {path}: {_reason(error)}") from error


def open_to_append(path: Path) -> IO[bytes]:
    """Open a regular file to read it and to append to it; it is made if missing.

    Raises
    ------
    OSError
        It cannot be opened; ELOOP for a symbolic link, EMLINK for a file with a second name, which may be an input,
        EINVAL for a device, a pipe or anything else.
    ImageError
        It lies behind a symbolic link within a folder for outputs.
    """
    refuse_links(path)
    no_link, no_wait = getattr(os, "O_NOFOLLOW", 0), getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | no_link | no_wait, 0o666)
    descriptor = _regular(path, descriptor)
    if os.fstat(descriptor).st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EMLINK, _REASONS[errno.EMLINK], str(path))
    return os.fdopen(descriptor, "ab+")


def open_to_read(path: Path) -> IO[bytes]:
    """Open a regular file to read it; OSError for a missing file, a device, a pipe or anything else."""
    return os.fdopen(_regular(path, os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))), "rb")


def _regular(path: Path, descriptor: int) -> int:
    """Return the descriptor of a regular file; close any other and raise an OSError."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is a device, a pipe or a folder", str(path))


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file and rename it to `path` when the block ends without an error.

    The file and its folder are flushed to the disk. On any error the temporary is removed and `path` stays
    unchanged. Missing folders are made.

    Parameters
    ----------
    path : path
        Path of the finished file.

    Yields
    ------
    Path
        An empty file in the same folder, to be opened and written.

    Raises
    ------
    ImageError
        The disk is full or read-only, permission is denied, or the path lies behind a symbolic link within a folder
        for outputs.
    """
    path = Path(path)
    refuse_links(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _create(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield temporary
        os.fsync(descriptor)
        refuse_links(path)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        os.close(descriptor)
        with suppress(OSError):  # after the rename it is gone; whatever else keeps it, the next run sweeps it
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder and rename it to `path`, which must not exist, when the block ends without an error.

    Raises
    ------
    ImageError
        The disk is full or read-only, permission is denied, or `path` came up meanwhile.
    """
    refuse_links(path)
    temporary = path.parent / f".{secrets.token_hex(8)}{TEMPORARY}"
    try:
        temporary.mkdir(parents=True)
        descriptor = os.open(temporary, os.O_RDONLY)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        _lock(descriptor)
        yield temporary
        os.rename(temporary, path)  # noqa: PTH104 - Path.rename would put it inside of a folder that came up meanwhile
        _sync_folder(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        os.close(descriptor)
        shutil.rmtree(temporary, ignore_errors=True)


def sweep(folder: str | Path, recursive: bool = True) -> int:
    """Remove the temporary files and folders that a killed run left, sparing those still being written.

    Parameters
    ----------
    folder : path
        Searched, but not through links; it may be missing.
    recursive : bool
        Whether its sub-folders are searched too.

    Returns
    -------
    int
        Number of files and folders removed.
    """
    removed = 0
    for place, folders, names in os.walk(folder):  # which follows no links
        for path in (Path(place, name) for name in folders if name.startswith(".") and name.endswith(TEMPORARY)):
            if _abandoned(path):
                shutil.rmtree(path, ignore_errors=True)
                removed += 1
        folders[:] = [name for name in folders if recursive and not name.endswith(TEMPORARY)]
        for path in (Path(place, name) for name in names if name.startswith(".") and name.endswith(TEMPORARY)):
            if _abandoned(path):
                with suppress(OSError):  # of another user, or on a disk that is read-only now
                    path.unlink()
                    removed += 1
    return removed


def identity(path: Path) -> tuple[int, int] | None:
    """Return the numbers of device and file that a path leads to, links followed; None if it leads to nothing."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def digest(data: bytes) -> str:
    """Return the SHA-256 of bytes as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def digest_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits; OSError if it cannot be read."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _create(folder: Path) -> tuple[Path, int]:
    """Make a temporary and lock it, so that another run's `sweep` keeps it."""
    while True:
        temporary = folder / f".{secrets.token_hex(8)}{TEMPORARY}"
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        _lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return temporary, descriptor
        os.close(descriptor)  # swept away between open and lock: try again


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        with suppress(OSError):  # some network file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _abandoned(path: Path) -> bool:
    """Return whether a temporary file or folder is one that no run is writing."""
    if path.is_symlink() or not (path.is_file() or path.is_dir()):
        return False
    if fcntl is None:
        return True
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
    except OSError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Flush a folder's entries, if the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_error(path: Path, error: OSError) -> ImageError:
    """Return the error that says why a file cannot be written, and what to do."""
    return ImageError(f"cannot write {path}: {_reason(error)}")


def _reason(error: OSError) -> str:
    return _REASONS.get(error.errno or 0, f"{error.strerror or error}; check the folder")


try:
    import fcntl
except ImportError:  # Windows: two runs into one folder are not detected
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path, shard_name: str) -> Iterator[None]:
    """Keep other runs out of a folder, which is made if missing.

    Parameters
    ----------
    folder : Path
        The run's own folder.
    shard_name : str
        Empty for a run that must be alone; shards with different names may run at the same time.

    Raises
    ------
    UsageError
        Another run is at work there.
    ImageError
        The folder cannot be made or written to.
    """
    with ExitStack() as held:
        make_folder(folder)
        try:
            run = held.enter_context(open_to_append(folder / ".lock"))
            part = held.enter_context(open_to_append(folder / f".lock{shard_name}")) if shard_name else None
        except OSError as error:
            raise write_error(folder / ".lock", error) from error
        _hold(run, folder, shared=part is not None)
        if part is not None:
            _hold(part, folder, shared=False)
        yield


def _hold(file: IO[bytes], folder: Path, shared: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):  # others: a file system without locks
            raise UsageError(
                f"another run is writing into {folder.parent}; wait until it ends or choose another folder"
            ) from error
