"""Using what was trained: text and predictions of models that were kept, curves for other programs."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from redrop.errors import ConfigError, naming
from redrop.kinds import WINDOWS
from redrop.layout import WEIGHTS, ResultsLayout
from redrop.record import CURVE, METRICS, SPEC, read_curve, read_json, read_record, write_text
from redrop.spec import RunSpec
from redrop.verbs.shared import AddVerb, positive


def kept_model(arguments: argparse.Namespace) -> tuple[RunSpec, Path]:
    """The settings of the run that the command line names, and the folder of its weights."""
    from redrop.view.find import find_run, results_folders

    found = find_run(arguments.run, [arguments.results] if arguments.results else results_folders())
    for folder in (found.folder, *found.also):
        if (folder / WEIGHTS).is_dir():
            return RunSpec.from_dict(read_json(folder / SPEC)), folder / WEIGHTS
    raise ConfigError(
        f"{found.run}: its weights were not kept; train it again with them: redrop train "
        f"--spec {found.folder / SPEC} --out again/{found.run} --keep-weights"
    )


def sample(arguments: argparse.Namespace) -> None:
    """Let a kept character language model continue a text."""
    spec, folder = kept_model(arguments)
    if spec.kind.reads != WINDOWS:
        raise ConfigError(f"{arguments.run}: a {spec.model.name} continues no text; see `redrop predict`")
    from redrop.evaluation import sampling
    from redrop.models.kept import read_language_model

    print(
        sampling.sample(
            *read_language_model(folder),
            arguments.prompt,
            length=arguments.length,
            temperature=arguments.temperature,
            seed=arguments.seed,
        )
    )


def predict(arguments: argparse.Namespace) -> None:
    """Let a kept encoder or encoder-decoder say what it makes of the rows of a TSV file."""
    spec, folder = kept_model(arguments)
    if spec.kind.reads == WINDOWS:
        raise ConfigError(f"{arguments.run}: a {spec.model.name} reads no examples; see `redrop sample`")
    from redrop.evaluation import predicting
    from redrop.runtime.launch import choose_device

    inputs = read_columns(arguments.input, predicting.columns_of(spec))
    columns = inputs | predicting.predict(folder, spec, inputs, choose_device(arguments.device))
    lines = ["\t".join(columns), *map("\t".join, zip(*columns.values(), strict=True))]
    text = "".join(f"{line}\n" for line in lines)
    if arguments.out is None:
        sys.stdout.write(text)
    else:
        write_text(arguments.out, text)


def read_columns(path: Path, names: tuple[str, ...]) -> dict[str, list[str]]:
    """The named columns of a TSV file with a header, as GLUE's are: tabs between, no quotes around."""
    try:
        with naming(path), path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
    except ValueError as error:  # no line at all, or no UTF-8
        raise ConfigError(f"--input: {path} is no table in UTF-8 with a first line of names") from error
    if lacking := [name for name in names if name not in header]:
        raise ConfigError(
            f"--input: {path} has no column {lacking[0]!r} (there: {', '.join(header)}); its first line must "
            f"name {' and '.join(names)}, with a tab between columns"
        )
    for number, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise ConfigError(
                f"--input: {path}, line {number}: {len(row)} columns, not {len(header)}; correct the line"
            )
    if not rows:
        raise ConfigError(f"--input: {path} has no rows below its first line; give at least one")
    return {name: [row[header.index(name)] for row in rows] for name in names}


def export(arguments: argparse.Namespace) -> None:
    """Write curves for other programs: TensorBoard's event files, a folder a run."""
    from redrop.view.find import find_run, results_folders

    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "--to: tensorboard is not installed; pip install tensorboard (or redrop[tensorboard])"
        ) from error
    folders = [arguments.results] if arguments.results else results_folders()
    runs = [find_run(text, folders).folder for text in arguments.run]
    if not runs:
        every = (run for folder in folders for run in ResultsLayout(folder).run_folders())
        runs = [run for run in every if (run / METRICS).exists()]
    if not runs:
        raise ConfigError("no finished run was found; name one, or --results FOLDER")
    for run in runs:
        record = read_record(run)
        with SummaryWriter(arguments.out / record.run) as writer:
            for row in read_curve(run, record.files.get(CURVE)):
                for key, value in row.items():
                    if key != "iteration" and value is not None:
                        writer.add_scalar(key, value, row["iteration"])
    print(f"{arguments.out}: {len(runs)} runs; tensorboard --logdir {arguments.out}")


def temperature(text: str) -> float:
    """A sampling temperature, for argparse."""
    if not 0.0 <= (value := float(text)) < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not at least 0")
    return value


def add(verb: AddVerb) -> None:
    """The verbs of this file and their options."""
    for name, function in (("sample", sample), ("predict", predict), ("export", export)):
        option = verb(name, function)
        many = {"nargs": "*"} if function is export else {}
        option("run", help="its id, the beginning of its id, or its folder", **many)
        option("--results", type=Path, help="default: results, its demo, and what is published")
        if function is sample:
            option("--prompt", default="\n", help="what is continued (default: a line's end)")
            said = "characters (default: %(default)s)"
            option("--length", type=positive, default=500, metavar="N", help=said)
            said = "0: the likeliest (default: %(default)s)"
            option("--temperature", type=temperature, default=1.0, help=said)
            option("--seed", type=int, default=0, help="default: %(default)s")
        elif function is predict:
            said = "columns sentence1 and, for pairs, sentence2; source to translate or summarise"
            option("--input", type=Path, required=True, metavar="FILE.tsv", help=said)
            option("--out", type=Path, metavar="FILE.tsv", help="default: the terminal")
            option("--device", default="cpu", help="cpu (default), cuda, cuda:N")
        else:
            option("--to", choices=("tensorboard",), required=True)
            option("--out", type=Path, required=True, help="the folder to write to")
