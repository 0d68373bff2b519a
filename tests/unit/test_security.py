"""What could run somebody else's code, or write where it should not: not in the source, and not when tried.

No pickle, no ``eval``, no shell; YAML by the safe loader; archives never onto the disk; released models as
safetensors and without code of theirs; addresses https; names quoted wherever a shell sees them.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from redrop.data import sources
from redrop.errors import DataError
from redrop.models.pretrained import load_encoder, load_tokenizer
from redrop.models.sources import RELEASED, folder_name
from support import PROJECT

SOURCES = sorted((PROJECT / "src/redrop").rglob("*.py"))
RULES = [PROJECT / "Snakefile", *sorted((PROJECT / "workflow/rules").glob("*.smk"))]

NEVER = {
    "pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "eval", "exec", "compile",
    "__import__", "os.system", "os.popen", "tempfile.mktemp", "yaml.unsafe_load", "yaml.full_load",
    "extractall", "extract", "read_pickle", "to_pickle", "torch.hub", "shutil.unpack_archive",
    "importlib.reload", "os.spawnl", "subprocess.getoutput", "subprocess.getstatusoutput",
}  # fmt: skip
"""Names that no call and no import of ours has, by their end."""
METHODS = {"extractall", "extract", "read_pickle", "to_pickle"}
ALWAYS = {
    "torch.load": {"weights_only": True},
    "np.load": {"allow_pickle": False},
    "np.save": {"allow_pickle": False},
    "np.lib.format.read_array": {"allow_pickle": False},
    "np.lib.format.write_array": {"allow_pickle": False},
}
"""Call -> what it must say."""


@cache
def nodes() -> list[tuple[Path, ast.AST]]:
    """All of the source, read once."""
    return [
        (path, node) for path in SOURCES for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    ]


@cache
def calls() -> list[tuple[str, str, ast.Call]]:
    """Every call in the source: where, the dotted name as it is written, the call."""
    return [
        (f"{path.relative_to(PROJECT)}:{node.lineno}", ast.unparse(node.func), node)
        for path, node in nodes()
        if isinstance(node, ast.Call)
    ]


def test_nothing_runs_what_it_reads() -> None:
    found = [
        f"{place}: {name}"
        for place, name, _ in calls()
        if any(name == end or (("." in end or end in METHODS) and name.endswith(f".{end}")) for end in NEVER)
    ]
    for path, node in nodes():
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        found += [f"{path}: import {name}" for name in names if name.split(".")[0] in NEVER]
    assert not found


def test_what_reads_files_of_others_is_told_not_to_run_them() -> None:
    seen = set()
    for place, name, call in calls():
        said = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
        for key, value in ALWAYS.get(name, {}).items():
            assert said.get(key) is value, f"{place}: {name} without {key}={value}"
            seen.add(name)
        assert not (name == "yaml.load" and ast.unparse(call.keywords[0].value) != "_StrictLoader"), place
        assert not said.get("shell"), f"{place}: a shell"
        assert said.get("trust_remote_code") in (None, False), place
    assert {"torch.load", "np.load"} <= seen


def test_everything_released_is_loaded_from_a_folder_and_without_its_code() -> None:
    loaded = [(place, call) for place, name, call in calls() if name.endswith(".from_pretrained")]
    assert len(loaded) >= 4
    for place, call in loaded:
        assert "LOCAL" in [ast.unparse(word.value) for word in call.keywords if word.arg is None], place
        model = "Model" in ast.unparse(call.func)
        assert not model or "use_safetensors" in [word.arg for word in call.keywords], place


def test_the_strict_loader_is_a_safe_one() -> None:
    import yaml

    from redrop.yaml_files import _StrictLoader

    assert issubclass(_StrictLoader, (yaml.SafeLoader, yaml.CSafeLoader))
    unsafe = [tag for tag in _StrictLoader.yaml_constructors if tag and "python" in tag]
    assert not unsafe


def test_every_address_in_the_source_is_https() -> None:
    texts = [*SOURCES, *RULES, *(PROJECT / "config").rglob("*.yaml"), *(PROJECT / "workflow").rglob("*.yaml")]
    plain = [f"{path.name}: {url}" for path in texts for url in re.findall(r"http://\S+", path.read_text())]
    assert not plain


def remote_files() -> list[sources.RemoteFile]:
    """Every file that any data set downloads."""
    from redrop import data

    editions = [files for name in data.names() for files in data.get(name).editions.values()]
    return [file for files in editions for file in files if file.url != "https://gluebenchmark.com/tasks"]


UNPINNED = {"de-en.tgz", "2014-01.tgz", "deu-eng.zip", "validation_1000.csv"}
"""Files whose publishers give neither a sum nor a revision."""


def test_a_download_has_a_sum_or_a_revision_or_is_known_to_have_none() -> None:
    """Without a published sum a file must parse as its type first; then its sum is recorded."""
    files = remote_files()
    assert len(files) > 30
    assert all(file.url.startswith("https://") for file in files)
    for file in (file for file in files if file.sha256 is None):
        assert re.search(r"/[0-9a-f]{40}/", file.url) or file.name in UNPINNED
        with pytest.raises(ValueError, match="needs a check"):
            sources.fetch_file(file, Path("nowhere"), None)
    pinned = [model for model in RELEASED.values() if model.repository]
    assert all(re.fullmatch(r"[0-9a-f]{40}|refs/pr/\d+", model.revision) for model in pinned)


def test_code_that_lies_beside_a_model_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor is anybody asked whether it should be."""
    from finetune_support import glue_spec

    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("somebody was asked"))
    code = f"open({str(tmp_path / 'owned')!r}, 'w')\nclass C: pass\n"
    (tmp_path / "evil.py").write_text(code)
    auto = {
        "AutoConfig": "evil.C",
        "AutoModelForSequenceClassification": "evil.C",
        "AutoTokenizer": ["evil.C", None],
    }
    for kind in ("bert", "something-new"):
        config = {"model_type": kind, "auto_map": auto}
        (tmp_path / "config.json").write_text(json.dumps(config))
        (tmp_path / "tokenizer_config.json").write_text(
            json.dumps({"auto_map": auto, "tokenizer_class": "C"})
        )
        (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
        spec = glue_spec(model__checkpoint=str(tmp_path)).model
        with pytest.raises(DataError, match=r"cannot be loaded as an encoder.*redrop fetch-model"):
            load_encoder(spec, tmp_path, 2, seed=1)
        try:
            load_tokenizer(spec, tmp_path)
        except DataError as error:
            assert "redrop fetch-model" in str(error)  # noqa: PT017
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize("change", [{"hidden_size": 64}, {"num_hidden_layers": 2}, {"vocab_size": 31}])
def test_weights_that_do_not_fit_are_not_replaced_by_random_ones(
    change: dict[str, int], tmp_path: Path
) -> None:
    from transformers import BertConfig, BertForSequenceClassification

    from finetune_support import glue_spec

    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    BertForSequenceClassification(BertConfig(vocab_size=30, **sizes)).save_pretrained(tmp_path)
    spec = glue_spec(model__checkpoint=str(tmp_path)).model
    load_encoder(spec, tmp_path, 3, seed=1)  # a head of another size is no fault
    path = tmp_path / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match=r"weights do not fit its config\.json.*redrop fetch-model"):
        load_encoder(spec, tmp_path, 2, seed=1)
    (tmp_path / "model.safetensors").write_bytes(b"\xff" * 100)
    with pytest.raises(DataError, match=r"cannot be loaded as an encoder.*redrop fetch-model"):
        load_encoder(spec, tmp_path, 2, seed=1)


