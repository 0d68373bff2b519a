# One run, one job: it knows its own settings and nothing else of the config. Which other runs it trains
# along is settled in the pool, of which Snakemake knows nothing.


onstart:
    if workflow.local_exec:
        print(gpus_line(), file=sys.stderr)
    for study, specs in RUNS.items():
        pool = Pool(LAYOUT.pool(study), runs=FOLDERS[study].path)
        pool.write_wanted([spec for spec in specs.values() if not FOLDERS[study].is_finished(spec)])


rule train:
    """Train one run, and others along with it. Checkpoints are undeclared: a failed job keeps them."""
    input:
        data=prepared_data,
    output:
        metrics=f"{RUN}/metrics.json",
        curve=f"{RUN}/curve.jsonl",
        spec=f"{RUN}/spec.json",
        provenance=f"{RUN}/provenance.json",
    log:
        RUN_LOG,
    benchmark:
        RUN_BENCHMARK
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=lambda wildcards, attempt: job_memory_mb(wildcards.study) * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
        gpu=gpus,
        jobs_per_gpu=config["jobs_per_gpu"],
        keep_weights=int(PLAN.keep_weights),  # no parameter: to change it trains nothing again
    params:
        spec=run_spec,
        results=results_folder,
    # A scheduler signals every process of a job: the shell must outlive redrop, which writes its checkpoint.
    shell:
        "trap : TERM; "
        'python -P -m redrop train --spec {params.spec:q} --out "$(dirname {output.metrics:q})"'
        " --data {params.results:q}/data --models {params.results:q}/models"
        " --checkpoints {params.results:q}/checkpoints/{wildcards.study}"
        " --pool {params.results:q}/pool/{wildcards.study} --keep-weights {resources.keep_weights}"
        " --jobs-per-gpu {resources.jobs_per_gpu}"
        " > {log:q} 2>&1 || {{ status=$?; tail -n 5 {log:q} >&2; exit $status; }}"
