"""One file of a benchmark, from its pinned place (metarewarding/jobs/sources.py) or from a local path."""

import re
import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError
from metarewarding.jobs.job import logged, sha256
from metarewarding.jobs.sources import MIRRORS, SOURCES, address

TRIES, FIRST_WAIT, TIMEOUT = 4, 2.0, 60.0  # seconds


def fetch(name: str, target: Path, key: str, path: str | None = None, expected: str | None = None) -> str:
    """Put the file ``name`` at ``target``, where it stands only when its hash is right; return the hash.

    ``path`` is a local file to take instead; its hash is checked only where ``expected`` gives one.
    ``key`` is the config key that may name such a path.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        file = Path(folder) / target.name
        if path:
            source = path
            if not Path(path).is_file():
                raise UserError(f"{key}: {path} is not a file.")
            shutil.copyfile(path, file)
        else:
            url, pinned = address(name)
            source = without_login(url)
            expected = expected or pinned
            download(url, file, key, MIRRORS[SOURCES[name][0]][0])
        found = sha256(file)
        if expected and found != expected:
            raise UserError(
                f"{key}: {source} hashes to {found}, and {expected} was expected. Nothing is kept: the file was "
                "changed or damaged on its way. Run again, or set the key to a copy of the right file."
            )
        file.replace(target)
    print(f"{source}\nsha256 {found}", flush=True)
    return found


def without_login(url: str) -> str:
    """``url`` without the name and password that a mirror's address may hold."""
    return re.sub(r"//[^/@]*@", "//", url)


def download(url: str, file: Path, key: str, mirror: str) -> None:
    mend = f"Fetch it elsewhere and set {key} to its path, or set {mirror} in the environment to a mirror."
    for attempt in range(1, TRIES + 1):
        try:
            with urllib.request.urlopen(url, timeout=TIMEOUT) as reply, open(file, "wb") as out:
                shutil.copyfileobj(reply, out)
                size = reply.headers.get("Content-Length")
            if size is None or file.stat().st_size == int(size):
                return
            said = f"{file.stat().st_size} of {size} bytes came"
        except urllib.error.HTTPError as error:
            said = f"the server answered {error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                raise UserError(f"{key}: {without_login(url)} could not be downloaded: {said}. {mend}") from None
        except (OSError, ValueError) as error:  # no connection, a time-out, an address that is none
            said = str(getattr(error, "reason", error))
        if attempt < TRIES:
            print(f"{without_login(url)}: {said}; trying again", flush=True)
            time.sleep(FIRST_WAIT * 2 ** (attempt - 1))
    raise UserError(
        f"{key}: {without_login(url)} could not be downloaded in {TRIES} tries; the last time: {said}. {mend}"
    )


@logged
def main(job):
    p = job.params
    fetch(p.name, Path(job.output[0]), p.key, p.path, p.sha256)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
