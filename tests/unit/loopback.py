"""A server on this machine that sends what real ones send, and what they should not."""

import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Answer:
    """What the server sends for a path. cut: bytes after which it hangs up, for the first `cuts` requests;
    later: the status after those."""

    body: bytes
    status: int = 200
    ranges: bool = True
    etag: str = '"1"'
    cut: int | None = None
    cuts: int = 1
    later: int | None = None
    stall: float = 0
    length: bool = True
    wrong_range: bool = False
    requests: list = field(default_factory=list)


class Server:
    """Serves `answers` by path, with or without ranges."""

    def __init__(self):
        self.answers: dict[str, Answer] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                answer = outer.answers.get(self.path.partition("?")[0], Answer(b"not here", 404))
                asked = self.headers.get("Range")
                answer.requests.append(asked)
                start, status = 0, answer.status
                if answer.later and len(answer.requests) > answer.cuts:
                    status = answer.later
                valid = self.headers.get("If-Range") in (None, answer.etag)
                if asked and answer.ranges and valid and status == 200:
                    start, status = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]), 206
                body = answer.body[start:]
                self.send_response(status)
                if answer.length:
                    self.send_header("Content-Length", str(len(body)))
                if answer.etag:
                    self.send_header("ETag", answer.etag)
                if status == 206:
                    first = start + 1 if answer.wrong_range else start
                    self.send_header("Content-Range", f"bytes {first}-{len(answer.body) - 1}/{len(answer.body)}")
                self.send_header("Connection", "close")
                self.end_headers()
                if answer.cut is not None and len(answer.requests) <= answer.cuts:
                    self.wfile.write(body[: answer.cut])
                else:
                    if answer.stall:
                        self.wfile.flush()
                        time.sleep(answer.stall)
                    self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *args):
                pass

        class Quiet(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *args):
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def close(self):
        self.http.shutdown()
        self.http.server_close()

    def offer(self, path, body, **how):
        self.answers[path] = Answer(body, **how)
        return self.url + path
