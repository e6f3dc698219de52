"""Secrets that are planted in the environment and in a config do not reach what a run leaves or prints."""

import json
import os
import re
from dataclasses import replace

import pytest
from conftest import Checkout
from test_download import Answer, Server
from test_export import network

from nanotrigger.data.download import fetch
from nanotrigger.data.sources import PublishedFile
from nanotrigger.errors import DataError
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.redaction import redact_file, redacted, redacted_data, secrets
from nanotrigger.tools.run import run_tool

PLANTED = {
    "ZENODO_TOKEN": "planted-token-0123456789",
    "DB_PASSWORD": "planted p4ssword; with blanks",
    "AWS_SECRET_ACCESS_KEY": "planted/secret+key==",
    "LM_LICENSE_FILE": "2100@planted-licence-host:2200@planted-second-host",
    "HTTPS_PROXY_URL": "http://planted-user:planted-proxy-password@proxy.example.org:3128",
}
LICENCE, CONTAINER_USER = "27000@planted-in-the-config", "planted-registry-password"
FORBIDDEN = re.compile(
    rb"planted-(token|licence|second|user|proxy|in-the-config|registry)|planted p4ssword|planted/secret"
)

LEAKY = '''
"""A flow whose program tells all that it knows."""

import os
from pathlib import Path

import numpy as np
from nanotrigger.errors import ToolError
from nanotrigger.flows.base import HardwareParams, ResourceRecord
from nanotrigger.tools.vendor import Installation, run_vendor

accepts, requires = ("qonnx",), ()


class Params(HardwareParams, Installation):
    """Config stanza."""

    fails: bool = False


def create_project(artifact, kind, folder, params):
    print(dict(os.environ))


def emulate(folder, x, params):
    print("fetching https://planted-user:planted-proxy-password@example.org/a?access_token=planted-token-0123456789")
    return np.load(next(folder.parents[3].rglob("outputs.npy")), allow_pickle=False)


def synthesize(folder, params):
    said = run_vendor(["sh", "-c", "env; echo checked out from $LM_LICENSE_FILE"], folder, "tool.log", 60, params)
    print(said)
    if params.fails:
        raise ToolError(f"no licence at {os.environ['LM_LICENSE_FILE']}: {said[-2000:]}")
    return {}


def read_report(folder, params):
    lines = (folder / "tool.log").read_text().splitlines()
    return ResourceRecord(stage="estimate", lut=1, notes=(lines[-1],))
'''


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run that ends well, and one that fails: the checkout, and what each printed."""
    checkout = Checkout(tmp_path_factory.mktemp("secrets"))
    write_qonnx(network(4, hidden_units=4), checkout.folder / "model.onnx", {})
    (checkout.folder / "leaky.py").write_text(LEAKY)
    (checkout.folder / "own").mkdir()
    (checkout.folder / "leaky.py").rename(checkout.folder / "own/leaky.py")
    container = "env --"  # a container's command; this one adds nothing
    stanza = {"flow": "own.leaky", "licence": LICENCE, "container": container}
    unused = {"flow": "vivado", "container": f"run docker://user:{CONTAINER_USER}@registry.example.org/vivado"}
    config = {
        "run": {"name": "tiny", "dataset": None, "models": ["file"], "flows": ["leaky"], "skip": [], "compare": []},
        "models": {"file": {"method": "external", "path": "model.onnx", "random_vectors": 50}},
        "flows": {"leaky": stanza, "vivado": unused},
    }
    well = checkout.snakemake("--cores", "2", "all", "ro_crate", overlay=config, env=PLANTED)
    assert well.returncode == 0, well.stdout[-4000:]
    config["run"] |= {"name": "failing"}
    config["flows"]["leaky"] = {**stanza, "fails": True}
    bad = checkout.snakemake("--cores", "2", "hardware", overlay=config, env=PLANTED)
    assert bad.returncode != 0
    return checkout, well.stdout, bad.stdout


def test_no_file_and_no_output_of_a_run_holds_a_secret(runs):
    checkout, *outputs = runs
    files = [
        file
        for folder in ("results", "logs", "benchmarks", ".snakemake")
        for file in (checkout.folder / folder).rglob("*")
        if file.is_file()
    ]
    assert len(files) > 50
    holding = {
        str(f.relative_to(checkout.folder)): match[0] for f in files if (match := FORBIDDEN.search(f.read_bytes()))
    }
    assert holding == {}
    for output in outputs:
        assert not FORBIDDEN.search(output.encode())


def test_what_was_said_is_still_there_without_them(runs):
    """So that the test above is of logs that would have held them."""
    checkout, _, failed = runs
    log = (checkout.folder / "results/tiny/hardware/file/seed0/leaky/project/tool.log").read_text()
    assert "checked out from ***" in log and "ZENODO_TOKEN=***" in log and f"HOME={os.environ['HOME']}" in log
    emulated = (checkout.folder / "logs/tiny/emulate/file/0/leaky.log").read_text()
    assert "fetching https://***@example.org/a?access_token=***" in emulated
    assert "synthesize file 0 leaky failed; the end of its log:" in failed and "no licence at ***" in failed


def test_the_program_itself_gets_the_licence(tmp_path):
    command = ["sh", "-c", 'test "$LM_LICENSE_FILE" = 1@host.example.org']
    run_tool(command, tmp_path, "a.log", 9, {"LM_LICENSE_FILE": "1@host.example.org"})


def test_the_effective_config_can_be_run_without_its_secrets(runs):
    import yaml

    from nanotrigger.config import load_config

    checkout, *_ = runs
    content = yaml.safe_load((checkout.folder / "results/tiny/config.yaml").read_text())
    assert content["flows"]["leaky"] == {"flow": "own.leaky", "container": "env --"}
    assert content["flows"]["vivado"]["container"] == "run docker://***@registry.example.org/vivado"
    os.chdir(checkout.folder)
    assert load_config(content).run.name == "tiny"
    stated = json.loads((checkout.folder / "results/tiny/provenance.json").read_text())
    assert stated["results"]["hardware/file/seed0/leaky"]["stanza"]["licence"] == "**********"


def test_downloads_are_noted_without_user_and_password(tmp_path, monkeypatch):
    """Also in the message of one that fails."""
    server = Server()
    try:
        monkeypatch.chdir(tmp_path)
        write_qonnx(network(4, hidden_units=4), tmp_path / "m.onnx", {})
        server.answers["/m"] = Answer((tmp_path / "m.onnx").read_bytes())
        address = (
            server.url.replace("://", "://user:planted-registry-password@") + "/m?access_token=planted-token-0123456789"
        )
        source = PublishedFile("set", "m.onnx", "onnx", urls=(address,))
        with pytest.raises(DataError) as error:
            fetch(replace(source, sha256="0" * 64), tmp_path / "no.onnx", tmp_path / "datasets.csv", attempts=1, wait=0)
        assert "://***@127.0.0.1" in str(error.value) and not FORBIDDEN.search(str(error.value).encode())
        fetch(source, tmp_path / "downloads/m.onnx", tmp_path / "datasets.csv", attempts=1, wait=0)
    finally:
        server.http.shutdown()
        server.http.server_close()
    for name in ("downloads/m.onnx.source.json", "datasets.lock.json"):
        text = (tmp_path / name).read_text()
        assert not FORBIDDEN.search(text.encode()) and "://***@127.0.0.1" in text and "access_token=***" in text


@pytest.mark.parametrize(
    "text, clean",
    [
        ("https://user:pw@host/a", "https://***@host/a"),
        ("git+ssh://token@host:22/a.git", "git+ssh://***@host:22/a.git"),
        ("https://host/a?X-Amz-Signature=abc&b=1", "https://host/a?X-Amz-Signature=***&b=1"),
        ("https://host/a@b?download=1", "https://host/a@b?download=1"),
        ("mail a@b.org, 3 @ 4", "mail a@b.org, 3 @ 4"),
        ("fixed<16,6> a://b c@d", "fixed<16,6> a://b c@d"),
    ],
)
def test_addresses(text, clean):
    assert redacted(text) == clean


def test_which_variables_are_secret(tmp_path):
    given = {
        "GITHUB_TOKEN": "ghp_abcdef", "MY_API_KEY": "key-12345", "XILINXD_LICENSE_FILE": "2100@one:2200@two",
        "CDS_LIC_FILE": "5280@three", "TOKENIZERS_PARALLELISM": "true", "LICENSE_FILE": str(tmp_path), "PATH": "/usr/bin",
        "KEYBOARD": "german", "PASSWORD": "1234",
    }  # fmt: skip
    assert set(secrets(given)) == {"ghp_abcdef", "key-12345", "2100@one:2200@two", "2100@one", "2200@two", "5280@three"}


def test_a_secret_is_masked_as_a_word_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("A_TOKEN", "123456")
    assert redacted("123456, ab123456cd, x=123456") == "***, ab123456cd, x=***"
    assert redacted_data({"a": ["123456", 123456], "b": None}) == {"a": ["***", 123456], "b": None}
    (tmp_path / "log").write_bytes(b"\xff\xfe 123456 \xe9\r\n")
    redact_file(tmp_path / "log")
    assert (tmp_path / "log").read_bytes() == b"\xff\xfe *** \xe9\r\n"