@pytest.mark.parametrize("checkpoint", ["/", "../../etc", "~/x", "$(x)", "a b", "é", "-x", ".", "x" * 400])
def test_a_models_folder_is_one_plain_name(checkpoint: str) -> None:
    name = folder_name(checkpoint)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)
    assert len(name) < 200
    assert shlex.quote(name) == name


def test_rules_quote_what_they_hand_to_the_shell() -> None:
    """Validated names and numbers (a study, a run, a data set) and quoted words need no more."""
    plain = {"wildcards.dataset", "wildcards.study", "wildcards.part", "params.mirror", "params.model"}
    plain |= {"resources.jobs_per_gpu", "resources.keep_weights"}
    used = set()
    for path in RULES:
        text = path.read_text()
        for block in re.findall(r"    shell:\n((?:        .*\n)+)", text):
            for field in re.findall(r"(?<!\{)\{([^{}]+)\}(?!\})", block):
                used.add(field)
                assert field in plain or field.endswith(":q"), f"{path.name}: {{{field}}}"
            for word in re.findall(r"\S*\$\(dirname", block):
                assert word == '"$(dirname', f"{path.name}: {word} is split at spaces"
        assert "run:" not in text
        assert "script:" not in text
    assert plain < used


def test_a_planted_link_is_not_written_through(tmp_path: Path) -> None:
    """The temporary name beside a file can be guessed; a link there leads nowhere."""
    from redrop.atomic import part_of, replacing
    from redrop.errors import StorageError

    (tmp_path / "mine").write_text("mine")
    part_of(tmp_path / "x.json").symlink_to(tmp_path / "mine")
    with (
        pytest.raises(StorageError, match=r"x\.json.*run the same command again"),
        replacing(tmp_path / "x.json") as part,
    ):
        part.write_text("other")
    assert (tmp_path / "mine").read_text() == "mine"


STRANGE = """it's a "test" $(touch owned) `touch owned`; touch owned & {}é*"""


def test_a_results_folder_with_a_strange_name_works_through_snakemake(project: Path, tmp_path: Path) -> None:
    """Every rule that names a path runs, and no part of a name does."""
    import yaml

    name = STRANGE.replace("{}", "")
    settings = {"model.n_layer": 2, "model.n_head": 2, "model.n_embd": 16, "schedule.iterations": 2}
    selection = {
        "protocols": ["authors"], "configs": ["a2r025"], "seeds": [1], "corpora": ["python_docs"],
        "settings": settings | {"evaluation.every": 1},
    }  # fmt: skip
    (tmp_path / name / "mirror").mkdir(parents=True)
    config = {
        "results": f"{name}/results", "mirror": f"{name}/mirror", "only": ["residual"],
        "studies": {"residual": [selection]},
    }  # fmt: skip
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(project / "Snakefile"), "--configfile"]
    command += ["config.yaml", "--workflow-profile", str(project / "profiles/default"), "--until", "collect"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / name / "results"
    assert (results / "residual/runs.csv").stat().st_size
    assert [path.name for path in results.rglob("metrics.json")] == ["metrics.json"]
    assert {path.name for path in tmp_path.iterdir()} <= {name, "config.yaml", ".snakemake"}
    assert not list(tmp_path.rglob("owned"))
