"""Bad files of every kind: tables for test_bad_inputs.py."""

from __future__ import annotations

import gzip
import pickle
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bad_input_support import Case, Place, flipped
from redrop.cli import main
from redrop.data import archives
from redrop.data.corpus import prepare_corpus
from support import small_spec, toy_text

AGAIN = "run the run again"
FETCH_AGAIN = "redrop fetch"
LAST = "val_loss_last"


def metrics_with(change: Callable[[dict[str, Any]], object]) -> Callable[[Place], list[str]]:
    """A metrics.json that somebody changed, with a checksum that fits."""

    def spoil(place: Place) -> list[str]:
        document = place.metrics
        change(document)
        place.resign(document)
        return place.collect()

    return spoil


def metrics_of(content: Callable[[bytes], bytes]) -> Callable[[Place], list[str]]:
    """A metrics.json whose bytes changed."""

    def spoil(place: Place) -> list[str]:
        path = place.run / "metrics.json"
        path.write_bytes(content(path.read_bytes()))
        return place.collect()

    return spoil


def curve_of(content: Callable[[bytes], bytes]) -> Callable[[Place], list[str]]:
    """A curve whose bytes changed, and the command that draws it."""

    def spoil(place: Place) -> list[str]:
        path = place.run / "curve.jsonl"
        path.write_bytes(content(path.read_bytes()))
        return place.figure()

    return spoil


def as_folder(place: Place) -> list[str]:
    (place.run / "metrics.json").rename(place.run / "metrics.old")
    (place.run / "metrics.json").mkdir()
    return place.again()


