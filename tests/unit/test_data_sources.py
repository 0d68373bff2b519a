"""Getting raw files: the order of sources, the checks, and what is left behind on failure."""

from __future__ import annotations

import dataclasses
import hashlib
import io
from pathlib import Path

import pooch
import pytest
import requests

from redrop.data import source_record, sources
from redrop.data.source_record import SourceRecord, read_source, write_source
from redrop.data.sources import RemoteFile, fetch_file
from redrop.errors import DataError, StorageError

CONTENT = b"To be, or not to be.\n" * 50
LISTING = f"{hashlib.sha256(CONTENT).hexdigest()}  ./char/play.txt\n"
OTHER = b"<html>no such file</html>"


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def remote(**changes) -> RemoteFile:
    values = {
        "name": "play.txt",
        "url": "https://example.org/rev/play.txt",
        "sha256": sha(CONTENT),
        "size": len(CONTENT),
        "mirror": ("char/play.txt",),
    }
    return RemoteFile(**(values | changes))


def make_mirror(root: Path, content: bytes, listing: str | None) -> Path:
    (root / "char").mkdir(parents=True)
    (root / "char/play.txt").write_bytes(content)
    if listing is not None:
        (root / "SHA256SUMS").write_text(listing)
    return root


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(sources.time, "sleep", lambda seconds: None)


@pytest.fixture
def serve(monkeypatch):
    """Replace pooch's downloader by one that does `steps` in turn, an attempt each.

    A step is bytes to send, or a list of chunks and exceptions.
    """
    asked: list[str] = []

    def install(*steps):
        remaining = list(steps)

        class Downloader:
            def __init__(self, **kwargs):
                pass

            def __call__(self, url, output_file, pooch):
                asked.append(url)
                step = remaining.pop(0)
                for part in [step] if isinstance(step, bytes) else step:
                    if isinstance(part, BaseException):
                        raise part
                    output_file.write(part)

        monkeypatch.setattr(pooch, "HTTPDownloader", Downloader)
        return asked

    return install


@pytest.fixture
def no_network(serve):
    return serve()


def test_a_download_is_checked_and_put_in_place(tmp_path, serve):
    asked = serve(CONTENT)
    file = fetch_file(remote(), tmp_path, None)
    assert file.path.read_bytes() == CONTENT
    assert (file.sha256, file.origin, file.bytes) == (sha(CONTENT), "download", len(CONTENT))
    assert file.address == asked[0] == "https://example.org/rev/play.txt"
    assert sorted(path.name for path in tmp_path.iterdir()) == [".play.txt.fetched.json", "play.txt"]


def test_a_wrong_checksum_names_both_sums_and_leaves_nothing(tmp_path, serve):
    serve(OTHER)
    with pytest.raises(DataError) as caught:
        fetch_file(remote(), tmp_path, None)
    for part in ("play.txt", sha(CONTENT), sha(OTHER), "discarded", "REDROP_MIRROR"):
        assert part in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_download_does_not_destroy_an_older_file(tmp_path, serve):
    (tmp_path / "play.txt").write_bytes(b"older")
    serve(OTHER)
    with pytest.raises(DataError):
        fetch_file(remote(), tmp_path, None)
    assert (tmp_path / "play.txt").read_bytes() == b"older"


