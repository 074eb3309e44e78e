"""A stand-in for an OpenAI-compatible server, on the loopback address."""

import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class JudgeServer:
    """A server that answers by ``script``: a function of (the request's body, the number of earlier copies of it).

    It gives a text, a dict (a whole reply), (status, text), (status, text, headers), or "hang" and "drop".
    """

    def __init__(self, script):
        self.script, self.bodies, self.keys = script, [], []
        self.answered = []  # bodies that got a good reply
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    def judge(self, **changes):
        judge = {
            "name": "stand-in",
            "base_url": self.address,
            "model": "judge-1",
            "api_key_env": None,
            "concurrency": 4,
        }
        return judge | {"price_in": 10.0, "price_out": 30.0, "max_cost": None, "timeout_s": 5} | changes


def completion(text, body, logprobs="as asked", **changes):
    if logprobs == "as asked":
        logprobs = {"content": [{"token": "m", "top_logprobs": []}]} if body.get("logprobs") else None
    message = {"role": "assistant", "content": text}
    return {
        "model": "judge-1-2024",
        "choices": [{"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
    } | changes


@contextmanager
def judge_server(script):
    state = JudgeServer(script)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with state.lock:
                before = state.bodies.count(body)
                state.bodies.append(body)
                state.keys.append(self.headers.get("Authorization"))
                state.at_once += 1
                state.most_at_once = max(state.most_at_once, state.at_once)
            try:
                self.answer(body, state.script(body, before) if self.path == "/v1/chat/completions" else (404, "what?"))
            except (BrokenPipeError, ConnectionResetError):
                pass  # the client was killed, or waits no longer
            finally:
                with state.lock:
                    state.at_once -= 1

        def answer(self, body, reply):
            if reply == "hang":
                time.sleep(3)
                self.close_connection = True
                return
            if reply == "drop":
                self.close_connection = True
                return
            status, text, headers = 200, reply, {}
            if isinstance(reply, tuple):
                status, text, headers = (*reply, {})[:3]
            elif isinstance(reply, str):
                text = json.dumps(completion(reply, body))
            elif isinstance(reply, dict):
                text = json.dumps(reply)
            if status == 200:
                with state.lock:
                    state.answered.append(body)
            self.send_response(status)
            for name, value in {"Content-Length": len(text.encode()), **headers}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()
