"""Disk faults as one-line messages: the path, what is wrong with it, and the fix."""

import errno
import shutil
from collections.abc import Iterable
from pathlib import Path
from tempfile import gettempdir

from metarewarding.row_checks import results_root

DISK_FAULTS = {
    errno.ENOSPC: "the disk is full. Make room, and run again: what is finished stays",
    errno.EDQUOT: "the disk quota is used up. Make room, and run again: what is finished stays",
    errno.EROFS: "the disk is read-only. Set pathvars.results to a folder that can be written",
    errno.EACCES: "there is no permission. Change the file's or the folder's owner or mode, and run again",
    errno.EPERM: "it is not permitted. Change the file's or the folder's owner or mode, and run again",
    errno.EISDIR: "a folder is where a file should be. Move it away, and run again",
    errno.EEXIST: "a file is where a folder should be. Move it away, and run again",
    errno.ENOTDIR: "a file is where a folder should be. Move it away, and run again",
    errno.ENOENT: "it does not exist",
    errno.ENAMETOOLONG: "the name is too long",
}


def disk_fault(error: Exception, outputs: Iterable[str] = ()) -> str | None:
    """Return what is wrong with a file or its disk, in one line; None where ``error`` is of another kind.

    ``outputs``: the files and folders that were being written, as an error of a full disk seldom has a path.
    """
    number, path = getattr(error, "errno", None), getattr(error, "filename", None)
    path = getattr(error, "filename2", None) or path  # the target of a rename, if there is one
    if number is None and "os error 28" in str(error):  # safetensors raises its own error, not an OSError
        number = errno.ENOSPC
    if number not in DISK_FAULTS or (path is None and number not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)):
        return None
    return f"{path or fullest_folder(outputs)}: {DISK_FAULTS[number]}."


def fullest_folder(outputs: Iterable[str] = ()) -> Path:
    """Return the folder on the disk with the least room: of ``outputs``, the results, this one, the temporary one."""
    places = [*(Path(output).parent for output in outputs), results_root(), Path.cwd(), Path(gettempdir())]
    return min(filter(Path.is_dir, places), key=lambda place: shutil.disk_usage(place).free)
