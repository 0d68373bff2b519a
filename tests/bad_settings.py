"""Bad settings and command lines: tables for test_bad_inputs.py."""

from __future__ import annotations

import json
from typing import Any

from bad_input_support import Case
from support import small_spec, values_of

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]\n" for i in range(8)
)
CONFIGS = [
    Case(
        "a key twice", lambda p: p.config("only: null\nonly: [residual]\n"), ("line 2", "'only'", "keep one")
    ),
    Case(
        "a tag that would build an object",
        lambda p: p.config("label: !!python/object/apply:os.system ['touch owned']\n"),
        ("mine.yaml", "python/object/apply", "correct it"),
    ),
    Case("repetitions without end", lambda p: p.config(BOMB), ("mine.yaml, line", "100,000 values", "*name")),
    Case(
        "a list that holds itself",
        lambda p: p.config("only: &a [*a]\n"),
        ("line 1", "holds itself", "write it out"),
    ),
    Case("a list 5,000 deep", lambda p: p.config("only: " + "[" * 5000), ("mine.yaml", "correct it")),
    Case("a list 200,000 deep", lambda p: p.config("only: " + "- " * 200_000), ("mine.yaml", "correct it")),
    Case("UTF-16", lambda p: p.config("label: x\n".encode("utf-16")), ("mine.yaml", "UTF-8", "correct it")),
    Case("a binary file", lambda p: p.config(bytes(range(256))), ("mine.yaml", "not YAML", "correct it")),
    Case("an empty file", lambda p: p.config(""), ("mine.yaml", "None", "config/README.md")),
    Case("a list of settings", lambda p: p.config("- only\n"), ("mine.yaml", "['only']", "config/README.md")),
    Case("a key that is a number", lambda p: p.config("1: x\n"), ("line 1", "key 1", "quotes")),
    Case("a key that is a list", lambda p: p.config("? [a]\n: x\n"), ("line 1", "['a']", "quotes")),
    Case(
        "a date that is none", lambda p: p.config("label: 2001-99-99\n"), ("mine.yaml", "month", "correct it")
    ),
    Case(
        "a folder", lambda p: ["plan", "--config", str(p.root)], ("place", "Is a directory", "move it away")
    ),
    Case(
        "JSON that breaks off",
        lambda p: ["plan", "--config", '{"only": ['],
        ("--config", "not JSON", "correct it"),
    ),
    Case(
        "a key twice in JSON",
        lambda p: ["plan", "--config", '{"label": "a", "label": "b"}'],
        ("--config", "'label' is given twice", "keep one"),
    ),
    Case(
        "a number that is none",
        lambda p: p.selection(settings={"optimiser.eps": float("nan")}),
        ("optimiser.eps", "nan", "finite"),
    ),
    Case(
        "an endless number",
        lambda p: p.selection(settings={"optimiser.weight_decay": float("inf")}),
        ("optimiser.weight_decay", "inf", "finite"),
    ),
    Case(
        "a seed of 5,000 digits",
        lambda p: p.config("only: [residual]\nstudies: {residual: [{seeds: [0x" + "f" * 5000 + "]}]}"),
        ("config", "2**63", "smaller"),
    ),
    Case(
        "a width of 1e300",
        lambda p: p.selection(settings={"model.n_embd": 1e300}),
        ("model.n_embd", "1e+300", "int"),
    ),
    Case(
        "a list for a setting",
        lambda p: p.selection(settings={"model.n_embd": [1]}),
        ("model.n_embd", "[1]", "int"),
    ),
    Case(
        "results with wildcards",
        lambda p: p.config({"results": "out/{run}"}),
        ("results", "{run}", "leave out braces"),
    ),
    Case(
        "results with a newline",
        lambda p: p.config({"results": "a\nb"}),
        ("results", r"a\nb", "control characters"),
    ),
    Case(
        "results that is an option",
        lambda p: p.config({"results": "--delete"}),
        ("results", "--delete", "begin"),
    ),
    Case("a mirror at home", lambda p: p.config({"mirror": "~/mirror"}), ("mirror", "~/mirror", "begin")),
]
STUDIES = [
    Case(
        "a figure that does not exist",
        lambda p: p.study(lambda s: s.replace("figures: [", "figures: [curvs, ", 1)),
        ("residual.yaml: figures", "'curvs'", "did you mean 'curves'"),
    ),
    Case(
        "a table that does not exist",
        lambda p: p.study(lambda s: s.replace("tables: [", "tables: [replicaton, ", 1)),
        ("residual.yaml: tables", "'replicaton'", "did you mean 'replication'"),
    ),
    Case(
        "the name of another study",
        lambda p: p.study(lambda s: s.replace("study: residual", "study: other", 1)),
        ("residual.yaml: study", "'other'", "give 'residual'"),
    ),
    Case(
        "a protocol named like a path",
        lambda p: p.study(lambda s: s.replace("\n  notebook:", "\n  ../notebook:", 1)),
        ("residual.yaml: protocols", "'../notebook'", "use letters"),
    ),
    Case(
        "a protocol named like a command",
        lambda p: p.study(lambda s: s.replace("\n  notebook:", "\n  $(touch owned):", 1)),
        ("residual.yaml: protocols", "$(touch owned)", "use letters"),
    ),
    Case(
        "a sweep named like a path",
        lambda p: p.study(lambda s: s.replace("skip-1: {title", "a/b: {title", 1)),
        ("residual.yaml", "sweeps", "'a/b'", "use letters"),
    ),
    Case(
        "rows of a protocol that is not there",
        lambda p: p.study(lambda s: s.replace("rows_from: authors", "rows_from: author", 1)),
        ("rows_from", "'author'", "did you mean 'authors'"),
    ),
    Case(
        "a configuration with a newline",
        lambda p: p.study(lambda s: s.replace("config: a0r0,", 'config: "a0r0\\n",', 1)),
        ("residual.yaml", "config", r"a0r0\n", "use letters"),
    ),
    Case(
        "a configuration of 200 letters",
        lambda p: p.study(lambda s: s.replace("config: a0r0,", f"config: a{'0' * 200},", 1)),
        ("config", "000'...", "80 characters at most"),
    ),
    Case(
        "a configuration in Cyrillic",
        lambda p: p.study(lambda s: s.replace("config: a0r0,", "config: а0r0,", 1)),
        ("residual.yaml", "а0r0", "schemas/study.schema.yaml"),
    ),
]
SPECS = [
    Case(
        "a spec that is a folder",
        lambda p: p.train(str(p.root)),
        ("--spec", "a file or folder", "move it away"),
    ),
    Case(
        "a spec in UTF-16",
        lambda p: p.train(str(p.write("s.json", "{}".encode("utf-16")))),
        ("--spec", "s.json", "give a run's spec.json"),
    ),
    Case(
        "a spec whose name holds a zero byte",
        lambda p: p.train("a\0b"),
        ("--spec", r"a\x00b", "give a run's spec.json"),
    ),
    Case(
        "a spec that is a list",
        lambda p: p.train(str(p.write("s.json", "[1]"))),
        ("run spec", "[1]", "mapping of settings"),
    ),
    Case(
        "a model that is a list",
        lambda p: p.train(spoilt(model=[1])),
        ("model", "[1]", "mapping of settings"),
    ),
    Case(
        "a model's name that is a list",
        lambda p: p.train(spoilt(model={"name": ["x"]})),
        ("model.name", "['x']", "str"),
    ),
    Case(
        "a seed of 400 digits",
        lambda p: p.train(small_spec().to_json().replace('"seed":1', f'"seed":{10**400}')),
        ("seed", "out of range", "below 2**63"),
    ),
    Case(
        "NaN in a spec",
        lambda p: p.train(small_spec().to_json().replace('"eps":1e-08', '"eps":NaN')),
        ("optimiser.eps", "nan", "finite"),
    ),
    Case(
        "a spec 100,000 deep",
        lambda p: p.train('{"model":' * 100_000),
        ("run spec", "not JSON", "correct it"),
    ),
    Case(
        "a study named like a path",
        lambda p: p.train(spoilt(study="../up")),
        ("study", "'../up'", "use letters"),
    ),
    Case(
        "a corpus named like a path",
        lambda p: p.train(spoilt(data={"corpus": "../up"})),
        ("data.corpus", "'../up'", "use letters"),
    ),
    Case(
        "a corpus that is not known",
        lambda p: p.train(spoilt(data={"corpus": "tiny_shakespear"})),
        ("'tiny_shakespear'", "Did you mean 'tiny_shakespeare'"),
    ),
]
COMMANDS = [
    Case(
        "results that are not there",
        lambda p: ["collect", "--results", str(p.root / "none"), "--out", "x"],
        ("--results", "none", "give the one"),
    ),
    Case(
        "a study outside of the results",
        lambda p: [*p.collect(), "--study", "../.."],
        ("--study", "'../..'", "use letters"),
    ),
    Case(
        "a published study elsewhere",
        lambda p: ["restore", "../../etc"],
        ("study", "'../../etc'", "use letters"),
    ),
    Case(
        "checkpoints never",
        lambda p: [*p.train(), "--checkpoint-every", "nan"],
        ("--checkpoint-every", "'nan'", "from 0"),
    ),
    Case(
        "checkpoints before they begin",
        lambda p: [*p.train(), "--checkpoint-every", "-1"],
        ("--checkpoint-every", "'-1'", "from 0"),
    ),
    Case(
        "an output that is a folder",
        lambda p: ["collect", "--results", str(p.root / "results"), "--out", str(p.root)],
        ("place", "directory", "move it away"),
    ),
    Case(
        "a file where the run's folder should be",
        lambda p: p.train(out=str(p.write("file", "mine"))),
        ("file", "File exists", "move it away"),
    ),
    Case(
        "a file where a folder above it should be",
        lambda p: p.train(out=str(p.write("file", "mine") / "a/b")),
        ("file", "Not a directory", "move it away"),
    ),
    Case(
        "a file where the pool should be",
        lambda p: [*p.train(), "--pool", str(p.write("pool", "mine"))],
        ("pool", "File exists", "move it away"),
    ),
    Case(
        "a folder name of 300 letters",
        lambda p: p.train(out="x" * 300),
        ("xxx", "File name too long", "shorter"),
    ),
    Case(
        "a folder that may not be written",
        lambda p: p.train(out="/sys/redrop"),
        ("/sys/redrop", "choose another folder, and run the same command again"),
    ),
    Case(
        "a table that does not exist, by hand",
        lambda p: [
            "table",
            "--study",
            "residual",
            "--out",
            str(p.root / "t"),
            "--results",
            str(p.root / "results"),
            "replicatoin",
        ],
        ("'replicatoin'", "did you mean 'replication'"),
    ),
]


def spoilt(**over: Any) -> str:
    """The text of a spec in which something is replaced."""
    return json.dumps(values_of(small_spec(seed=2)) | over)