def test_offline_says_what_to_put_where(tmp_path, serve):
    asked = serve(*[[requests.ConnectionError("no route")]] * 3)
    with pytest.raises(DataError) as caught:
        fetch_file(remote(), tmp_path, None)
    assert len(asked) == 3
    for part in ("play.txt", "https://example.org/rev/play.txt", "MIRROR/char/play.txt"):
        assert part in str(caught.value)
    assert "REDROP_MIRROR" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_connection_that_comes_back_is_used_from_the_start_of_the_file(tmp_path, serve):
    asked = serve([CONTENT[:100], requests.exceptions.ChunkedEncodingError("cut")], CONTENT)
    assert fetch_file(remote(), tmp_path, None).path.read_bytes() == CONTENT
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("failure", "kind", "message"),
    [
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (OSError(28, "no space left"), StorageError, r"play\.txt: no space left; make room there"),
    ],
)
def test_a_half_written_download_leaves_nothing(tmp_path, serve, failure, kind, message):
    serve([CONTENT[:100], failure])
    with pytest.raises(kind, match=message):
        fetch_file(remote(), tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_an_answer_longer_than_the_file_is_cut_off(tmp_path, serve):
    serve([CONTENT, b"x", AssertionError("read on after the limit")])
    with pytest.raises(DataError, match=rf"longer than the {len(CONTENT)} bytes"):
        fetch_file(remote(), tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_without_a_pinned_sum_the_file_must_parse_first(tmp_path, serve):
    def check(path: Path) -> None:
        if path.read_bytes().startswith(b"<html"):
            raise DataError("it is a web page.")

    serve(OTHER, CONTENT)
    unpinned = remote(sha256=None, size=None)
    with pytest.raises(DataError, match=r"play.txt from https://.* a web page"):
        fetch_file(unpinned, tmp_path, None, check)
    assert list(tmp_path.iterdir()) == []
    assert fetch_file(unpinned, tmp_path, None, check).sha256 == sha(CONTENT)
    with pytest.raises(ValueError, match="needs a check"):
        fetch_file(unpinned, tmp_path, None)


def test_a_mirror_comes_before_the_address(tmp_path, no_network):
    mirror = make_mirror(tmp_path / "m", CONTENT, f"{sha(CONTENT)}  ./char/play.txt\n")
    file = fetch_file(remote(), tmp_path / "raw", mirror)
    assert (file.origin, file.address, file.sha256) == ("mirror", "char/play.txt", sha(CONTENT))
    assert file.path.read_bytes() == CONTENT
    assert no_network == []


def test_a_mirror_may_hold_another_edition_that_its_own_sums_confirm(tmp_path, no_network):
    mirror = make_mirror(tmp_path / "m", OTHER, f"{sha(OTHER)} *char/play.txt\n")
    assert fetch_file(remote(), tmp_path / "raw", mirror).sha256 == sha(OTHER)


def test_a_mirror_edition_that_is_not_known_is_refused(tmp_path, no_network):
    mirror = make_mirror(tmp_path / "m", OTHER, f"{sha(OTHER)}  ./char/play.txt\n")
    with pytest.raises(DataError, match=r"edition of play.txt that is not known") as caught:
        fetch_file(remote(mirror_sha256=(sha(CONTENT),)), tmp_path / "raw", mirror)
    assert sha(OTHER) in str(caught.value)
    assert sha(CONTENT) in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


def test_a_mirror_file_that_differs_from_the_mirrors_sums_is_an_error(tmp_path, no_network):
    mirror = make_mirror(tmp_path / "m", OTHER, f"{sha(CONTENT)}  ./char/play.txt\n")
    with pytest.raises(DataError, match="does not match") as caught:
        fetch_file(remote(), tmp_path / "raw", mirror)
    for part in (str(mirror / "char/play.txt"), sha(CONTENT), sha(OTHER), "Copy the file"):
        assert part in str(caught.value)
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize("listing", [None, "", f"{'0' * 64}  ./char/other.txt\n"])
def test_a_mirror_file_that_is_not_listed_is_an_error(tmp_path, no_network, listing):
    mirror = make_mirror(tmp_path / "m", CONTENT, listing)
    with pytest.raises(DataError, match="not listed") as caught:
        fetch_file(remote(), tmp_path / "raw", mirror)
    assert sha(CONTENT) in str(caught.value)
    assert "sha256sum" in str(caught.value)


def test_a_mirror_without_the_file_falls_through_to_the_address(tmp_path, serve):
    serve(CONTENT)
    (tmp_path / "m").mkdir()
    assert fetch_file(remote(), tmp_path / "raw", tmp_path / "m").origin == "download"


def test_a_mirror_folder_that_does_not_exist_is_an_error(tmp_path, no_network):
    with pytest.raises(DataError, match=r"mirror folder .* does not exist"):
        fetch_file(remote(), tmp_path / "raw", tmp_path / "typo")


def test_a_recorded_file_is_kept_with_its_origin(tmp_path, serve):
    asked = serve(CONTENT)
    record = SourceRecord("play", "first", (fetch_file(remote(), tmp_path, None),))
    write_source(tmp_path, record)
    again = fetch_file(remote(), tmp_path, tmp_path / "typo")
    assert again == record.files[0]
    assert len(asked) == 1


def test_a_fetch_that_was_killed_before_its_record_still_knows_the_origin(tmp_path, no_network):
    """Without the note the file would be `found`, and the prepared data would not be the same bytes."""
    mirror, raw = make_mirror(tmp_path / "mirror", CONTENT, LISTING), tmp_path / "raw"
    fetched = fetch_file(remote(), raw, mirror)  # and then it was killed
    kept = fetch_file(remote(), raw, None)
    assert kept == fetched
    assert kept.origin == "mirror"
    write_source(raw, SourceRecord("play", "public", (kept,)))
    assert sorted(path.name for path in raw.iterdir()) == ["play.txt", "source.json"]


def test_a_note_of_other_bytes_is_not_believed(tmp_path, no_network):
    """It is written before the file takes its name, so it may be about a file that never came."""
    mirror, raw = make_mirror(tmp_path / "mirror", CONTENT, LISTING), tmp_path / "raw"
    file = fetch_file(remote(), raw, mirror)
    source_record.note_file(dataclasses.replace(file, sha256="0" * 64))
    assert fetch_file(remote(), raw, None).origin == "found"


def test_an_unpinned_file_is_kept_only_with_its_record(tmp_path, serve):
    serve(CONTENT, CONTENT)
    unpinned = remote(sha256=None, size=None)
    file = fetch_file(unpinned, tmp_path, None, lambda path: None)
    assert fetch_file(unpinned, tmp_path, None, lambda path: None).origin == "download"
    write_source(tmp_path, SourceRecord("play", "first", (file,)))
    assert fetch_file(unpinned, tmp_path, None, lambda path: None) == file


def test_a_pinned_file_without_a_record_is_kept_and_says_so(tmp_path, no_network):
    (tmp_path / "play.txt").write_bytes(CONTENT)
    assert fetch_file(remote(), tmp_path, None).origin == "found"


def test_a_damaged_file_is_fetched_again(tmp_path, serve):
    serve(CONTENT, CONTENT)
    write_source(tmp_path, SourceRecord("p", "e", (fetch_file(remote(), tmp_path, None),)))
    (tmp_path / "play.txt").write_bytes(CONTENT[:-1])
    assert fetch_file(remote(), tmp_path, None).path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "changes",
    [
        {"url": "http://example.org/play.txt"},
        {"url": "file:///etc/passwd"},
        {"name": "../play.txt"},
        {"name": ".."},
        {"mirror": ("/etc/passwd",)},
        {"mirror": ("char/../../passwd",)},
    ],
)
def test_unsafe_places_are_refused(changes):
    with pytest.raises(ValueError, match=r"https|folder part|leaves the mirror"):
        remote(**changes)


class Wire:
    """Answers below requests: (status, headers, body) in turn, so that pooch itself runs."""

    def __init__(self, monkeypatch, *answers):
        self.urls: list[str] = []
        self.answers = list(answers)

        def send(adapter, request, **kwargs):
            self.urls.append(request.url)
            status, headers, body = self.answers.pop(0)
            response = requests.Response()
            response.status_code, response.url, response.request = status, request.url, request
            response.headers.update(headers)
            response.raw = io.BytesIO(body)
            return response

        monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)


