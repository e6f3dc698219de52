"""Downloads, against a server on this machine that sends what real ones send, and what they should not."""

import errno
import hashlib
import io
import json
import os
import re
import shutil
import tarfile
import threading
from dataclasses import replace

import pytest
from loopback import Answer
from published_sets import archive, arff, hdf5_table

from nanotrigger.data.download import check, fetch
from nanotrigger.data.lock import Lock
from nanotrigger.data.sources import PublishedFile, dataset_files
from nanotrigger.errors import DataError


@pytest.fixture
def get(tmp_path):
    """Downloads to out/jets, and gives the bytes that came."""

    def get(source, **how):
        fetch(
            source, tmp_path / "out/jets", tmp_path / "datasets.csv", **{"wait": 0, "timeout": 5, "attempts": 3, **how}
        )
        return (tmp_path / "out/jets").read_bytes()

    return get


def table_file(*urls, **keys):
    return PublishedFile("few", "jets", "table", urls=urls, **keys)


def left_over(tmp_path):
    return sorted(p.name for p in (tmp_path / "out").glob("*") if not p.name.startswith("."))


def sha(body):
    return hashlib.sha256(body).hexdigest()


BODY = hdf5_table(400)


def test_the_first_download_is_recorded_and_later_ones_must_match(server, get, tmp_path, capsys):
    source = table_file(server.offer("/jets", BODY))
    assert get(source) == BODY
    lock = json.loads((tmp_path / "datasets.lock.json").read_text())
    assert lock["few/jets"]["sha256"] == sha(BODY) and lock["few/jets"]["from"] == server.url + "/jets"
    assert "is recorded in" in capsys.readouterr().out
    assert json.loads((tmp_path / "out/jets.source.json").read_text())["sha256"] == sha(BODY)
    assert get(source) == BODY, "the same bytes once more"

    other = hdf5_table(400, seed=1)
    server.offer("/jets", other)
    with pytest.raises(DataError) as error:
        get(source)
    assert sha(BODY) in str(error.value) and sha(other) in str(error.value)
    assert "remove the entry 'few/jets' from" in str(error.value)
    assert (tmp_path / "out/jets").read_bytes() == BODY, "the file of before is untouched"
    (tmp_path / "datasets.lock.json").write_text("{}")
    assert get(source) == other, "the remedy works"