RECORDS = [
    Case(
        "metrics with NaN",
        metrics_of(lambda b: b.replace(b'"value": 12', b'"value": NaN', 1)),
        ("metrics.json", "NaN is not JSON", AGAIN),
    ),
    Case(
        "metrics with another run's id",
        metrics_with(lambda d: d.update(run="authors-x-s1-00000000")),
        ("metrics.json", "authors-x-s1-00000000", AGAIN),
    ),
    Case(
        "metrics without a status",
        metrics_with(lambda d: d.pop("status")),
        ("metrics.json", "no 'status'", AGAIN),
    ),
    Case(
        "metrics that are cut off", metrics_of(lambda b: b[: len(b) // 2]), ("metrics.json", "damaged", AGAIN)
    ),
    Case("metrics that are empty", metrics_of(lambda b: b""), ("metrics.json", "damaged", AGAIN)),
    Case(
        "metrics in UTF-16",
        metrics_of(lambda b: b.decode().encode("utf-16")),
        ("metrics.json", "damaged", AGAIN),
    ),
    Case("metrics 100,000 deep", metrics_of(lambda b: b"[" * 100_000), ("metrics.json", "damaged", AGAIN)),
    Case(
        "a number of 5,000 digits",
        metrics_of(lambda b: b.replace(b'"value": 12', b'"value": 1' + b"2" * 5000, 1)),
        ("metrics.json", "damaged", AGAIN),
    ),
    Case(
        "one changed digit of a metric",
        metrics_of(lambda b: b.replace(b'"value": 12', b'"value": 10', 1)),
        ("metrics.json", "checksum is wrong", AGAIN),
    ),
    Case(
        "metrics whose checksum was taken out",
        metrics_with(lambda d: d.update(more=1)),
        ("metrics.json", "more", AGAIN),
    ),
    Case(
        "a metric that is a text",
        metrics_with(lambda d: d["metrics"][LAST].update(value="1.5")),
        ("metrics.json", f"metrics.{LAST}.value is '1.5'", AGAIN),
    ),
    Case(
        "a metric that is true",
        metrics_with(lambda d: d["metrics"][LAST].update(value=True)),
        ("metrics.json", f"metrics.{LAST}.value is True", AGAIN),
    ),
    Case(
        "a metric of nothing",
        metrics_with(lambda d: d["metrics"][LAST].update(n=None)),
        ("metrics.json", f"metrics.{LAST}.n is None", AGAIN),
    ),
    Case("metrics that are a folder", as_folder, ("metrics.json", "is a folder", AGAIN)),
    Case(
        "a curve with a changed digit",
        curve_of(lambda b: b.replace(b'"val_loss": 3', b'"val_loss": 2', 1)),
        ("curve.jsonl", "checksum", AGAIN),
    ),
    Case("a curve that is cut off", curve_of(lambda b: b[:-20]), ("curve.jsonl", "damaged", AGAIN)),
    Case("a curve that is empty", curve_of(lambda b: b""), ("curve.jsonl", "damaged", AGAIN)),
    Case(
        "a curve with a line of something else",
        curve_of(lambda b: b"[1, 2]\n" + b),
        ("curve.jsonl", "line 1", AGAIN),
    ),
    Case(
        "a curve with Infinity",
        curve_of(lambda b: b.replace(b'"val_loss": 3', b'"val_loss": Infinity, "x": 3', 1)),
        ("curve.jsonl", "Infinity is not JSON", AGAIN),
    ),
]


def published_with(change: Callable[[Path], object]) -> Callable[[Place], list[str]]:
    """A published run that is changed, and the command that copies it back."""

    def spoil(place: Place) -> list[str]:
        command = place.restore()
        (folder,) = (place.root / "published/residual/runs").iterdir()
        change(folder)
        return command

    return spoil


def nothing_published(place: Place) -> list[str]:
    (place.root / "published/residual/runs").mkdir(parents=True)
    return place.restore_command


def two_results(place: Place) -> list[str]:
    """One run in two folders, of which one has another loss."""
    shutil.copytree(place.run, place.root / "results/runs/copy")
    document = place.metrics
    document["metrics"][LAST]["value"] += 1
    place.resign(document)
    return place.collect()


PUBLISHED = [
    Case(
        "a published run without its curve",
        published_with(lambda f: (f / "curve.jsonl").unlink()),
        ("curve.jsonl", "no such file", "copy its folder anew"),
    ),
    Case(
        "a published run without provenance",
        published_with(lambda f: (f / "provenance.json").unlink()),
        ("provenance.json", "no such file", "copy its folder anew"),
    ),
    Case(
        "a published spec of another run",
        published_with(lambda f: (f / "spec.json").write_text(small_spec(seed=3).to_json())),
        ("spec.json", "not the settings", AGAIN),
    ),
    Case(
        "a published spec that is no JSON",
        published_with(lambda f: (f / "spec.json").write_text("{")),
        ("spec.json", "damaged", AGAIN),
    ),
    Case(
        "a published run in a folder of another name",
        published_with(lambda f: f.rename(f.with_name("best"))),
        ("best", "holds run authors-a2r025", "give the folder that name"),
    ),
    Case(
        "a published folder without runs",
        nothing_published,
        ("published/residual", "no published runs", "name another"),
    ),
    Case("one run with two results", two_results, ("copy", "different results", "move one of them away")),
]


def pickled(place: Path) -> bytes:
    """A pickle that writes a file when it is read."""

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (place / "owned",))

    return pickle.dumps(Evil())


def mirror_file(
    content: bytes, change: Callable[[Path], object] = lambda path: None
) -> Callable[[Place], list[str]]:
    """A mirror that has a text which is not Tiny Shakespeare, or not as its sums say."""

    def spoil(place: Place) -> list[str]:
        command = place.fetch("tiny_shakespeare", {"char/tinyshakespeare.txt": content})
        change(place.root / "mirror")
        return command

    return spoil


def archive(
    make: Callable[[Path], None], name: str = "iwslt14_de_en", path: str = "iwslt14_de_en/de-en.tgz"
) -> Callable[[Place], list[str]]:
    """A mirror whose archive of a parallel text is not what it should be; its sum is listed."""

    def spoil(place: Place) -> list[str]:
        made = place.root / "made"
        make(made)
        command = place.fetch(name, {path: made.read_bytes()})
        return command

    return spoil


def tar_with(**attributes: Any) -> Callable[[Path], None]:
    """A gzipped tar archive with one member of these attributes."""

    def make(path: Path) -> None:
        with tarfile.open(path, "w:gz") as tar:
            member = tarfile.TarInfo(attributes.get("name", "de-en/link"))
            for key, value in attributes.items():
                setattr(member, key, value)
            tar.addfile(member)

    return make


def large_tar(path: Path) -> None:
    """A member that says it is larger than any of ours; it comes as a few bytes."""
    member = tarfile.TarInfo("de-en/train.tags.de-en.de")
    member.size = archives.MAX_TOTAL_BYTES + 1
    path.write_bytes(gzip.compress(member.tobuf()))


def bomb_zip(path: Path) -> None:
    """300 MB of zeros in 300 kB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made, made.open("deu.txt", "w") as member:
        for _ in range(300):
            member.write(bytes(2**20))


def link_zip(path: Path) -> None:
    link = zipfile.ZipInfo("deu.txt")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as made:
        made.writestr(link, "/etc/passwd")


TATOEBA = ("tatoeba_de_en", "tatoeba/deu-eng.zip")
MIRRORS = [
    Case(
        "a mirror that is a file",
        lambda p: [
            "fetch",
            "tiny_shakespeare",
            "--to",
            str(p.root / "raw"),
            "--mirror",
            str(p.write("file", "")),
        ],
        ("mirror folder", "file", "unset it to download"),
    ),
    Case(
        "a mirror without SHA256SUMS",
        mirror_file(b"x", lambda m: (m / "SHA256SUMS").unlink()),
        ("tinyshakespeare.txt", "not listed", "sha256sum"),
    ),
    Case(
        "a mirror without the entry",
        mirror_file(b"x", lambda m: (m / "SHA256SUMS").write_text("0  other\n")),
        ("tinyshakespeare.txt", "not listed", "sha256sum"),
    ),
    Case(
        "a mirror whose sums are a binary file",
        mirror_file(b"x", lambda m: (m / "SHA256SUMS").write_bytes(bytes(range(256)))),
        ("tinyshakespeare.txt", "not listed", "sha256sum"),
    ),
    Case(
        "a mirror whose sum is another",
        mirror_file(b"x", lambda m: (m / "char/tinyshakespeare.txt").write_bytes(b"y")),
        ("tinyshakespeare.txt", "does not match", "Copy the file into the mirror again"),
    ),
    Case(
        "a mirror with another text",
        mirror_file(b"To be\n"),
        ("tinyshakespeare.txt", "edition", "Put a known edition"),
    ),
    Case(
        "no mirror and no network",
        lambda p: ["fetch", "tiny_shakespeare", "--to", str(p.root / "raw")],
        ("tinyshakespeare.txt", "no connection", "REDROP_MIRROR"),
    ),
    Case(
        "a raw folder under a file",
        lambda p: ["fetch", "python_docs", "--to", str(p.write("file", "") / "raw")],
        ("file", "Not a directory", "move it away"),
    ),
    Case(
        "a task whose name is a path",
        lambda p: ["fetch", "../glue_cola", "--to", str(p.root / "raw")],
        ("'../glue_cola'", "glue_cola"),
    ),
    Case(
        "an archive that is a web page",
        archive(lambda path: path.write_text("<html>scan</html>")),
        ("de-en.tgz", "cannot be read as a gzipped tar", FETCH_AGAIN),
    ),
    Case(
        "an archive that is a pickle",
        archive(lambda path: path.write_bytes(pickled(path.parent))),
        ("de-en.tgz", "cannot be read as a gzipped tar", FETCH_AGAIN),
    ),
    Case(
        "an archive with an absolute path",
        archive(tar_with(name="/etc/cron.d/x")),
        ("de-en.tgz", "leads out of its folder", FETCH_AGAIN),
    ),
    Case(
        "an archive with a path upwards",
        archive(tar_with(name="de-en/../../x")),
        ("de-en.tgz", "leads out of its folder", FETCH_AGAIN),
    ),
    Case(
        "an archive with a link outside",
        archive(tar_with(type=tarfile.SYMTYPE, linkname="/etc/passwd")),
        ("de-en.tgz", "leads out of its folder", FETCH_AGAIN),
    ),
    Case(
        "an archive with a device",
        archive(tar_with(type=tarfile.CHRTYPE)),
        ("de-en.tgz", "no plain file", FETCH_AGAIN),
    ),
    Case(
        "an archive with a pipe",
        archive(tar_with(type=tarfile.FIFOTYPE)),
        ("de-en.tgz", "no plain file", FETCH_AGAIN),
    ),
    Case("an archive of 4 GB", archive(large_tar), ("de-en.tgz", "unpacks to more than", FETCH_AGAIN)),
    Case("a zip of zeros", archive(bomb_zip, *TATOEBA), ("deu-eng.zip", "unpacks to more than", FETCH_AGAIN)),
    Case("a zip with a link", archive(link_zip, *TATOEBA), ("deu-eng.zip", "is a link", FETCH_AGAIN)),
    Case(
        "a zip without the table",
        archive(lambda path: zipfile.ZipFile(path, "w").close(), *TATOEBA),
        ("deu-eng.zip", "has no deu.txt", FETCH_AGAIN),
    ),
]


def prepared_with(change: Callable[[Path], object]) -> Callable[[Place], list[str]]:
    """A prepared text that is changed, and the command that trains on it."""

    def spoil(place: Place) -> list[str]:
        change(place.corpus)
        return place.train()

    return spoil


def flip(name: str) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes(flipped((folder / name).read_bytes()))


def pickled_array(folder: Path) -> None:
    import numpy as np

    np.save(folder / "train.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)


def other_corpus(folder: Path) -> None:
    prepare_corpus(toy_text(6000, 1), folder, name="wikitext2", origin="generated", edition="toy")


def raw_files(name: str, change: Callable[[Path], object]) -> Callable[[Place], list[str]]:
    """Raw files of a generated data set that are changed, and the command that prepares them."""

    def spoil(place: Place) -> list[str]:
        raw = place.root / "raw"
        main(["fetch", name, "--to", str(raw)])
        change(raw)
        return ["prepare", name, "--raw", str(raw), "--to", str(place.root / "prepared")]

    return spoil


PREPARE_AGAIN = "redrop prepare"
DATA = [
    Case(
        "a bit of the training text", prepared_with(flip("train.npy")), ("train.npy", "sha256", PREPARE_AGAIN)
    ),
    Case(
        "a training text that is a pickle",
        prepared_with(pickled_array),
        ("train.npy", "damaged", PREPARE_AGAIN),
    ),
    Case(
        "a description that is cut off",
        prepared_with(lambda f: (f / "meta.json").write_text("{")),
        ("meta.json", "damaged", PREPARE_AGAIN),
    ),
    Case(
        "a description 100,000 deep",
        prepared_with(lambda f: (f / "meta.json").write_text("[" * 100_000)),
        ("meta.json", "damaged", PREPARE_AGAIN),
    ),
    Case(
        "another text under this name",
        prepared_with(other_corpus),
        ("tiny_shakespeare", "holds 'wikitext2'", "prepare again"),
    ),
    Case(
        "a changed file of a task",
        raw_files("glue_toy_pairs", flip("train.tsv")),
        ("train.tsv", "changed since", FETCH_AGAIN),
    ),
    Case(
        "a missing file of a translation",
        raw_files("toy_translation", lambda f: (f / "train.xx").unlink()),
        ("train.xx", "is missing", FETCH_AGAIN),
    ),
    Case(
        "a changed file of summaries",
        raw_files("toy_summaries", lambda f: next(f.glob("*train*")).write_bytes(b"")),
        ("train", "changed since", FETCH_AGAIN),
    ),
    Case(
        "raw files without their list",
        raw_files("toy_translation", lambda f: (f / "source.json").unlink()),
        ("source.json", "missing", FETCH_AGAIN),
    ),
    Case(
        "a list of raw files that is a list",
        raw_files("toy_translation", lambda f: (f / "source.json").write_text("[]")),
        ("source.json", "damaged", FETCH_AGAIN),
    ),
]


def model_folder(change: Callable[[Path], object]) -> Callable[[Place], list[str]]:
    """A released model that was fetched and then changed, and the command that wants it."""

    def spoil(place: Place) -> list[str]:
        origin = place.root / "origin"
        origin.mkdir()
        (origin / "config.json").write_text('{"model_type": "bert"}')
        (origin / "model.safetensors").write_bytes(bytes(range(256)))
        command = ["fetch-model", str(origin), "--to", str(place.root / "model")]
        main(command)
        change(place.root / "model")
        return command

    return spoil


def pickled_model(place: Place) -> list[str]:
    origin = place.root / "origin"
    origin.mkdir()
    (origin / "config.json").write_text("{}")
    (origin / "pytorch_model.bin").write_bytes(pickled(place.root))
    return ["fetch-model", str(origin), "--to", str(place.root / "model")]


MODELS = [
    Case(
        "a bit of a model's weights",
        model_folder(flip("model.safetensors")),
        ("model.safetensors", "damaged", "fetches the model anew"),
    ),
    Case(
        "a changed description of a model",
        model_folder(lambda f: (f / "config.json").write_text("{}")),
        ("config.json", "changed since", "fetches the model anew"),
    ),
    Case("weights as a pickle", pickled_model, ("origin", "model.safetensors", "safetensors")),
    Case(
        "a model whose name is a path",
        lambda p: ["fetch-model", "../../etc/x", "--to", str(p.root / "model")],
        ("model.checkpoint", "'../../etc/x'", "known:"),
    ),
    Case(
        "a model of the hub without a commit",
        lambda p: ["fetch-model", "owner/name", "--to", str(p.root / "model")],
        ("model.revision", "missing", "40 hex digits"),
    ),
]


def broken_pool(place: Place) -> list[str]:
    """A list of wanted runs that somebody edited."""
    place.write("pool/wanted.jsonl", small_spec(seed=3).to_json()[:-1] + "\n")
    return [*place.train(), "--pool", str(place.root / "pool")]


def another_runs_record(place: Place) -> list[str]:
    return place.train(small_spec(seed=2).to_json(), str(place.run))


JOBS = [
    Case(
        "a list of wanted runs that is cut off",
        broken_pool,
        ("wanted.jsonl", "not JSON", "start Snakemake again"),
    ),
    Case("the folder of another run", another_runs_record, (small_spec().run, "use another folder")),
]
