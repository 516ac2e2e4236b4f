"""One run at a time in an output folder; shards of one run may share it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

from restorekit.errors import ImageError, UsageError

try:
    import fcntl
except ImportError:  # Windows: two runs into one folder are not told apart
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path, shard_name: str) -> Iterator[None]:
    """Keep other runs out of a folder, which is made where missing.

    Parameters
    ----------
    folder : Path
        The run's own folder.
    shard_name : str
        Empty for a run that must be alone; runs with different names may work at the same time.

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
            whole = held.enter_context((folder / ".lock").open("a"))
            part = held.enter_context((folder / f".lock{shard_name}").open("a")) if shard_name else None
        except OSError as error:
            raise ImageError(f"cannot write into {folder} ({error.strerror}); choose another folder") from error
        _hold(whole, folder, shared=part is not None)
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
                f"another run is writing into {folder.parent}; wait for its end or choose another folder"
            ) from error