def test_a_broken_download_goes_on_where_it_broke(server, get, capsys):
    """Cut off three times over, each time further on; every byte is sent once."""
    answer = Answer(BODY, cut=len(BODY) // 4, cuts=3)
    server.answers["/jets"] = answer
    assert get(table_file(server.url + "/jets", sha256=sha(BODY)), attempts=4) == BODY
    quarter = len(BODY) // 4
    assert answer.requests == [None, *(f"bytes={n * quarter}-" for n in (1, 2, 3))]
    assert f"goes on at {quarter} of {len(BODY)} bytes" in capsys.readouterr().out


def test_the_next_run_goes_on_where_the_last_one_broke(server, get, tmp_path):
    server.answers["/jets"] = answer = Answer(BODY, cut=1000, cuts=1)
    source = table_file(server.url + "/jets", sha256=sha(BODY))
    with pytest.raises(DataError, match=r"(?s)broke|IncompleteRead.*Try again: it goes on where it broke"):
        get(source, attempts=1)
    assert left_over(tmp_path) == []
    assert get(source, attempts=1) == BODY and answer.requests == [None, "bytes=1000-"]
    assert not [p for p in (tmp_path / "out").iterdir() if "part" in p.name or "whole" in p.name]


@pytest.mark.parametrize(
    "how, asked",
    [
        ({"ranges": False}, [None, "bytes=1000-"]),
        ({"wrong_range": True}, [None, "bytes=1000-", None]),
    ],
)
def test_a_server_that_does_not_resume_is_asked_for_everything(server, get, how, asked):
    """It answers 200, or a range other than the asked one: the download starts anew, and is whole."""
    server.answers["/jets"] = answer = Answer(BODY, cut=1000, **how)
    assert get(table_file(server.url + "/jets", sha256=sha(BODY))) == BODY
    assert answer.requests == asked


def test_a_file_that_changed_meanwhile_is_not_joined_to_the_old_beginning(server, get):
    server.answers["/jets"] = answer = Answer(BODY, cut=1000)
    source = table_file(server.url + "/jets")
    with pytest.raises(DataError):
        get(source, attempts=1)
    other = hdf5_table(400, seed=2)
    answer.body, answer.etag = other, '"2"'
    assert get(source) == other


def test_a_slow_source_is_given_up_for_the_mirror(server, get, capsys):
    slow = server.offer("/slow", BODY, stall=600)
    mirror = server.offer("/mirror", BODY)
    assert get(table_file(slow, mirror), timeout=1, attempts=2) == BODY
    printed = capsys.readouterr().out
    assert "attempt 2 of 2" in printed and re.search(rf"few/jets: {slow}: .*timed out.*trying the next source", printed)


PAGE = b"<!DOCTYPE html><html><body>Too many requests</body></html>"


@pytest.mark.parametrize(
    "offer, message",
    [
        ({"body": PAGE}, "sent a web page, not the file"),
        ({"body": PAGE, "length": False}, "sent a web page, not the file"),
        ({"body": hdf5_table(400, seed=3)}, f"has the checksum [0-9a-f]{{64}}, not sha256:{sha(BODY)}"),
        ({"body": BODY[:-10]}, f"offers {len(BODY) - 10} bytes, the file has {len(BODY)}"),
        ({"body": BODY[:-10], "length": False}, "has the checksum|has .* bytes"),
        ({"body": BODY + b"x", "length": False}, f"sent more than the {len(BODY)} bytes"),
        ({"body": b"", "status": 503}, "503"),
        ({"body": b"", "status": 404}, "404"),
        ({"body": b"", "status": 204}, "answered 204"),
    ],
)
def test_what_is_not_the_file_is_refused_and_the_mirror_tried(server, get, tmp_path, capsys, offer, message):
    bad, good = server.offer("/bad", **offer), server.offer("/good", BODY)
    source = table_file(bad, sha256=sha(BODY), size=len(BODY))
    with pytest.raises(DataError, match=message) as error:
        get(source, attempts=2)
    assert bad in str(error.value) and "make quickstart" in str(error.value)
    assert left_over(tmp_path) == []
    assert get(replace(source, urls=(bad, good)), attempts=1) == BODY
    assert re.search(rf"few/jets: {bad}: .*trying the next source", capsys.readouterr().out)


@pytest.mark.parametrize("body", [PAGE, b"PAR1" + bytes(100), BODY[: len(BODY) // 2], b""])
def test_without_a_checksum_nothing_is_recorded_that_is_not_of_the_format(server, get, tmp_path, body):
    with pytest.raises(DataError, match=r"web page|Parquet|not a whole HDF5"):
        get(table_file(server.offer("/jets", body)))
    assert not (tmp_path / "datasets.lock.json").exists() and left_over(tmp_path) == []


def test_no_network_names_the_quickstart_and_every_source(get):
    with pytest.raises(DataError, match=r"(?s)127.0.0.1:9/a: .*127.0.0.1:9/b: .*make quickstart"):
        get(table_file("http://127.0.0.1:9/a", "http://127.0.0.1:9/b"), attempts=1)


# --- what publishers say of their files


def openml(server, body, **keys):
    description = {"url": f"{server.url}/jets", "md5_checksum": hashlib.md5(body).hexdigest(), **keys}
    return server.offer("/json", json.dumps({"data_set_description": description}).encode())


def zenodo(server, body, **keys):
    entry = {"key": "jets", "size": len(body), "checksum": f"md5:{hashlib.md5(body).hexdigest()}", "links": {}, **keys}
    return server.offer("/record", json.dumps({"files": [{"key": "other"}, entry]}).encode())


def test_openml_says_where_the_file_is_and_what_its_checksum_is(server, get, tmp_path):
    body = arff(20)[0]
    source = PublishedFile("few", "jets", "arff", descriptions=("http://127.0.0.1:9/json", openml(server, body)))
    server.offer("/jets", body)
    assert get(source) == body
    assert json.loads((tmp_path / "out/jets.source.json").read_text())["checked_by"] == "its publisher's md5"
    server.offer("/jets", arff(20, seed=1)[0])
    with pytest.raises(DataError, match=r"has the checksum .*, not (md5|sha256):"):
        get(source)


@pytest.mark.parametrize(
    "record, message",
    [
        (PAGE, "is not a description of the dataset"),
        (b'{"data_set_description": {"url": "x"}}', "is not a description of the dataset"),
        (b"[]", "is not a description of the dataset"),
    ],
)
def test_what_is_no_description_is_refused(server, get, record, message):
    source = PublishedFile("few", "jets", "arff", descriptions=(server.offer("/json", record),))
    with pytest.raises(DataError, match=message):
        get(source)


def test_a_description_that_points_to_a_file_is_refused(server, get):
    source = PublishedFile("few", "jets", "arff", descriptions=(openml(server, b"", url="file:///etc/hostname"),))
    with pytest.raises(DataError, match="not a web address"):
        get(source)


def test_zenodo_says_size_and_checksum(server, get):
    body, _ = archive({"train/a.h5": 30})
    url, limits = server.offer("/jets", body), {"max_files": 2, "max_bytes": 10**7}
    source = PublishedFile("few", "jets", "archive", urls=(url,), descriptions=(zenodo(server, body),), **limits)
    assert get(source) == body
    server.offer("/jets", body[:-100])
    with pytest.raises(DataError, match=f"offers {len(body) - 100} bytes, the file has {len(body)}"):
        get(source)
    server.offer("/jets", body)
    zenodo(server, body + b"1")
    with pytest.raises(DataError, match=r"config/datasets.csv says md5 0123, its publisher "):
        get(replace(source, md5="0123"))
    zenodo(server, body, checksum="md5:" + "0" * 32)
    with pytest.raises(DataError, match=r"not (md5|sha256):"):
        get(replace(source, dataset="another"))


# --- own copies


def test_an_own_copy_is_checked_like_a_download(tmp_path):
    lock, path = Lock(tmp_path / "datasets.csv"), tmp_path / "mine"
    path.write_bytes(BODY)
    facts = check(table_file(), path, lock)
    assert facts["sha256"] == sha(BODY) == lock.entry(table_file())["sha256"]
    assert facts["checked_by"] == "nothing: the first download"
    assert check(table_file(), path, lock)["checked_by"] == str(lock.path)
    path.write_bytes(BODY[:-1] + b"x")
    with pytest.raises(DataError, match=rf"mine: its sha256 is [0-9a-f]+, few/jets has {sha(BODY)}"):
        check(table_file(), path, lock)
    path.write_bytes(BODY[:-1])
    with pytest.raises(
        DataError, match=rf"mine: has {len(BODY) - 1} bytes, few/jets has {len(BODY)} .*remove the entry"
    ):
        check(table_file(), path, lock)
    path.write_bytes(BODY)
    with pytest.raises(DataError, match=r"mine: its md5 is [0-9a-f]+, few/jets has 0123"):
        check(table_file(md5="0123"), path, lock)
    with pytest.raises(DataError, match="the table says sha256 0123"):
        check(table_file(sha256="0123"), path, lock)
    with pytest.raises(DataError, match="absent: few/jets is not there"):
        check(table_file(), tmp_path / "absent", lock)


def test_an_own_copy_is_compared_with_what_its_publisher_says(server, tmp_path):
    from nanotrigger.config import DownloadedDataset
    from nanotrigger.data.make import make_dataset

    body = arff(100)[0]
    (tmp_path / "mine.arff").write_bytes(body)
    columns = (
        "name,version,file,format,part,url,mirror,description,size,md5,sha256,events,max_files,max_gb,licence,citation"
    )
    row = f"openml_42468,1,jets.arff,arff,all,,,{openml(server, body + b'x')},,,,100,,,,"
    (tmp_path / "datasets.csv").write_text(f"{columns}\n{row}\n")
    stanza = DownloadedDataset(source="download", name="openml_42468", path=str(tmp_path / "mine.arff"))
    arguments = stanza, stanza.path, tmp_path / "d.h5", tmp_path / "datasets.csv"
    with pytest.raises(DataError, match=r"mine\.arff: its md5 is .*its publisher's md5"):
        make_dataset(*arguments)
    assert not (tmp_path / "d.h5").exists() and not (tmp_path / "datasets.lock.json").exists()
    openml(server, body)
    make_dataset(*arguments)
    assert (tmp_path / "d.h5").exists() and (tmp_path / "datasets.lock.json").exists()


def test_a_damaged_lock_file_is_named(tmp_path):
    for content in ("[1]", '{"few/jets": 3}', "{"):
        (tmp_path / "datasets.lock.json").write_text(content)
        with pytest.raises(Exception, match=r"datasets\.lock\.json"):
            Lock(tmp_path / "datasets.csv").entry(table_file())


def test_two_runs_record_at_the_same_time(tmp_path):
    lock = Lock(tmp_path / "datasets.csv")
    files = [replace(table_file(), file=f"jets{i}") for i in range(12)]
    threads = [threading.Thread(target=lock.record, args=(f, 1, f.file, "here")) for f in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(lock.entry(f)["sha256"] == f.file for f in files)


# --- archives


def tar_of(*members):
    """A .tar.gz of (TarInfo, content) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for info, content in members:
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def member(name, content=b"12345", **keys):
    info = tarfile.TarInfo(name)
    for key, value in keys.items():
        setattr(info, key, value)
    return info, content


@pytest.mark.parametrize(
    "members, message",
    [
        ([member("../../escaped.h5")], r"member '../../escaped.h5' is refused: its path leads out"),
        ([member("/escaped.h5")], r"member '/escaped.h5' is refused: its path leads out"),
        ([member("a/../../escaped.h5")], "its path leads out"),
        ([member("a.h5", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "a link, a device"),
        ([member("a.h5", b"", type=tarfile.LNKTYPE, linkname="b.h5")], "a link, a device"),
        ([member("a.h5", b"", type=tarfile.CHRTYPE)], "a link, a device"),
        ([member("a.h5", b"", type=tarfile.FIFOTYPE)], "a link, a device"),
        ([member(f"{i}.txt") for i in range(4)], "more than the 3 files declared"),
        (
            [member("a.txt", bytes(600)), member("b.txt", bytes(600))],
            "'b.txt': the archive holds more than the 1000 bytes",
        ),
        ([member("a.txt"), member("a.txt")], "member 'a.txt' comes twice"),
        ([member("a.txt")], "holds no HDF5 file"),
    ],
)
def test_hostile_archives_are_refused_and_nothing_is_written(tmp_path, members, message):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in/jets"
    path.write_bytes(tar_of(*members))
    source = PublishedFile("few", "jets", "archive", max_files=3, max_bytes=1000)
    with pytest.raises(DataError, match=message):
        check(source, path, Lock(tmp_path / "in/datasets.csv"))
    assert [p.name for p in tmp_path.rglob("*")] == ["in", "jets"]


def test_a_full_disk_is_not_taken_for_a_damaged_archive(tmp_path, monkeypatch):
    (tmp_path / "jets").write_bytes(tar_of(member("a.h5")))

    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(shutil, "copyfileobj", full)
    source = PublishedFile("few", "jets", "archive", max_files=3, max_bytes=1000)
    with pytest.raises(OSError, match="No space left on device") as error:
        check(source, tmp_path / "jets", Lock(tmp_path / "datasets.csv"))
    assert not isinstance(error.value, DataError)


@pytest.mark.parametrize("keep", [0, 0.3, 0.8, 0.999])
def test_a_cut_off_archive_is_named(tmp_path, keep):
    """Even where only the padding behind the last file is missing."""
    body, _ = archive({"train/a.h5": 30, "train/b.h5": 30})
    (tmp_path / "jets").write_bytes(body[: int(keep * len(body))])
    source = PublishedFile("few", "jets", "archive", max_files=9, max_bytes=10**8)
    with pytest.raises(DataError, match=r"jets: cut off or damaged|cut off"):
        check(source, tmp_path / "jets", Lock(tmp_path / "datasets.csv"))
    assert [p.name for p in tmp_path.iterdir()] == ["jets"]


# --- the table


def test_every_set_of_the_papers_is_in_the_table():
    files = {name: dataset_files(name) for name in ("openml_42468", "cernbox", "zenodo_3602254", "zenodo_3602260")}
    assert [f.events for f in files["openml_42468"]] == [830000] and [f.events for f in files["cernbox"]] == [986806]
    assert [(f.part, f.events) for f in files["zenodo_3602260"]] == [("train", 620000), ("test", 260000)]
    for source in (f for of in files.values() for f in of):
        assert all(url.startswith("https://") for url in (*source.urls, *source.descriptions))
        assert len(source.urls) >= 2 or len(source.descriptions) >= 2, "a mirror"
        assert source.format != "archive" or (source.max_files and source.max_bytes and source.file in source.urls[0])
    with pytest.raises(DataError, match=r"dataset 'many' is not in .*Known: openml_42468, cernbox"):
        dataset_files("many")
