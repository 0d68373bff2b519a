"""Archives: what is read of them, and which are refused."""

from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from redrop.data import archives
from redrop.data.archives import read_gzip, read_tar, read_zip
from redrop.errors import DataError
from support import tar_gz

REMEDY = "Run `redrop fetch x` again."
GOOD = {"de-en/a.txt": b"one\n", "de-en/b.txt": b"two\n"}


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def tar_of(*members: tarfile.TarInfo) -> bytes:
    """A gzipped tar of members without content, after one good file."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        good = member("de-en/a.txt")
        good.size = 4
        tar.addfile(good, io.BytesIO(b"one\n"))
        for info in members:
            tar.addfile(info)
    return sink.getvalue()


def zip_of(folder: Path, *files: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files:
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return path


def test_members_are_found_by_their_names_wherever_they_stand(tmp_path):
    (tmp_path / "x.tgz").write_bytes(tar_gz(GOOD))
    assert read_tar(tmp_path / "x.tgz", ["b.txt"], "x.tgz", REMEDY) == {"b.txt": b"two\n"}
    outer = tar_gz({"2014/texts/de-en.tgz": tar_gz(GOOD)})
    inner = read_tar(outer, ["de-en.tgz"], "x.tgz", REMEDY)["de-en.tgz"]
    assert read_tar(inner, ["a.txt", "b.txt"], "x", REMEDY) == {"a.txt": b"one\n", "b.txt": b"two\n"}
    path = zip_of(tmp_path, ("deep/deu.txt", b"a\tb\n"), ("about.txt", b"c"))
    assert read_zip(path, ["deu.txt"], "x.zip", REMEDY) == {"deu.txt": b"a\tb\n"}
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"three\n"))
    assert read_gzip(tmp_path / "x.gz", "x.gz", REMEDY) == b"three\n"


def test_nothing_is_unpacked_onto_the_disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    read_tar(tar_gz(GOOD), ["a.txt"], "x.tgz", REMEDY)
    read_zip(zip_of(tmp_path, ("deep/deu.txt", b"a")), ["deu.txt"], "x.zip", REMEDY)
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(
    "bad",
    [
        member("../evil.txt"),
        member("de-en/../../evil.txt"),
        member("/etc/evil.txt"),
        member("de-en\\..\\..\\evil.txt"),
        member("C:/evil.txt"),
        member("de-en/link", tarfile.SYMTYPE, "/etc/passwd"),
        member("de-en/link", tarfile.SYMTYPE, "../../passwd"),
        member("de-en/link", tarfile.LNKTYPE, "../passwd"),
    ],
    ids=lambda info: f"{info.name} {info.linkname}",
)
def test_a_tar_that_leads_out_of_its_folder_is_refused(bad):
    with pytest.raises(
        DataError, match=r"x\.tgz is refused: .* leads out of its folder\. Run `redrop fetch x`"
    ):
        read_tar(tar_of(bad), ["a.txt"], "x.tgz", REMEDY)


def test_a_link_that_stays_inside_is_passed_over_unless_it_is_asked_for():
    raw = tar_of(member("de-en/b.txt", tarfile.SYMTYPE, "../de-en/a.txt"))
    assert read_tar(raw, ["a.txt"], "x.tgz", REMEDY) == {"a.txt": b"one\n"}
    with pytest.raises(DataError, match=r"'de-en/b\.txt' is a link"):
        read_tar(raw, ["b.txt"], "x.tgz", REMEDY)


def test_a_device_is_refused():
    with pytest.raises(DataError, match="is no plain file"):
        read_tar(tar_of(member("de-en/null", tarfile.CHRTYPE)), ["a.txt"], "x.tgz", REMEDY)


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "C:\\evil.txt"])
def test_a_zip_that_leads_out_of_its_folder_is_refused(tmp_path, name):
    path = zip_of(tmp_path, ("deu.txt", b"a"), (name, b"b"))
    with pytest.raises(DataError, match=r"x\.zip is refused: .* leads out of its folder"):
        read_zip(path, ["deu.txt"], "x.zip", REMEDY)


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("deu.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match=r"'deu\.txt' is a link"):
        read_zip(zip_of(tmp_path, (link, b"/etc/passwd")), ["deu.txt"], "x.zip", REMEDY)


def test_what_is_asked_for_must_be_there_once(tmp_path):
    with pytest.raises(DataError, match=r"x\.tgz has no c\.txt, d\.txt\. Run"):
        read_tar(tar_gz(GOOD), ["a.txt", "c.txt", "d.txt"], "x.tgz", REMEDY)
    with pytest.raises(DataError, match=r"it holds 'a\.txt' twice"):
        read_tar(tar_gz(GOOD | {"other/a.txt": b"three\n"}), ["a.txt"], "x.tgz", REMEDY)
    path = zip_of(tmp_path, ("a/deu.txt", b"a"), ("b/deu.txt", b"b"))
    with pytest.raises(DataError, match=r"it holds 'deu\.txt' twice"):
        read_zip(path, ["deu.txt"], "x.zip", REMEDY)


def test_sizes_are_limited(tmp_path, monkeypatch):
    path = zip_of(tmp_path, ("deu.txt", b"0" * 3000), ("about.txt", b"0" * 3000))
    (tmp_path / "x.gz").write_bytes(gzip.compress(b"0" * 3000))
    raw = tar_gz({"a.txt": b"0" * 3000, "b.txt": b"0" * 3000})
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 2999)
    for read in (
        lambda: read_tar(raw, ["a.txt"], "x", REMEDY),
        lambda: read_zip(path, ["deu.txt"], "x", REMEDY),
        lambda: read_gzip(tmp_path / "x.gz", "x", REMEDY),
    ):
        with pytest.raises(DataError, match=r"x is refused: .* unpacks to more than 2,999 bytes"):
            read()
    monkeypatch.setattr(archives, "MAX_MEMBER_BYTES", 3000)
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 5999)
    for read in (
        lambda: read_tar(raw, ["a.txt"], "x", REMEDY),
        lambda: read_zip(path, ["deu.txt"], "x", REMEDY),
    ):
        with pytest.raises(DataError, match=r"it unpacks to more than 5,999 bytes"):
            read()
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 10**6)
    monkeypatch.setattr(archives, "MAX_MEMBERS", 1)
    with pytest.raises(DataError, match="more than 1 members"):
        read_tar(raw, ["a.txt"], "x", REMEDY)


def test_zeros_behind_a_tar_count_too(monkeypatch):
    raw = gzip.compress(gzip.decompress(tar_gz(GOOD)) + bytes(10**6))
    assert read_tar(raw, ["a.txt"], "x", REMEDY) == {"a.txt": b"one\n"}
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", 10**5)
    with pytest.raises(DataError, match="unpacks to more than"):
        read_tar(raw, ["a.txt"], "x", REMEDY)


WEB_PAGE = b"<!DOCTYPE html><html>Virus scan warning</html>"


@pytest.mark.parametrize(
    "raw",
    [WEB_PAGE, b"", gzip.compress(WEB_PAGE), tar_gz(GOOD)[:-20]],
    ids=["page", "empty", "packed page", "cut"],
)
def test_what_is_no_whole_tar_is_refused(tmp_path, raw):
    (tmp_path / "x.tgz").write_bytes(raw)
    with pytest.raises(DataError, match=r"x\.tgz cannot be read as a gzipped tar archive.*redrop fetch x"):
        read_tar(tmp_path / "x.tgz", ["a.txt"], "x.tgz", REMEDY)


def test_a_tar_whose_checksum_is_wrong_is_refused():
    raw = bytearray(tar_gz(GOOD))
    raw[-6] ^= 1  # the last eight bytes are the checksum and the length
    with pytest.raises(DataError, match="cannot be read as a gzipped tar archive"):
        read_tar(bytes(raw), ["a.txt"], "x.tgz", REMEDY)


@pytest.mark.parametrize("raw", [WEB_PAGE, b"", gzip.compress(b"a" * 100)[:-9]], ids=["page", "empty", "cut"])
def test_what_is_no_whole_zip_or_gzip_is_refused(tmp_path, raw):
    (tmp_path / "x").write_bytes(raw)
    with pytest.raises(DataError, match="cannot be read as a zip archive"):
        read_zip(tmp_path / "x", ["deu.txt"], "x", REMEDY)
    if raw:  # nothing, gzipped or not, is nothing
        with pytest.raises(DataError, match="cannot be read as a gzipped file"):
            read_gzip(tmp_path / "x", "x", REMEDY)


def test_a_damaged_zip_is_refused(tmp_path):
    path = zip_of(tmp_path, ("deu.txt", bytes(range(256)) * 4))
    raw = bytearray(path.read_bytes())
    raw[60] ^= 255
    path.write_bytes(raw)
    with pytest.raises(DataError, match="cannot be read as a zip archive"):
        read_zip(path, ["deu.txt"], "x.zip", REMEDY)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.tgz cannot be read"):
        read_tar(tmp_path / "gone.tgz", ["a.txt"], str(tmp_path / "gone.tgz"), REMEDY)
