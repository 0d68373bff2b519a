"""The character corpus: a text as numbers, split into training and validation.

The preparation is nanoGPT's for characters: the vocabulary is the sorted set of all characters of
the whole text, the first int(0.9 n) characters are for training and the rest for validation,
unless the data set has a split of its own.

A prepared folder holds train.npy and val.npy (uint16, one number a character) and, written last,
meta.json. The same text gives the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from redrop.data.base import META_FILE, DataSet, Prepared, write_prepared
from redrop.data.files import reading
from redrop.data.source_record import FetchedFile, SourceRecord, complete_record, write_made
from redrop.data.sources import RemoteFile
from redrop.errors import DataError

if TYPE_CHECKING:
    import numpy as np

FORMAT = 1
TRAIN_FRACTION = 0.9
MIN_SPLIT = 2
"""Characters that a split needs: one to read and one to predict."""
MAX_VOCAB = 2**16


@dataclass(frozen=True, eq=False, kw_only=True)
class Corpus(Prepared):
    """An encoded text. The arrays are read-only: copy or convert them to change them."""

    train: np.ndarray = field(repr=False)
    """uint16, shape [n_train]: character numbers in the order of the text."""
    val: np.ndarray = field(repr=False)
    """uint16, shape [n_val]."""
    vocab: tuple[str, ...] = field(repr=False)
    """Character of each number, sorted by code point."""

    @property
    def vocab_size(self) -> int:
        """Number of different characters."""
        return len(self.vocab)

    @property
    def sizes(self) -> dict[str, int]:
        """How much there is, for metrics.json."""
        sizes = {"train_characters": len(self.train), "val_characters": len(self.val)}
        return {"vocab_size": self.vocab_size, **sizes}

    @property
    def summary(self) -> str:
        """Its size in words."""
        sizes = f"{len(self.train):,} characters to train on, {len(self.val):,} to validate on"
        return f"{sizes}, {self.vocab_size} symbols"


@dataclass(frozen=True)
class Characters:
    """Size of a corpus as it is prepared, for `redrop plan`."""

    train: int
    val: int
    symbols: int


Change = Callable[[str], tuple[str, dict[str, Any]]]
"""What is done to a text first; it returns the new text and notes on what it did."""


@dataclass(frozen=True, kw_only=True)
class CorpusSet(DataSet):
    """A character corpus: a raw text file, split nine to one, or one with `validation` text of its own."""

    family: ClassVar[str] = "corpus"
    noun: ClassVar[str] = "corpus"
    format: ClassVar[object] = FORMAT
    meta_types: ClassVar = DataSet.meta_types | {"vocab": str, "n_train": int, "n_val": int}

    read: Callable[[Path], str] = field(default=lambda path: decode_utf8(path.read_bytes(), path), repr=False)
    """The text of a raw file."""
    change: Change = field(default=lambda text: (text, {}), repr=False)
    edition_of: Mapping[str, str] = field(default_factory=dict, hash=False)
    """sha256 of the raw file -> edition, where only the sum tells."""
    split: Callable[[str], tuple[str, str]] | None = field(default=None, repr=False)
    """From a text to what is trained and what is validated on; None: nine to one. All symbols are kept."""
    size: Characters | None = None

    def prepare(self, raw_folder: Path, folder: Path) -> Corpus:
        """Encode the text as nanoGPT does; returns the Corpus, read back and verified."""
        names = self._raw_names(raw_folder)
        source = self.read_raw(raw_folder, names)
        texts, notes = {}, {"raw_sha256": source.sha256}
        for name, split in names.items():
            texts[split], changed = self.change(self.read(raw_folder / name))
            notes |= changed
        alphabet = ""
        if self.split is not None:
            alphabet = texts["train"]
            texts["train"], texts["validation"] = self.split(alphabet)
        told = {"name": self.name, "origin": source.origin, "edition": source.edition}
        texts |= {"validation": texts.get("validation"), "alphabet": alphabet}
        return prepare_corpus(texts.pop("train"), folder, **told, **texts, notes=notes)

    def _decode(self, folder: Path, meta: Mapping[str, Any]) -> Corpus:
        return load_corpus(folder)

    def _check(self, file: RemoteFile, mirror: Path | None, path: Path) -> None:
        if not self.read(path):
            raise DataError("it holds no text.")

    def _edition(self, edition: str, fetched: Sequence[FetchedFile]) -> str:
        return self.edition_of.get(fetched[0].sha256, edition)


@dataclass(frozen=True, kw_only=True)
class InterpreterCorpus(CorpusSet):
    """Text that the running Python brings along: no download, the edition is its version."""

    file: str
    """Name of the raw file."""
    text: Callable[[], tuple[str, str]] = field(repr=False)
    """Makes the text, and says what of."""

    def fetch(self, folder: Path, mirror: Path | None) -> SourceRecord:
        """Write the text and source.json, unless they are there already; `mirror` is not needed.

        A complete folder is left alone even when another Python made it, so that a new interpreter
        does not change a corpus unnoticed: remove the folder to make it anew.
        """
        kept = complete_record(folder, self.name, (self.file,))
        if kept is not None:
            return kept
        text, address = self.text()
        edition = f"{platform.python_implementation()} {platform.python_version()}"
        files = {self.file: text.encode("utf-8")}
        return write_made(folder, self.name, edition, files, "interpreter", address)

    def _raw_names(self, raw_folder: Path) -> dict[str, str]:
        return {self.file: "train"}


def fingerprint(train: np.ndarray, val: np.ndarray, vocab: Sequence[str]) -> str:
    """sha256, in hex, of `{"n_train":N,"n_val":M,"vocab":"..."}`, train, val (little-endian)."""
    import numpy as np

    head = {"n_train": len(train), "n_val": len(val), "vocab": "".join(vocab)}
    digest = hashlib.sha256(json.dumps(head, separators=(",", ":")).encode("ascii"))
    for array in (train, val):
        digest.update(np.ascontiguousarray(array, dtype="<u2").tobytes())
    return digest.hexdigest()


def _facts(train: np.ndarray, val: np.ndarray, vocab: Sequence[str]) -> dict[str, Any]:
    return {"n_train": len(train), "n_val": len(val), "sha256": fingerprint(train, val, vocab)}


def decode_utf8(raw: bytes, what: str | Path) -> str:
    """The text of `raw`, newlines and any byte-order mark untouched; raises DataError, with the place."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        where = f"byte 0x{raw[error.start]:02x} at offset {error.start} ({error.reason})"
        raise DataError(f"{what} is not UTF-8 text: {where}. Fetch the file again or convert it.") from error


