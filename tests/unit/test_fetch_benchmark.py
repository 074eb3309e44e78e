"""A benchmark's file from its pinned source, with a stand-in server on the loopback address."""

import base64
import hashlib
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from benchmarks import fetch_benchmark
from metarewarding.errors import UserError
from metarewarding.evaluation import registry

FILE = b'{"question": "Why?"}\n'
DIGEST = hashlib.sha256(FILE).hexdigest()
KEY = "benchmarks.toy.questions"


@pytest.fixture
def server(monkeypatch):
    """Return a server that gives FILE, after the replies in ``first``; ``paths`` are those asked for."""
    state = SimpleNamespace(first=[], paths=[], logins=[])

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            state.paths.append(self.path)
            state.logins.append(self.headers.get("Authorization"))
            status, sent, length = state.first.pop(0) if state.first else (200, FILE, len(FILE))
            self.send_response(status)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *args):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.05,), daemon=True).start()
    monkeypatch.setenv("GITHUB_RAW_ENDPOINT", f"http://127.0.0.1:{http.server_address[1]}/")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{http.server_address[1]}/hub")
    monkeypatch.setattr(fetch_benchmark, "FIRST_WAIT", 0.01)
    toys = {"toy": ("github", "o/r/c/question.jsonl", DIGEST)}
    toys |= {"toy_hub": ("hub", "datasets/o/r/resolve/c/file.csv", DIGEST)}
    monkeypatch.setattr(registry, "sources", lambda: toys)
    yield state
    http.shutdown()
    http.server_close()


def fetch(tmp_path, name="toy", **words):
    return fetch_benchmark.fetch(name, tmp_path / "data" / "question.jsonl", KEY, **words)


def refused(tmp_path, **words):
    with pytest.raises(UserError) as error:
        fetch(tmp_path, **words)
    assert str(error.value).startswith(KEY)
    assert not list((tmp_path / "data").iterdir())
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "path"), [("toy", "/o/r/c/question.jsonl"), ("toy_hub", "/hub/datasets/o/r/resolve/c/file.csv")]
)
def test_a_file_is_fetched_from_its_mirror_and_checked(tmp_path, server, name, path):
    assert fetch(tmp_path, name) == DIGEST
    assert [file.read_bytes() for file in (tmp_path / "data").iterdir()] == [FILE]
    assert server.paths == [path]


@pytest.mark.parametrize("fault", [(500, b"", 0), (429, b"", 0), (200, FILE[:5], len(FILE))])
def test_faults_that_pass_are_tried_again(tmp_path, server, fault):
    server.first = [fault, fault]
    assert fetch(tmp_path) == DIGEST
    assert len(server.paths) == 3


def test_another_file_than_the_pinned_one_names_both_hashes_and_keeps_nothing(tmp_path, server):
    server.first = [(200, b"changed", 7)]
    output = refused(tmp_path)
    assert f"hashes to {hashlib.sha256(b'changed').hexdigest()}, and {DIGEST} was expected" in output
    (tmp_path / "data/question.jsonl").write_bytes(b"from before")
    server.first = [(200, b"changed", 7)]
    with pytest.raises(UserError):
        fetch(tmp_path)
    assert (tmp_path / "data/question.jsonl").read_bytes() == b"from before"


@pytest.mark.parametrize(
    ("faults", "output"), [([(404, b"", 0)], "404"), ([(503, b"", 0)] * 9, "in 4 tries; the last error: the server")]
)
def test_a_file_that_is_not_given_gets_one_message(tmp_path, server, faults, output):
    server.first = faults
    message = refused(tmp_path)
    assert output in message
    assert f"set {KEY} to its path, or set GITHUB_RAW_ENDPOINT" in message


def test_a_server_out_of_reach_gets_one_message(tmp_path, server, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "set HF_ENDPOINT in the environment to a mirror" in refused(tmp_path, name="toy_hub")


def test_a_mirrors_login_is_sent_as_a_header_and_is_in_no_message(tmp_path, server, monkeypatch, caplog):
    address = os.environ["GITHUB_RAW_ENDPOINT"]
    monkeypatch.setenv("GITHUB_RAW_ENDPOINT", address.replace("//", "//user:s%40cret@"))
    fetch(tmp_path)
    assert server.logins == ["Basic " + base64.b64encode(b"user:s@cret").decode()]
    server.first = [(404, b"", 0)]
    assert "cret" not in refused(tmp_path / "again") + caplog.text


@pytest.mark.parametrize(
    "start",
    ["http://user:s@cret/one@127.0.0.1:9", "http://user:s@cret/one@127.0.0.1:port", "user:s@cret/one@mirror.org"],
)
def test_a_wrong_address_shows_no_part_of_its_password(tmp_path, monkeypatch, server, caplog, start):
    caplog.set_level("INFO", "metarewarding")
    monkeypatch.setenv("GITHUB_RAW_ENDPOINT", start)
    texts = refused(tmp_path) + caplog.text
    assert "could not be downloaded in 4 tries" in texts
    assert not any(word in texts for word in ("user", "cret", "s@", "one"))


def test_a_malformed_address_is_one_message(tmp_path, monkeypatch, server):
    monkeypatch.setenv("GITHUB_RAW_ENDPOINT", "http://127.0.0.1:port/")
    assert "could not be downloaded in 4 tries" in refused(tmp_path)


def test_a_local_file_replaces_the_download(tmp_path, server):
    own = tmp_path / "own.jsonl"
    own.write_bytes(b"mine")
    digest = hashlib.sha256(b"mine").hexdigest()
    assert fetch(tmp_path, path=str(own)) == digest
    (tmp_path / "data/question.jsonl").unlink()
    assert "/nowhere is not a file" in refused(tmp_path, path="/nowhere")
    assert server.paths == []
    assert own.read_bytes() == b"mine"


def test_the_script_reads_its_params(tmp_path, server):
    built = SimpleNamespace(
        output=[str(tmp_path / "data/question.jsonl")],
        params=SimpleNamespace(name="toy", key=KEY, path=None, revision=None),
        rule="fetch_benchmark",
        log=[str(tmp_path / "log")],
    )
    fetch_benchmark.main(built)
    assert (tmp_path / "data/question.jsonl").read_bytes() == FILE


def test_pinned_addresses(monkeypatch):
    for variable, _ in registry.MIRRORS.values():
        monkeypatch.delenv(variable, raising=False)
    for name in registry.sources():
        url, digest = registry.address(name, "0" * 40)  # where the config names the revision
        assert url.startswith(("https://raw.githubusercontent.com/", "https://huggingface.co/datasets/"))
        assert any(len(part) == 40 for part in url.split("/"))  # a commit, never a branch
        assert digest is None or len(digest) == 64
