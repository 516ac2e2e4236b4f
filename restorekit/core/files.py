"""Files: written atomically, identified by their SHA-256, and locked against other runs."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
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
}


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
        The disk is full or read-only, or permission is denied.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary, descriptor = _create(path.parent)
    except OSError as error:
        raise _sentence(path, error) from error
    try:
        yield temporary
        os.fsync(descriptor)
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _sentence(path, error) from error
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)


def sweep(folder: str | Path) -> int:
    """Remove the temporaries that a killed run left under a folder, sparing those still being written.

    Parameters
    ----------
    folder : path
        Searched recursively; it may be missing.

    Returns
    -------
    int
        Number of files removed.
    """
    left = [p for p in Path(folder).rglob(f".*{TEMPORARY}") if _abandoned(p)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


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
        if fcntl is not None:
            with suppress(OSError):  # some network file systems have no locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if temporary.exists():
            return temporary, descriptor
        os.close(descriptor)  # swept away between open and lock: try again


def _abandoned(path: Path) -> bool:
    if fcntl is None:
        return True
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def _sentence(path: Path, error: OSError) -> ImageError:
    reason = _REASONS.get(error.errno or 0, f"{error.strerror or error}; check the folder")
    return ImageError(f"cannot write {path}: {reason}")


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
        try:
            folder.mkdir(parents=True, exist_ok=True)
            run = held.enter_context((folder / ".lock").open("a"))
            part = held.enter_context((folder / f".lock{shard_name}").open("a")) if shard_name else None
        except OSError as error:
            raise ImageError(f"cannot write into {folder} ({error.strerror}); choose another folder") from error
        _hold(run, folder, shared=part is not None)
        if part is not None:
            _hold(part, folder, shared=False)
        yield


def _hold(file: IO[str], folder: Path, shared: bool) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EACCES):  # others: a file system without locks
            raise UsageError(
                f"another run is writing into {folder.parent}; wait until it ends or choose another folder"
            ) from error
