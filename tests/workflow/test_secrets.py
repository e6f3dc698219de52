"""Secrets that are planted in the environment and in a config do not reach what a run leaves or prints."""

import re
from dataclasses import replace

import pytest
from loopback import Answer
from test_export import network

from nanotrigger.data.download import fetch
from nanotrigger.data.sources import PublishedFile
from nanotrigger.errors import DataError
from nanotrigger.qonnx.export import write_qonnx
from nanotrigger.redaction import redact_file, redacted, redacted_data, secrets
from nanotrigger.tools.run import run_tool

FORBIDDEN = re.compile(rb"planted-(token|registry)")


def test_the_program_itself_gets_the_licence(tmp_path):
    command = ["sh", "-c", 'test "$LM_LICENSE_FILE" = 1@host.example.org']
    run_tool(command, tmp_path, "a.log", 9, {"LM_LICENSE_FILE": "1@host.example.org"})


def test_downloads_are_noted_without_user_and_password(tmp_path, monkeypatch, server):
    """Also in the message of one that fails."""
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
