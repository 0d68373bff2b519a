# From finished runs to csv, tables, figures and a page with all of it. These rules wait for all runs of a
# study; to present what exists so far, call the same verbs by hand (`make report`).


rule collect:
    """All runs of a study in one long table."""
    input:
        run_files,
    output:
        f"{PART}/runs.csv",
    log:
        f"{PART_LOGS}/collect.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        runs=study_runs,
        config=config_text,
        results=results_folder,
    shell:
        "python -P -m redrop collect --results {params.results:q} --study {wildcards.part} --config {params.config:q}"
        " --out {output:q} > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule tables:
    """The paper's table, the protocol, the failure signatures; as csv, html, LaTeX and Markdown."""
    input:
        rules.collect.output,
    output:
        report(
            directory(f"{PART}/tables"),
            patterns=["{table}.html"],
            caption="../report/table.rst",
            category="{part}",
            subcategory="Tables",
            labels={"table": "{table}"},
        ),
    log:
        f"{PART_LOGS}/tables.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        config=config_text,
        results=results_folder,
    shell:
        "python -P -m redrop table --results {params.results:q} --study {wildcards.part} --config {params.config:q}"
        " --out {output:q} > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule figures:
    """A study's figures as svg, pdf and png, each with its caption (txt) and its numbers (csv)."""
    input:
        rules.collect.output,
    output:
        report(
            directory(f"{PART}/figures"),
            patterns=["{figure}.svg"],
            caption="../report/figure.rst",
            category="{part}",
            subcategory="Figures",
            labels={"figure": "{figure}"},
        ),
    log:
        f"{PART_LOGS}/figures.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        config=config_text,
        results=results_folder,
    shell:
        "python -P -m redrop figure --results {params.results:q} --study {wildcards.part} --config {params.config:q}"
        " --out {output:q} > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule runs_csv:
    """All runs of all studies in one long table."""
    input:
        expand(rules.collect.output, part=PLAN.studies),
    output:
        LAYOUT.csv.as_posix(),
    log:
        f"{LAYOUT.logs()}/collect.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        config=config_text,
        results=results_folder,
    shell:
        "python -P -m redrop collect --results {params.results:q} --config {params.config:q}"
        " --out {output:q} > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule report:
    """One page with all of it, which opens from disk: verdicts, tables, figures, cost, provenance."""
    input:
        rules.runs_csv.output,
        presented,
    output:
        report(
            LAYOUT.page.as_posix(),
            caption="../report/page.rst",
            category="All of it in one page",
        ),
    log:
        f"{LAYOUT.logs()}/report.log",
    conda:
        "../envs/report.yaml"
    threads: 1
    params:
        config=config_text,
        results=results_folder,
    shell:
        "python -P -m redrop report --results {params.results:q} --config {params.config:q}"
        " --out {output:q} > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"
