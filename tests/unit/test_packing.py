"""A folder in one file: the same bytes for the same content, whole again afterwards, and opened without trust."""

import errno
import io
import os
import shutil
import subprocess
import tarfile

import pytest

from nanotrigger import unpack as command
from nanotrigger.errors import NanotriggerError
from nanotrigger.results.packing import pack, state, unpack


def fill(folder, order):
    for name in order:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
    (folder / "empty").mkdir()
    (folder / "b/tool").chmod(0o700)


NAMES = ["a", "b/tool", "b/c/ü $(x).v"]


def test_the_same_content_gives_the_same_bytes(tmp_path):
    """Whatever the order in which files were written, and whenever."""
    for name, order in (("one", NAMES), ("two", NAMES[::-1])):
        fill(tmp_path / name, order)
        pack(tmp_path / name, tmp_path / f"{name}.tar.gz")
        os.utime(tmp_path / "two/a", (1, 1)) if name == "two" else None
    assert (tmp_path / "one.tar.gz").read_bytes() == (tmp_path / "two.tar.gz").read_bytes()


def test_it_comes_out_as_it_went_in_and_for_any_tar(tmp_path):
    fill(tmp_path / "one", NAMES)
    pack(tmp_path / "one", tmp_path / "one.tar.gz")
    unpack(tmp_path / "one.tar.gz", tmp_path / "ours")
    (tmp_path / "theirs").mkdir()
    subprocess.run(["tar", "xzf", tmp_path / "one.tar.gz", "-C", tmp_path / "theirs"], check=True)
    assert state(tmp_path / "one") == state(tmp_path / "ours") == state(tmp_path / "theirs")
    assert set(state(tmp_path / "one")) == {*NAMES, "b", "b/c", "empty"}


def test_only_changes_are_packed(tmp_path):
    folder = tmp_path / "one"
    fill(folder, NAMES)
    before = state(folder)
    (folder / "a").write_text("other")
    (folder / "b/new").write_text("new")
    (folder / "b/c/ü $(x).v").chmod(0o755)
    pack(folder, tmp_path / "changes.tar.gz", before)
    unpack(tmp_path / "changes.tar.gz", tmp_path / "changes")
    assert set(state(tmp_path / "changes")) == {"a", "b", "b/new", "b/c", "b/c/ü $(x).v"}


def test_what_a_step_deleted_does_not_come_back(tmp_path):
    """Nor does a file stay in the way of a folder of its name, or the other way round."""
    one, archives = tmp_path / "one", [tmp_path / f"{i}.tar.gz" for i in range(4)]
    fill(one, NAMES)
    pack(one, archives[0])

    def delete():
        (one / "a").unlink()

    def to_folder():
        (one / "a/below").mkdir(parents=True)
        (one / "a/below/c").write_text("c")

    def to_file():
        shutil.rmtree(one / "b")
        (one / "b").write_text("now a file")

    for archive, step in zip(archives[1:], (delete, to_folder, to_file), strict=True):
        before = state(one)
        step()
        pack(one, archive, before)
    for archive in archives:
        unpack(archive, tmp_path / "two")
    assert state(tmp_path / "two") == state(one)


