"""A conda channel in a folder: this machine's Python, made relocatable, and pip. Standard library only.

    python make_channel.py FOLDER

The environment files name nothing else from conda: all other packages stand in their `pip` sections.
"""

import bz2
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

SUBDIRS = ("linux-64", "noarch")
LEFT_OUT = {"test", "tests", "__pycache__", "site-packages", "idlelib", "tkinter", "turtledemo", "ensurepip", "lib2to3"}


def package(channel: Path, subdir: str, name: str, version: str, build: str, files: dict, **facts) -> None:
    """Write one package; ``files``: {path in the environment: (bytes or the target of a link, mode)}."""
    placeholder, link = facts.pop("placeholder", None), facts.pop("link", None)
    index = {"name": name, "version": version, "build": build, "build_number": 0, "subdir": subdir, **facts}
    entries = []
    for path, (content, _) in sorted(files.items()):
        if isinstance(content, str):
            entry = {"path_type": "softlink", "sha256": hashlib.sha256(b"").hexdigest(), "size_in_bytes": 0}
        else:
            entry = {"path_type": "hardlink", "sha256": hashlib.sha256(content).hexdigest()}
            entry["size_in_bytes"] = len(content)
            if placeholder and placeholder.encode() in content and b"\0" not in content:
                entry |= {"prefix_placeholder": placeholder, "file_mode": "text"}
        entries.append({"_path": path, **entry})
    about = {
        "info/index.json": index,
        "info/paths.json": {"paths": entries, "paths_version": 1},
        "info/about.json": {},
        **({"info/link.json": link} if link else {}),
    }
    file = channel / subdir / f"{name}-{version}-{build}.tar.bz2"
    with bz2.open(file, "wb", compresslevel=1) as packed, tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in about.items():
            add(archive, path, json.dumps(content).encode(), 0o644)
        add(archive, "info/files", "".join(f"{path}\n" for path in sorted(files)).encode(), 0o644)
        prefixes = [e["_path"] for e in entries if "prefix_placeholder" in e]
        add(archive, "info/has_prefix", "".join(f"{placeholder} text {path}\n" for path in prefixes).encode(), 0o644)
        for path, (content, mode) in sorted(files.items()):
            add(archive, path, content, mode)
    content = file.read_bytes()
    hashes = {"md5": hashlib.md5(content).hexdigest(), "sha256": hashlib.sha256(content).hexdigest()}
    repodata = channel / subdir / "repodata.json"
    known = json.loads(repodata.read_text())
    known["packages"][file.name] = index | hashes | {"size": len(content)}
    repodata.write_text(json.dumps(known))


def add(archive: tarfile.TarFile, path: str, content: bytes | str, mode: int) -> None:
    entry = tarfile.TarInfo(path)
    entry.mode = mode
    if isinstance(content, str):
        entry.type, entry.linkname = tarfile.SYMTYPE, content
        archive.addfile(entry)
    else:
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))


def interpreter() -> tuple[dict, str]:
    """Return the running Python's own files, with relative library paths, and the folder that texts in it contain."""
    base, version = Path(sys.base_prefix), f"{sys.version_info[0]}.{sys.version_info[1]}"
    here, relative = str(base / "lib").encode() + b"\0", b"$ORIGIN/../lib"
    paths = [f"bin/python{version}", "bin/python3", "bin/python"]
    paths += [f"lib/libpython{version}.so.1.0", f"lib/libpython{version}.so", "lib/libpython3.so"]
    for folder, subfolders, names in os.walk(base / f"lib/python{version}"):
        subfolders[:] = [name for name in subfolders if name not in LEFT_OUT and not name.startswith("config-")]
        paths += [str(Path(folder, name).relative_to(base)) for name in names if not name.endswith((".pyc", ".a"))]
    files = {f"lib/python{version}/site-packages/README.txt": (b"", 0o644)}
    for path in paths:
        file = base / path
        if file.is_symlink():
            files[path] = os.readlink(file), 0o777
        elif file.exists():
            content = file.read_bytes()
            if content.startswith(b"\x7fELF"):
                content = content.replace(here, relative.ljust(len(here) - 1, b"\0") + b"\0")
            files[path] = content, file.stat().st_mode & 0o777
    files.setdefault("bin/python", (f"python{version}", 0o777))
    return files, str(base)


def main(channel: Path) -> None:
    if sys.base_prefix == "/usr":  # Debian's own looks for packages in dist-packages, so a copy would not find pip
        sys.exit("the cluster test cannot copy the system's Python: make .venv with another Python 3.11 (PYTHON=...)")
    for subdir in SUBDIRS:
        (channel / subdir).mkdir(parents=True, exist_ok=True)
        empty = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1}
        (channel / subdir / "repodata.json").write_text(json.dumps(empty))
    files, base = interpreter()
    version = ".".join(map(str, sys.version_info[:3]))
    package(channel, "linux-64", "python", version, "0_cpython", files, placeholder=base, depends=[])
    with tempfile.TemporaryDirectory() as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", scratch, "pip"]
        subprocess.run(pip, check=True)
        wheel = next(Path(scratch).glob("pip-*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
            files = {f"site-packages/{name}": (archive.read(name), 0o644) for name in names}
    entry_points = {"type": "python", "entry_points": ["pip = pip._internal.cli.main:main"]}
    link = {"noarch": entry_points, "package_metadata_version": 1}
    version = wheel.name.split("-")[1]
    package(channel, "noarch", "pip", version, "pyh_0", files, noarch="python", link=link, depends=["python >=3.9"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
