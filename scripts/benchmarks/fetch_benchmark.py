"""Fetch one file of a benchmark from its pinned place (metarewarding/evaluation/) or a local path."""

import base64
import http.client
import re
import shutil
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

from metarewarding.errors import UserError
from metarewarding.evaluation import registry
from metarewarding.jobs.job import logged
from metarewarding.jobs.logs import logger
from metarewarding.jobs.provenance import sha256

TRIES, FIRST_WAIT, TIMEOUT = 4, 2.0, 60.0  # seconds


def fetch(name: str, target: Path, key: str, path: str | None = None, revision: str | None = None) -> str:
    """Write the file ``name`` to ``target`` if its hash is the pinned one; return the hash.

    ``path`` is a local file to use instead, with any content. ``key`` is the config key that can set such a path.
    ``revision``: see ``registry.address``.
    """
    expected = None
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        file = Path(folder) / target.name
        if path:
            source = path
            if not Path(path).is_file():
                raise UserError(f"{key}: {path} is not a file.")
            shutil.copyfile(path, file)
        else:
            url, expected = registry.address(name, revision)
            source, _ = without_login(url)
            download(url, file, key, registry.MIRRORS[registry.sources()[name][0]][0])
        digest = sha256(file)
        if expected and digest != expected:
            raise UserError(
                f"{key}: {source} hashes to {digest}, and {expected} was expected. The file was changed or "
                "damaged, and was not kept. Run again, or set the key to a copy of the right file."
            )
        file.replace(target)
    logger.info(f"{source}, sha256 {digest}")
    return digest


def without_login(url: str) -> tuple[str, str | None]:
    """Return ``url`` without the `name:password` that a mirror's address may contain, and these.

    They end at the last @, so that no part of a password with @ or / is left; no pinned path contains an @.
    """
    scheme, login, address = re.fullmatch(r"(\w+://)?(?:(.*)@)?(.*)", url, re.DOTALL).groups()
    return (scheme or "") + address, login


def opened(url: str):
    """Open ``url``; a name and password in it are sent as a header, because urllib reads them as a part of the port."""
    address, login = without_login(url)
    request = urllib.request.Request(address)
    if login is not None:
        encoded = base64.b64encode(urllib.parse.unquote(login).encode()).decode()
        request.add_unredirected_header("Authorization", f"Basic {encoded}")
    return urllib.request.urlopen(request, timeout=TIMEOUT)


def download(url: str, file: Path, key: str, mirror: str) -> None:
    shown, _ = without_login(url)
    fix = f"Fetch it elsewhere and set {key} to its path, or set {mirror} in the environment to a mirror."
    for attempt in range(1, TRIES + 1):
        try:
            with opened(url) as reply, open(file, "wb") as out:
                shutil.copyfileobj(reply, out)
                size = reply.headers.get("Content-Length")
            if size is None or file.stat().st_size == int(size):
                return
            problem = f"{file.stat().st_size} of {size} bytes arrived"
        except urllib.error.HTTPError as error:
            problem = f"the server answered {error.code} {error.reason}"
            if error.code < 500 and error.code != 429:
                raise UserError(f"{key}: {shown} could not be downloaded: {problem}. {fix}") from None
        # no connection, a time-out, a malformed address, a reply that breaks off
        except (OSError, ValueError, http.client.HTTPException) as error:
            problem = str(getattr(error, "reason", error))
        if attempt < TRIES:
            logger.warning(f"{shown}: {problem}; retrying")
            time.sleep(FIRST_WAIT * 2 ** (attempt - 1))
    raise UserError(f"{key}: {shown} could not be downloaded in {TRIES} tries; the last error: {problem}. {fix}")


@logged
def main(job):
    p = job.params
    fetch(p.name, Path(job.output[0]), p.key, p.path, p.revision)


if __name__ == "__main__":
    main(snakemake)  # noqa: F821