def redirect(target: str):
    return 302, {"location": target}, b""


def test_pooch_itself_downloads_through_an_https_redirect(tmp_path, monkeypatch):
    wire = Wire(monkeypatch, redirect("https://cdn.example.org/x"), (200, {}, CONTENT))
    assert fetch_file(remote(), tmp_path, None).path.read_bytes() == CONTENT
    assert wire.urls[-1] == "https://cdn.example.org/x"


def test_a_redirect_to_plain_http_is_refused(tmp_path, monkeypatch):
    wire = Wire(monkeypatch, redirect("http://cdn.example.org/x"), (200, {}, CONTENT))
    with pytest.raises(DataError, match="not https"):
        fetch_file(remote(), tmp_path, None)
    assert wire.urls == ["https://example.org/rev/play.txt"]
    assert list(tmp_path.iterdir()) == []


def test_a_final_answer_is_not_asked_for_again_and_a_server_error_is(tmp_path, monkeypatch):
    wire = Wire(monkeypatch, (404, {}, b"gone"))
    with pytest.raises(DataError, match="the server answered 404"):
        fetch_file(remote(), tmp_path, None)
    assert len(wire.urls) == 1
    wire = Wire(monkeypatch, (503, {}, b"busy"), (200, {}, CONTENT))
    assert fetch_file(remote(), tmp_path, None).sha256 == sha(CONTENT)


@pytest.fixture
def recorded(tmp_path, serve):
    serve(CONTENT)
    write_source(tmp_path, SourceRecord("play", "e", (fetch_file(remote(), tmp_path, None),)))
    return tmp_path


def test_a_record_reads_back(recorded):
    record = read_source(recorded, "play", ("play.txt",))
    assert (record.edition, record.origin) == ("e", "download")
    assert record.sha256 == {"play.txt": sha(CONTENT)}


def test_raw_files_that_changed_or_vanished_are_refused(recorded):
    (recorded / "play.txt").write_bytes(OTHER)
    with pytest.raises(DataError, match="changed since") as caught:
        read_source(recorded, "play", ("play.txt",))
    for part in ("play.txt", sha(CONTENT), sha(OTHER), "redrop fetch play"):
        assert part in str(caught.value)
    (recorded / "play.txt").unlink()
    with pytest.raises(DataError, match=r"is missing.*redrop fetch play"):
        read_source(recorded, "play", ("play.txt",))


def test_records_of_others_and_damaged_records_are_refused(recorded):
    with pytest.raises(DataError, match="belongs to data set 'play'"):
        read_source(recorded, "novel", ("play.txt",))
    with pytest.raises(DataError, match=r"does not list act2.txt"):
        read_source(recorded, "play", ("play.txt", "act2.txt"))
    (recorded / "source.json").write_text('{"name": "play", "files": [')
    with pytest.raises(DataError, match=r"source.json is missing or damaged.*redrop fetch play"):
        read_source(recorded, "play", ("play.txt",))


def test_a_file_name_in_a_record_leads_nowhere(tmp_path):
    (tmp_path / "raw").mkdir()
    secret = tmp_path / "secret.txt"
    secret.write_bytes(CONTENT)
    entry = (
        f'{{"file": "../secret.txt", "sha256": "{sha(CONTENT)}", "bytes": 1, '
        '"origin": "mirror", "address": "x"}'
    )
    text = f'{{"name": "play", "edition": "e", "files": [{entry}]}}'
    (tmp_path / "raw" / source_record.SOURCE_FILE).write_text(text)
    with pytest.raises(DataError):
        read_source(tmp_path / "raw", "play", ("secret.txt",))
