"""Specs that tests vary, and files that stand for downloads and mirrors."""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import tarfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from redrop.data.corpus import Corpus
from redrop.spec import RunSpec
from redrop.study import Study, load_study, make_spec

PROJECT = Path(__file__).resolve().parents[1]
STUDY: Study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)

SMALL: dict[str, Any] = {
    "model.n_layer": 2,
    "model.n_head": 2,
    "model.n_embd": 16,
    "model.block_size": 16,
    "schedule.iterations": 12,
    "schedule.batch_size": 4,
    "schedule.warmup": 2,
    "evaluation.every": 5,
}


def spec_of(config: str = "a2r025", protocol: str = "authors", seed: int = 1, **settings: Any) -> RunSpec:
    """A row of the study at its own size; settings are written section__name=value."""
    override = {key.replace("__", "."): value for key, value in settings.items()}
    return make_spec(STUDY, protocol, config, "tiny_shakespeare", seed, override)


def small_spec(config: str = "a2r025", protocol: str = "authors", seed: int = 1, **settings: Any) -> RunSpec:
    """The same at a size that trains in a fraction of a second."""
    small = {key.replace(".", "__"): value for key, value in SMALL.items()}
    return spec_of(config, protocol, seed, **(small | settings))


def values_of(spec: RunSpec) -> dict[str, Any]:
    """The spec as plain values that a test may spoil."""
    return json.loads(spec.to_json())


def wait_for(there: Callable[[], bool], process: subprocess.Popen) -> None:
    """Until it is there, which the process must live to see; looking all the time would slow that down."""
    while not there():
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
        assert process.returncode is None


def make_mirror(root: Path, files: dict[str, bytes]) -> Path:
    """A mirror folder that holds `files` by their paths, with its SHA256SUMS."""
    lines = []
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
        lines.append(f"{hashlib.sha256(content).hexdigest()}  ./{name}\n")
    (root / "SHA256SUMS").write_text("".join(lines))
    return root


def tar_gz(files: dict[str, bytes]) -> bytes:
    """A gzipped tar archive with `files` by their paths."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def toy_text(n: int, seed: int) -> str:
    """`n` characters of generated sentences, for tests and demonstrations only, never as real data.

    Number agrees between determiner, noun and verb (`a small cat sees`, `two small cats see`), so
    there is structure beyond letter counts to learn. The same (n, seed) gives the same text.
    """
    if n < 0:
        raise ValueError(f"n must not be negative, got {n}")
    draw = random.Random(seed)
    sentences: list[str] = []
    length = 0
    while length < n:
        sentence = _toy_sentence(draw)
        sentences.append(sentence)
        length += len(sentence)
    return "".join(sentences)[:n]


def _toy_sentence(draw: random.Random) -> str:
    def phrase(plural: bool) -> str:
        determiner = draw.choice(("two", "many")) if plural else draw.choice(("a", "the"))
        adjective = draw.choice(("small", "red", "quiet"))
        return f"{determiner} {adjective} {draw.choice(('cat', 'dog', 'bird'))}{'s' * plural}"

    plural = draw.random() < 0.5
    verb = draw.choice(("see", "hear", "follow")) + ("" if plural else "s")
    return f"{phrase(plural)} {verb} {phrase(draw.random() < 0.5)}.\n"


def text_of(corpus: Corpus, numbers: Sequence[int]) -> str:
    """The characters of a corpus."""
    return "".join(corpus.vocab[number] for number in numbers)
