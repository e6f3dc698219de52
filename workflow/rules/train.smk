"""Training: what a stanza prepares, then its models with all seeds, in one job or a few chunks."""


rule prepare:
    input:
        data=lambda wildcards: DATASET if find_step(wildcards).data else [],
        needs=lambda wildcards: [
            f"{RESULTS}/training/{wildcards.stanza}/{n}"
            for n in find_step(wildcards).needs
        ],
        code=method_sources,
    output:
        f"{RESULTS}/training/{{stanza}}/{{artifact}}",
    log:
        logs("prepare", "stanza", "artifact"),
    benchmark:
        benchmarks("prepare", "stanza", "artifact")
    wildcard_constraints:
        artifact=r"[^/]+\.[a-z]+",
    resources:
        mem_mb=memory(3000),
        runtime=720,
        gpu=lambda wildcards: gpus(wildcards) if find_step(wildcards).data else 0,
    params:
        # the step's own keys, so that no other key reruns it
        values=lambda wildcards: PLAN.stanzas[wildcards.stanza].keys(
            find_step(wildcards).keys
        ),
        seeds=lambda wildcards: (
            RUN.seeds if find_step(wildcards).per_seed else RUN.seeds[:1]
        ),
    message:
        "Preparing {wildcards.artifact} of {wildcards.stanza}"
    script:
        "../scripts/prepare.py"


rule train:
    input:
        data=training_data,
        steps=lambda wildcards: step_files(wildcards.stanza),
        code=method_sources,
    output:
        directory(f"{RESULTS}/training/{{stanza}}/trained/{{chunk}}"),
    log:
        logs("train", "stanza", "chunk"),
    benchmark:
        benchmarks("train", "stanza", "chunk")
    threads:
        lambda wildcards: PLAN.stanzas[wildcards.stanza].threads(
            int(wildcards.chunk), len(RUN.seeds)
        )
    resources:
        mem_mb=memory(4000),
        runtime=720,
        gpu=gpus,
    params:
        models=lambda wildcards: PLAN.stanzas[wildcards.stanza].parameters(
            int(wildcards.chunk)
        ),
        seeds=RUN.seeds,
    message:
        "Training {wildcards.stanza}, chunk {wildcards.chunk}"
    script:
        "../scripts/train.py"


rule models:
    input:
        over_models("metrics.json"),
