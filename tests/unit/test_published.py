"""Downloads, against a server on this machine that sends what real ones send, and what they should not."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from nanotrigger.data.classes import CLASSES, FEATURES
from nanotrigger.data.published import download, read_published
from nanotrigger.errors import DataError

HEADER = "name,version,url,mirror,size,sha256,events,licence,citation\n"


def arff(rows=20, columns=FEATURES, labels="gqtwz", spoil=None):
    """A file like OpenML's: the real column names in order, the class last."""
    x = np.random.default_rng(0).normal(size=(rows, len(columns)))
    lines = [
        "@RELATION jets",
        *(f"@ATTRIBUTE {c} REAL" for c in columns),
        f"@ATTRIBUTE class {{{','.join(labels)}}}",
        "@DATA",
    ]
    lines += [",".join([*map(repr, map(float, row)), labels[i % len(labels)]]) for i, row in enumerate(x)]
    if spoil:
        lines[-1] = spoil(lines[-1])
    return ("\n".join(lines) + "\n").encode(), x


class Server:
    """Serves `answers`: path -> (status, body, declared length)."""

    def __init__(self):
        self.answers = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                status, body, length = outer.answers.get(self.path, (404, b"not here", None))
                self.send_response(status)
                self.send_header("Content-Length", str(len(body) if length is None else length))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def offer(self, body, checksum=None, length=None):
        """A dataset description in OpenML's form and its file."""
        checksum = checksum or hashlib.md5(body).hexdigest()
        description = {"data_set_description": {"url": f"{self.url}/jets.arff", "md5_checksum": checksum}}
        self.answers["/json"] = (200, json.dumps(description).encode(), None)
        self.answers["/jets.arff"] = (200, body, length)


@pytest.fixture
def server():
    server = Server()
    yield server
    server.http.shutdown()
    server.http.server_close()


def table(tmp_path, url, events=20, sha256=""):
    path = tmp_path / "datasets.csv"
    path.write_text(f"{HEADER}few,1,{url},,,{sha256},{events},none,none\n")
    return path


def left_over(tmp_path):
    return [p.name for p in (tmp_path / "out").glob("*")] if (tmp_path / "out").exists() else []


def test_a_whole_file_arrives_and_is_read_by_column_name(server, tmp_path):
    shuffled = tuple(reversed(FEATURES))
    body, x = arff(columns=shuffled)
    server.offer(body)
    datasets = table(tmp_path, f"{server.url}/json", sha256=hashlib.sha256(body).hexdigest())
    download("few", tmp_path / "out/jets", datasets)
    found, y = read_published("few", tmp_path / "out/jets", datasets)
    np.testing.assert_array_equal(found, x[:, ::-1].astype(np.float32))
    assert [CLASSES[i] for i in y[:5]] == list("gqtwz")
    record = json.loads((tmp_path / "out/source.json").read_text())
    assert record["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda s, body: s.offer(body, checksum="0" * 32), "does not have the checksum md5:0000"),
        (lambda s, body: s.offer(body[:200], checksum=hashlib.md5(body).hexdigest()), "does not have the checksum"),
        (lambda s, body: s.offer(body[:200], length=len(body)), r"cannot be downloaded|does not have the checksum"),
        (lambda s, body: s.answers.update({"/json": (200, b"<html>busy</html>", None)}), "not OpenML's description"),
        (lambda s, body: s.answers.update({"/json": (503, b"", None)}), "cannot be reached .*make quickstart"),
        (lambda s, body: s.answers.pop("/jets.arff"), "cannot be downloaded .*make quickstart"),
    ],
)
def test_what_is_not_the_dataset_is_refused(server, tmp_path, spoil, message):
    body, _ = arff()
    server.offer(body)
    spoil(server, body)
    with pytest.raises(DataError, match=message):
        download("few", tmp_path / "out/jets", table(tmp_path, f"{server.url}/json"))
    assert "jets" not in left_over(tmp_path) and "source.json" not in left_over(tmp_path)


def test_no_network_names_the_quickstart(tmp_path):
    with pytest.raises(DataError, match=r"cannot be reached .*make quickstart"):
        download("few", tmp_path / "out/jets", table(tmp_path, "http://127.0.0.1:9/json"))


def test_a_description_that_points_to_a_file_is_refused(server, tmp_path):
    description = {"data_set_description": {"url": "file:///etc/hostname", "md5_checksum": "0" * 32}}
    server.answers["/json"] = (200, json.dumps(description).encode(), None)
    with pytest.raises(DataError, match="not a web address"):
        download("few", tmp_path / "out/jets", table(tmp_path, f"{server.url}/json"))


@pytest.mark.parametrize(
    "content, events, message",
    [
        (arff(columns=FEATURES[:14])[0], 20, f"2 columns of few are missing: {FEATURES[14]}, {FEATURES[15]}"),
        (arff(labels="gqtwx")[0], 20, "4 jets have labels other than g/q/w/z/t"),
        (arff()[0], 21, "holds 20 jets, few has 21"),
        (arff(spoil=lambda line: "?" + line[line.index(",") :])[0], 20, "1 of 20 jets have NaN"),
        (b"<html>an error page</html>", 20, "not the ARFF file of few"),
    ],
)
def test_bad_files_are_named(tmp_path, content, events, message):
    (tmp_path / "jets").write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_published("few", tmp_path / "jets", table(tmp_path, "http://127.0.0.1:9/json", events))


def test_unknown_dataset_lists_the_known(tmp_path):
    with pytest.raises(DataError, match=r"'many' is not in .*Known: few"):
        download("many", tmp_path / "jets", table(tmp_path, "http://127.0.0.1:9/json"))