def prepare_corpus(
    text: str,
    folder: Path,
    *,
    name: str,
    origin: str,
    edition: str,
    validation: str | None = None,
    alphabet: str = "",
    notes: Mapping[str, object] | None = None,
) -> Corpus:
    """Encode `text` into `folder` and return the corpus, read back and verified.

    With `validation`, `text` is all training text; without, it is split nine to one. `alphabet` has
    characters that get a number even if neither has them. `notes` are
    further facts about the preparation, JSON values, kept in meta.json. Raises DataError when the
    text is empty, too short, or has more than 65,536 different characters.
    """
    train_text, val_text = _split(text, validation, name)
    vocab = tuple(sorted({*train_text, *val_text, *alphabet}))
    if len(vocab) > MAX_VOCAB:
        raise DataError(f"{name} has {len(vocab)} different characters, at most {MAX_VOCAB} fit.")
    train, val = _encode(train_text, vocab), _encode(val_text, vocab)
    meta = {"format": FORMAT, "name": name, "origin": origin, "edition": edition, "notes": dict(notes or {})}
    meta |= {"vocab": "".join(vocab), **_facts(train, val, vocab)}
    write_prepared(folder, {"train.npy": _writer(train), "val.npy": _writer(val)}, meta)
    return load_corpus(folder)


def load_corpus(folder: str | Path) -> Corpus:
    """The corpus prepared in `folder`, verified against its meta.json; raises DataError for any fault."""
    folder = Path(folder)
    meta = CorpusSet.read_meta(folder)
    again = f"Run `redrop prepare {meta['name']}` again."
    train, val = (_read_array(folder / f"{split}.npy", again) for split in ("train", "val"))
    found = _facts(train, val, meta["vocab"])
    if any(meta[key] != value for key, value in found.items()):  # of the vocabulary, too
        said = f"expected { {key: meta[key] for key in found} }, found {found}"
        raise DataError(f"{folder}: train.npy, val.npy and symbols do not match {META_FILE}: {said}. {again}")
    return Corpus(**CorpusSet.identity(meta), train=train, val=val, vocab=tuple(meta["vocab"]))


def _split(text: str, validation: str | None, name: str) -> tuple[str, str]:
    if not text:
        raise DataError(f"the text of {name} is empty. Run `redrop fetch {name}` again.")
    cut = int(len(text) * TRAIN_FRACTION)
    train, val = (text[:cut], text[cut:]) if validation is None else (text, validation)
    for split, part in (("training", train), ("validation", val)):
        if len(part) < MIN_SPLIT:
            said = f"{len(part)} characters for {split}, at least {MIN_SPLIT} are needed"
            raise DataError(f"the text of {name} is too short: {said}. Run `redrop fetch {name}` again.")
    return train, val


def _encode(text: str, vocab: Sequence[str]) -> np.ndarray:
    """Numbers of the characters of `text` in the sorted `vocab`, which has them all; uint16."""
    import numpy as np

    raw = (one.encode("utf-32-le", "surrogatepass") for one in ("".join(vocab), text))
    known, characters = (np.frombuffer(one, dtype="<u4") for one in raw)
    return np.searchsorted(known, characters).astype(np.uint16)


def _writer(array: np.ndarray) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import numpy as np

        with path.open("wb") as stream:
            np.lib.format.write_array(stream, array.astype("<u2"), version=(1, 0), allow_pickle=False)

    return write


def _read_array(path: Path, again: str) -> np.ndarray:
    import numpy as np

    with reading(path, again, ValueError, EOFError), path.open("rb") as stream:
        array = np.lib.format.read_array(stream, allow_pickle=False)
        more = " and more" if stream.read(1) else ""
        if array.dtype != np.uint16 or array.ndim != 1 or more:
            raise ValueError(f"{array.dtype} of shape {list(array.shape)}{more}, not a row of uint16")
    array = array.astype(np.uint16, copy=False)
    array.setflags(write=False)
    return array