def test_a_link_to_a_folder_elsewhere_packs_nothing_of_it(tmp_path):
    (tmp_path / "pdk").mkdir()
    (tmp_path / "pdk/cells.lib").write_text("large")
    (tmp_path / "one/own").mkdir(parents=True)
    (tmp_path / "one/own/a.v").write_text("module")
    (tmp_path / "one/pdk").symlink_to(tmp_path / "pdk")
    (tmp_path / "one/same").symlink_to("own")
    (tmp_path / "one/cells.lib").symlink_to(tmp_path / "pdk/cells.lib")
    pack(tmp_path / "one", tmp_path / "one.tar.gz")
    with tarfile.open(tmp_path / "one.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["cells.lib", "own", "own/a.v", "same", "same/a.v"]


def test_links_are_packed_as_what_they_lead_to(tmp_path):
    folder = tmp_path / "one"
    fill(folder, NAMES)
    (folder / "link").symlink_to("a")
    (folder / "folder").symlink_to("b")
    (folder / "b/loop").symlink_to("..")
    (folder / "nothing").symlink_to("nowhere")
    pack(folder, tmp_path / "one.tar.gz")
    unpack(tmp_path / "one.tar.gz", tmp_path / "two")
    found = state(tmp_path / "two")
    assert found["link"] == found["a"] and found["folder/tool"] == found["b/tool"]
    assert not {"nothing", "b/loop", "folder/loop"} & set(found)
    assert not any(path.is_symlink() for path in (tmp_path / "two").rglob("*"))


def member(name, **changes):
    info = tarfile.TarInfo(name)
    for key, value in changes.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    "hostile",
    [
        member("/x"),
        member("../x"),
        member("a/../../x"),
        member("x", type=tarfile.SYMTYPE, linkname="/etc"),
        member("x", type=tarfile.LNKTYPE, linkname="../a"),
        member("x", type=tarfile.FIFOTYPE),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_what_leads_out_of_an_archive_is_refused(tmp_path, hostile):
    with tarfile.open(tmp_path / "bad.tar.gz", "w:gz") as tar:
        tar.addfile(hostile, io.BytesIO())
    with pytest.raises(NanotriggerError, match=r"bad\.tar\.gz: member .* is refused"):
        unpack(tmp_path / "bad.tar.gz", tmp_path / "in/out")
    assert {path.name for path in tmp_path.rglob("*")} == {"bad.tar.gz", "in", "out"}


@pytest.mark.parametrize("cut", [1, 9, 40, 200])
def test_a_damaged_archive_is_named(tmp_path, cut):
    fill(tmp_path / "one", NAMES)
    archive = tmp_path / "one.tar.gz"
    pack(tmp_path / "one", archive)
    archive.write_bytes(archive.read_bytes()[:-cut])
    with pytest.raises(NanotriggerError, match=r"one\.tar\.gz: cannot be unpacked .* Delete it and run again"):
        unpack(archive, tmp_path / "two")


def test_opening_what_is_no_design_says_what_one_is(tmp_path, capsys):
    assert command.main([str(tmp_path)]) == 1
    assert "results/RUN/hardware/MODEL/seedN/FLOW" in capsys.readouterr().err


def test_a_design_opens_under_a_name_of_its_own(tmp_path, monkeypatch, capsys):
    design = tmp_path / "results/run/hardware/m/seed3/rtl"
    fill(tmp_path / "one", NAMES)
    pack(tmp_path / "one", design / "project.tar.gz")
    monkeypatch.chdir(tmp_path)
    assert command.main(["results/run/hardware/m/seed3/rtl"]) == 0
    assert capsys.readouterr().out == "run_m_seed3_rtl\n"
    assert state(tmp_path / "run_m_seed3_rtl") == state(tmp_path / "one")


def test_a_design_that_cannot_be_opened_leaves_no_half(tmp_path, monkeypatch, capsys):
    design = tmp_path / "results/run/hardware/m/seed3/rtl"
    fill(tmp_path / "one", NAMES)
    pack(tmp_path / "one", design / "project.tar.gz")
    whole = (design / "project.tar.gz").read_bytes()
    (design / "synthesis.tar.gz").write_bytes(whole[:-9])
    monkeypatch.chdir(tmp_path)
    assert command.main([str(design), "opened"]) == 1
    assert "synthesis.tar.gz: cannot be unpacked" in capsys.readouterr().err
    (design / "synthesis.tar.gz").write_bytes(whole)
    assert command.main([str(design), "opened"]) == 0 and state(tmp_path / "opened") == state(tmp_path / "one")
    assert command.main([str(design), "/proc/opened"]) == 1
    assert capsys.readouterr().err.startswith("nanotrigger: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "opened", "results"]


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path, monkeypatch):
    """The archive is whole, and must not be named as what to delete."""
    (tmp_path / "one").mkdir()
    (tmp_path / "one/a.v").write_text("module")
    pack(tmp_path / "one", tmp_path / "project.tar.gz")

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    with pytest.raises(OSError, match="No space left on device"):
        unpack(tmp_path / "project.tar.gz", tmp_path / "two")
