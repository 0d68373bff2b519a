# Data sets: raw files from the mirror or their address, then numbers.


localrules:
    fetch,
    fetch_model,


rule fetch:
    """Get a data set's raw files; on a cluster this runs on the head node, which has a network."""
    output:
        source=f"{LAYOUT.downloads}/{{dataset}}/source.json",
    log:
        f"{LAYOUT.logs()}/fetch-{{dataset}}.log",
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        mirror=shlex.join(["--mirror", PLAN.mirror]) if PLAN.mirror else "",
    shell:
        'python -P -m redrop fetch {wildcards.dataset} --to "$(dirname {output.source:q})" {params.mirror} > {log:q} 2>&1'
        " || {{ cat {log:q} >&2; exit 1; }}"


rule prepare:
    """Encode a data set's raw files."""
    input:
        source=rules.fetch.output.source,
    output:
        meta=f"{LAYOUT.data}/{{dataset}}/meta.json",
    log:
        f"{LAYOUT.logs()}/prepare-{{dataset}}.log",
    conda:
        "../envs/train.yaml"
    threads: 1
    shell:
        'python -P -m redrop prepare {wildcards.dataset} --raw "$(dirname {input.source:q})"'
        ' --to "$(dirname {output.meta:q})"'
        " > {log:q} 2>&1 || {{ cat {log:q} >&2; exit 1; }}"


rule fetch_model:
    """Get a released model; on a cluster this runs on the head node, which has a network."""
    output:
        source=f"{LAYOUT.models}/{{model}}/source.json",
    log:
        f"{LAYOUT.logs()}/fetch-model-{{model}}.log",
    retries: 2
    conda:
        "../envs/train.yaml"
    threads: 1
    params:
        model=model_words,
    shell:
        'python -P -m redrop fetch-model {params.model} --to "$(dirname {output.source:q})" > {log:q} 2>&1'
        " || {{ cat {log:q} >&2; exit 1; }}"
