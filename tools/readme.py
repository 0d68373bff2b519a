"""The documents' numbers: blocks between markers, generated from what lies under results/published/.

    <!-- begin NAME -->
    whatever was generated last time
    <!-- end NAME -->

``python tools/readme.py`` makes them anew in the README and in docs/, and with them
results/published/answers.json. A test compares all of these with what this makes, so they cannot disagree.
"""

from __future__ import annotations

import argparse
import csv
import functools
import math
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import readme_sources
from readme_answers import rows as answer_rows
from readme_scores import GENERATION_HEADER, GLUE_HEADER, at_equal_passes, generation_rows, glue_rows
from redrop.analysis.build import find_reported, load
from redrop.analysis.claims import project_claims
from redrop.analysis.collect import Results
from redrop.analysis.registry import build_table
from redrop.analysis.study_results import StudyResults
from redrop.analysis.summary import DASH, MINUS
from redrop.checks import suggest
from redrop.errors import ConfigError, RecordError, RedropError, naming
from redrop.record import read_json, write_json, write_text
from redrop.report.answers import answers as answers_of
from redrop.report.origins import runs_of
from redrop.report.papers import PAPERS
from redrop.report.verdicts import SIGNS, Judged, counted, judge_all
from redrop.study import Study, load_part, project_folder

SMALL_ENCODER = "minilm"
"""The protocol of paper A's GLUE study that a CPU can run."""
SMALL_TRANSFORMER = "small"
"""The protocol of its generation studies that a CPU can run."""

MARKER = r"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is words, the others are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def replication(published: Path, study: Study) -> str:
    """Our losses beside the authors', for every configuration of their notebooks."""
    runs = load(published / study.name / "runs")
    made = build_table("replication", StudyResults(runs, study, find_reported(study)))
    titles = {
        "Configuration": "configuration",
        "Skip-1": "skip-1",
        "Skip-2": "skip-2",
        "Skip-4": "skip-4",
        "n": "n",
        "Last": "our last loss",
        "95 % interval": "95 % interval",
        "Authors' last": "the authors'",
        "Ours - authors'": "difference",
    }
    theirs = made.raw["authors_val_loss_last"].notna()
    shown = [n for n, (where, _) in enumerate(made.rows) if where.startswith("notebook,") and theirs[n]]
    raw = made.raw.loc[shown]
    known = raw.dropna(subset=["authors_contrast", "contrast"])
    inside = known["authors_contrast"].between(known["contrast_low"], known["contrast_high"]).sum()
    mean = f"{raw['difference'].mean():+.3f}".replace("-", MINUS)
    return (
        table(list(titles.values()), made.frame.loc[shown, list(titles)].values.tolist())
        + "\nThe authors' figures are single runs that share a seed and its batches. Of their differences "
        f"from `{raw['contrast_with'].iloc[0]}`,\n{inside} of {len(known)} lie where one more of ours "
        f"would (95 %, the error of their sampled evaluation included). On\naverage ours end {mean} from "
        "theirs.\n"
    )


