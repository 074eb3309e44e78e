"""A seed model from the Hugging Face hub, with a stand-in for its server on the loopback address."""

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT

from data import fetch_seed_model

TREES = b'{"message_tree_id": "t", "prompt": {"text": "Why?", "replies": []}}\n'
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path):
    """Return (address, requests seen) of a server with `owner/model`, and the gated `owner/gated`."""
    folder = tmp_path / "origin"
    folder.mkdir()
    fetch_seed_model.from_random(0, folder)
    (folder / "pytorch_model.bin").write_bytes(b"not wanted")
    seen = []

    class Hub(BaseHTTPRequestHandler):
        def reply(self, status, body=b"", **headers):
            self.send_response(status)
            for name, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(name.replace("_", "-"), str(value))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def do_GET(self):
            seen.append((self.command, self.path, self.headers.get("Authorization")))
            if self.path.startswith("/api/models/owner/gated"):
                self.reply(403, X_Error_Code="GatedRepo", X_Error_Message="Access is restricted")
            elif self.path.startswith("/api/models/owner/model/tree/"):
                files = [
                    {"type": "file", "path": file.name, "size": file.stat().st_size, "oid": "0" * 40}
                    for file in sorted(folder.iterdir())
                ]
                self.reply(200, json.dumps(files).encode(), Content_Type="application/json")
            elif self.path.startswith("/api/models/owner/model"):
                files = [{"rfilename": file.name} for file in sorted(folder.iterdir())]
                body = json.dumps({"id": "owner/model", "sha": COMMIT, "siblings": files}).encode()
                self.reply(200, body, Content_Type="application/json")
            elif self.path == f"/datasets/owner/data/resolve/{COMMIT}/trees.jsonl":
                self.reply(200, TREES, ETag=f'"{hashlib.sha1(TREES).hexdigest()}"', X_Repo_Commit=COMMIT)
            elif self.path.startswith(f"/owner/model/resolve/{COMMIT}/"):
                body = (folder / Path(self.path).name).read_bytes()
                self.reply(200, body, ETag=f'"{hashlib.sha1(body).hexdigest()}"', X_Repo_Commit=COMMIT)
            else:
                self.reply(404, X_Error_Code="RepoNotFound")

        do_HEAD = do_GET

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen, folder
    server.shutdown()


def in_process(address, code, folder, **environment):
    """Run ``code`` in a process of its own, as the hub's address is read when its library is imported.

    The library tries again without waiting: its 5 pauses would take 23 s where the hub is out of reach.
    """
    home = {"HF_ENDPOINT": address, "HF_HOME": str(folder) + ".home", "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    command = [sys.executable, "-c", f"import time; time.sleep = lambda seconds: None\n{code}", str(folder)]
    return subprocess.run(command, cwd=ROOT, env=os.environ | home | environment, capture_output=True, text=True)


def fetch(address, repo, folder, **environment):
    code = (
        "import sys; sys.path.insert(0, 'scripts')\n"
        "from pathlib import Path\n"
        "from metarewarding.jobs.job import reporting\n"
        "from metarewarding.jobs.hub import from_hub\n"
        "folder = Path(sys.argv[1]); folder.mkdir()\n"
        f"with reporting('tested'): from_hub({repo!r}, {COMMIT!r}, folder, 'eft.annotator')\n"
    )
    return in_process(address, code, folder, **environment)


def fetch_trees(address, folder, file="trees.jsonl", expected=None):
    code = (
        "import sys; sys.path.insert(0, 'scripts')\n"
        "from pathlib import Path\n"
        "from metarewarding.jobs.job import reporting\n"
        "from data import fetch_trees\n"
        "with reporting('tested'):\n"
        f"    fetch_trees.fetch('owner/data', {COMMIT!r}, {file!r}, Path(sys.argv[1]) / 't.jsonl', {expected!r})\n"
    )
    return in_process(address, code, folder)


def test_a_pinned_revision_is_fetched_without_what_is_not_needed(hub, tmp_path):
    address, seen, origin = hub
    run = fetch(address, "owner/model", tmp_path / "model", HF_TOKEN="hf_secret")
    assert run.returncode == 0, run.stderr
    fetched = {file.name for file in (tmp_path / "model").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= fetched
    assert "pytorch_model.bin" not in fetched
    assert (tmp_path / "model/model.safetensors").read_bytes() == (origin / "model.safetensors").read_bytes()
    assert any(authorization == "Bearer hf_secret" for _, _, authorization in seen)
    assert "hf_secret" not in run.stdout + run.stderr


@pytest.mark.parametrize(("repo", "output"), [("owner/gated", "owner/gated is gated"), ("owner/none", "owner/none at")])
def test_a_gated_or_missing_repository_gets_one_message(hub, tmp_path, repo, output):
    run = fetch(hub[0], repo, tmp_path / "model")
    assert run.returncode == 1
    assert f"eft.annotator: {output}" in run.stderr
    assert "Traceback" not in run.stderr


@pytest.mark.slow
def test_a_hub_out_of_reach_gets_one_message(tmp_path):
    run = fetch("http://127.0.0.1:9", "owner/model", tmp_path / "model")
    assert run.returncode == 1
    assert "eft.annotator: the hub cannot be reached" in run.stderr
    assert "set eft.annotator to its folder" in run.stderr
    assert "Traceback" not in run.stderr


def test_trees_are_fetched_at_their_revision_and_checked(hub, tmp_path):
    run = fetch_trees(hub[0], tmp_path, expected=hashlib.sha256(TREES).hexdigest())
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "t.jsonl").read_bytes() == TREES


@pytest.mark.parametrize(
    ("words", "output"),
    [
        ({"expected": "0" * 64}, f"hashes to {hashlib.sha256(TREES).hexdigest()}, and eft.trees_sha256 is {'0' * 64}"),
        ({"file": "none.jsonl"}, "none.jsonl of the dataset owner/data at revision"),
    ],
)
def test_trees_that_are_not_the_pinned_ones_get_one_message_and_leave_nothing(hub, tmp_path, words, output):
    run = fetch_trees(hub[0], tmp_path, **words)
    assert run.returncode == 1
    assert output in run.stderr
    assert "Traceback" not in run.stderr
    assert not [path for path in tmp_path.iterdir() if "trees" in path.name or path.name == "t.jsonl"]


@pytest.mark.slow
def test_trees_from_a_hub_out_of_reach_get_one_message(tmp_path):
    run = fetch_trees("http://127.0.0.1:9", tmp_path)
    assert run.returncode == 1
    assert "set eft.trees to its path" in run.stderr