def curve_heads(published: Path, study: Study) -> str:
    """Heads of the 50,000-iteration schedule beside the authors' recorded curves."""
    with (published / "soak" / "curve-heads.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    iterations = list(dict.fromkeys(row["iteration"] for row in rows))
    lines = []
    for config in dict.fromkeys(row["config"] for row in rows):
        found = {row["iteration"]: row["difference"] for row in rows if row["config"] == config}
        lines.append([config, *(found[i].replace("-", MINUS) for i in iterations)])
    worst = max(abs(float(row["difference"])) for row in rows)
    header = ["ours − authors' at", *(f"{int(i):,}" for i in iterations)]
    return table(header, lines) + f"\nThe largest difference is {worst:.3f} nats a character.\n"


def kills(published: Path, study: Study) -> str:
    """Commands killed at random moments."""
    found = read_json(published / "soak" / "kills.json")
    names = ["starting", "training", "evaluation", "writing", "working"]
    header = ["killed", "kills", *names[:-1], "other work", "results"]
    rows = []
    for row in found["rows"]:
        doing = [row["phases"][name] for name in names]
        same = "same bytes" if not row["wrong"] else f"{row['wrong']} WRONG"
        rows.append([row["kind"], *(str(n or "") for n in (row["kills"], *doing)), same])
    working = found["kills"] - sum(row["phases"]["starting"] for row in found["rows"])
    left = sum(row["leftovers"] for row in found["rows"])
    ends = sum(row["finished"] for row in found["rows"])
    return (
        f"{table(header, rows)}\n{found['kills']} SIGKILLs at random moments of each command's time (seed "
        f"{found['seed']}), {working} of them after its work had begun;\nof the workflow, *training* is "
        f"while a training job was there. Each command was then repeated until it ended,\n{ends} times "
        f"in all, and left {left or 'no'} temporary files.\n"
    )


def many_runs(published: Path, study: Study) -> str:
    """Thousands of runs: planned, dry-run, collected."""
    found = read_json(published / "benchmarks" / "load.json")
    rows = [
        [row["what"], f"{row['finished']:,}", f"{row['seconds']:.1f} s", f"{row['cpu_seconds']:.1f} s"]
        for row in found["rows"]
    ]
    machine = found["machine"]
    header = [f"{found['runs']:,} runs of four studies", "finished", "time", "processor time"]
    text = f"{machine['device']}, {machine['cpus']} cores, Python {machine['python']}; medians"
    if machine["load_average"] > machine["cpus"]:
        text += (
            f".\nThe machine was busy with other work (load average {machine['load_average']:.0f}), which "
        )
        text += "the processor time leaves out"
    return f"{table(header, rows)}\n{text}.\n"


def step(published: Path, study: Study) -> str:
    """Time of a training step beside a nanoGPT-style one."""
    found = read_json(published / "benchmarks" / "step.json")
    rows = [
        [
            row["config"],
            f"{row['plain_ms']:.0f} ms",
            f"{row['redrop_ms']:.0f} ms",
            f"{row['ratio']:.2f}",
            f"{row['fraction_of_matmul_rate']:.0%}",
            f"{row['evaluation_s']:.1f} s",
        ]
        for row in found["steps"]
    ]
    machine = found["machine"]
    text = table(
        ["configuration", "nanoGPT-style", "redrop", "ratio", "of the matmul rate", "one evaluation"], rows
    )
    return f"{text}\n{machine['device']}, one thread, torch {machine['torch']}; medians.\n"


def packs(published: Path, study: Study) -> str:
    """Time of a model-iteration for single runs and packs, on one core and on two."""
    found = read_json(published / "benchmarks" / "packs.json")
    rows = [
        [
            row["variant"],
            str(row["cores"]),
            f"{row['ms_a_model_iteration']:.0f} ms",
            f"{row['ratio']:.2f}",
            f"{row['fraction_of_matmul_rate']:.0%}",
            "" if row["evaluation_share"] is None else f"{row['evaluation_share']:.0%}",
            "" if row["peak_memory_mb"] is None else f"{row['peak_memory_mb']:.0f} MB",
        ]
        for row in found["rows"]
    ]
    header = ["", "cores", "a model-iteration", "ratio", "of the matmul rate", "evaluation", "peak memory"]
    machine = found["machine"]
    return f"{table(header, rows)}\n{machine['device']}, torch {machine['torch']}; medians.\n"


def passes(published: Path, study: Study) -> str:
    """Time and memory of an update with each of paper A's methods."""
    found = read_json(published / "benchmarks" / "passes.json")
    rows = [
        [row["variant"].replace(", ", " | "), f"{row['ms']:.0f} ms", f"{row['peak_memory_mb']:.0f} MB"]
        for row in found["rows"]
    ]
    lines = ["| method | attention | an update | peak memory |", "| --- | --- | ---: | ---: |"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    machine, shape = found["machine"], found["shape"]
    ratios = {name: f"{value:.2f}" for name, value in found["ratios"].items()}
    return "\n".join(lines) + (
        f"\n\nR-Drop takes {ratios['rdrop_over_ce']} times as long as plain training, each with its faster "
        f"attention; LR-Drop\n{ratios['lrdrop_over_rdrop']} times as long as R-Drop with the same attention, "
        f"and {ratios['lrdrop_over_rdrop_memory']} times its memory.\n{machine['device']}, one thread, "
        f"torch {machine['torch']}, {shape['batch']} sequences of {shape['length']} tokens; medians, "
        "the ratios' over the rounds.\n"
    )


def generation(published: Path, study: Study) -> str:
    """Training beside ``transformers``' trainer, decoding with and without a cache."""
    found = read_json(published / "benchmarks" / "generation.json")
    races = [
        [
            f"beside Seq2SeqTrainer with `{row['seq2seq_attention']}`",
            f"{row['seq2seq_tokens_a_second']:,.0f}",
            f"{row['redrop_tokens_a_second']:,.0f}",
            f"{row['ratio']:.2f}",
        ]
        for row in found["training"]
    ]
    searches = [
        [
            f"beam {row['beam']}, {row['sentences']} outputs of {row['length']} tokens",
            f"{row['without_cache_s']:.1f} s",
            f"{row['with_cache_s']:.1f} s",
            f"{row['ratio']:.1f}",
            f"{row['same']} of {row['sentences']}",
        ]
        for row in found["decoding"]
    ]
    methods = [[row["method"], f"{row['ms']:.0f} ms", f"{row['ratio']:.2f}"] for row in found["methods"]]
    machine = found["machine"]
    return (
        table(["training, target tokens a second", "theirs", "redrop", "ratio"], races)
        + "\n"
        + table(["training, method", "an update", "times plain"], methods)
        + "\n"
        + table(["decoding", "without cache", "with cache", "ratio", "same outputs"], searches)
        + f"\n{machine['device']}, one thread, torch {machine['torch']}, random text; medians, in training "
        "those of the updates' own ratios,\nwhich are not exactly the ratio of the columns.\n"
    )


def small_glue(published: Path, study: Study) -> str:
    """Scores of the small encoder: plain fine-tuning beside chance, and the gains of both methods."""
    rows = glue_rows(published, load_part("glue", project_folder()), SMALL_ENCODER)
    return f"{table(GLUE_HEADER, rows)}\n{hours(published, 'glue')}"


def small_translation(published: Path, study: Study) -> str:
    """Test scores of a small Transformer on a small text."""
    return _generation(published, "translation")


def small_summaries(published: Path, study: Study) -> str:
    """Test scores of a small Transformer on DialogSum."""
    return _generation(published, "summarization")


def _generation(published: Path, name: str) -> str:
    asked = published, load_part(name, project_folder()), SMALL_TRANSFORMER
    text = table(GENERATION_HEADER, generation_rows(*asked))
    return f"{text}\n{at_equal_passes(*asked)}{hours(published, name)}"


def hours(published: Path, name: str) -> str:
    """What all published runs of a study took, trials included; each ran on one thread."""
    runs = runs_of(load(published / name / "runs"))
    seconds = [run.provenance.total_seconds for run in runs]
    total = sum(filter(math.isfinite, seconds)) / 3600
    devices = ", ".join(sorted({run.device for run in runs}))
    subject = f"{len(runs)} published runs, trials included," if len(runs) != 1 else "The published run"
    return f"{subject} took {total:.1f} core-hours ({devices}).\n"


def small_glue_claims(published: Path, study: Study) -> str:
    """Verdicts on paper A's claims about GLUE at the scale of the small encoder."""
    return _claims(published, ["glue"])


def small_generation_claims(published: Path, study: Study) -> str:
    """Verdicts on paper A's claims about generated texts at the scale of small Transformers."""
    return _claims(published, ["translation", "summarization"])


def claims(published: Path, study: Study) -> str:
    """Verdicts on paper B's claims at the scales that were run."""
    return _claims(published, [study.name])


def _claims(published: Path, names: Iterable[str]) -> str:
    lines = ["| claim | | verdict here | comparisons | judged at |", "| --- | --- | --- | --- | --- |"]
    for one in judged(published, names):
        shown = f"{SIGNS[one.here]} {one.here}" + (f": {one.would_decide}" if one.would_decide else "")
        cells = [one.claim.text, one.claim.source, shown, one.found.evidence, one.scales or DASH]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def verdicts(published: Path, study: Study) -> str:
    """How many claims of each paper held, as published and at the scales that were run."""
    lines = ["| | | as published | at the scales run here |", "| --- | ---: | --- | --- |"]
    for paper in PAPERS:
        every = judged(published, paper.studies)
        for source, title in (("paper", "its claims"), ("objection", "objections to it")):
            own = [one for one in every if one.claim.source == source]
            cells = [counted([getattr(one, kind) for one in own]) for kind in ("as_published", "here")]
            lines.append(f"| {paper.name}: {title} | {len(own)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def judged(published: Path, names: Iterable[str]) -> list[Judged]:
    """The claims about some studies, judged on their published runs."""
    return [one for name in names for one in judged_in(published, name)]


@functools.cache  # several blocks are made of the same runs
def judged_in(published: Path, name: str) -> list[Judged]:
    """Those about one study."""
    part, folder = load_part(name, project_folder()), published / name / "runs"
    results = load(folder) if folder.is_dir() else Results([])
    return judge_all(results, part, project_claims(part))


def all_answers(published: Path) -> dict[str, Any]:
    """What ``redrop answers`` says of the published results."""
    return answers_of(judged(published, [name for paper in PAPERS for name in paper.studies]), None)


def answers(published: Path, study: Study) -> str:
    """What was asked, our number, the paper's, the verdict."""
    names = [name for paper in PAPERS for name in paper.studies]
    found = {(one.study.name, one.claim.name): one for one in judged(published, names)}
    reported = {name: find_reported(load_part(name, project_folder())) for name in names}
    return "\n".join(answer_rows(found, reported)) + "\n"


BLOCKS: dict[str, Callable[[Path, Study], str]] = {
    "replication": replication,
    "claims": claims,
    "verdicts": verdicts,
    "answers": answers,
    "data-sets": lambda published, study: readme_sources.data_sets(),
    "models": lambda published, study: readme_sources.models(),
    "curve-heads": curve_heads,
    "kills": kills,
    "load": many_runs,
    "step": step,
    "packs": packs,
    "passes": passes,
    "generation": generation,
    "small-glue": small_glue,
    "small-glue-claims": small_glue_claims,
    "small-translation": small_translation,
    "small-summaries": small_summaries,
    "small-generation-claims": small_generation_claims,
}


def fill(text: str, published: Path, study: Study, name: str = "README.md") -> str:
    """``text`` of the document ``name`` with every marked block made anew.

    Raises ``RecordError`` for an unknown block.
    """
    for block in re.findall(r"<!-- begin (\S+) -->", text):
        if block not in BLOCKS:
            raise RecordError(
                f"{name}: no block {block!r} (known: {', '.join(BLOCKS)}){suggest(block, BLOCKS)}; "
                "correct the marker"
            )
        pattern = re.compile(MARKER.format(name=re.escape(block)), flags=re.DOTALL)
        if not pattern.search(text):
            raise RecordError(f"{name}: block {block!r} has no end marker; add <!-- end {block} -->")
        try:
            made = BLOCKS[block](published, study)
        except (KeyError, TypeError, ValueError, AttributeError, csv.Error) as error:
            raise RecordError(
                f"{name}: block {block!r}: what it is made of in {published} is damaged ({error!r}); "
                f"restore it: git checkout -- {published}"
            ) from error
        text = pattern.sub(lambda found, made=made: found[1] + made + found[2], text)
    return text


def documents(project: Path) -> list[Path]:
    """The README, and the pages of docs/."""
    return [project / "README.md", *sorted((project / "docs").glob("*.md"))]


def write(project: Path) -> None:
    """Make the blocks of a project's documents anew."""
    study = load_part("residual", project)
    for path in documents(project):
        try:
            with naming(path):
                text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path}: not text in UTF-8 ({error}); save it as UTF-8") from error
        made = fill(text, project / "results" / "published", study, path.name)
        if made != text:
            write_text(path, made)
    published = project / "results" / "published"
    write_json(published / "answers.json", all_answers(published))


def main() -> None:
    """The command line."""
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--project", type=Path, help="the folder with config/ and README.md")
    try:
        write(options.parse_args().project or project_folder())
    except RedropError as error:
        sys.exit(f"{sys.argv[0]}: {error}")


if __name__ == "__main__":
    main()
