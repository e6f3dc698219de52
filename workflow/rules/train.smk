"""Training: what a stanza prepares, then all its models and seeds in one job."""


def find_step(wildcards):
    method = PLAN.stanzas[wildcards.stanza].module
    return next(step for step in getattr(method, "steps", ()) if step.output == wildcards.artifact)


def step_files(stanza: str) -> list[str]:
    """What a stanza's method makes before training."""
    steps = getattr(PLAN.stanzas[stanza].module, "steps", ())
    return [f"{RESULTS}/training/{stanza}/{step.output}" for step in steps]


def method_sources(wildcards):
    return [
        module_source(PLAN.stanzas[wildcards.stanza].module),
        *sources("training/*.py", "methods/base.py", "qonnx/fixed_point.py", "qonnx/costs.py"),
    ]


rule prepare:
    message:
        "Preparing {wildcards.artifact} of {wildcards.stanza}"
    input:
        data=lambda wildcards: DATASET if find_step(wildcards).data else [],
        needs=lambda wildcards: [f"{RESULTS}/training/{wildcards.stanza}/{n}" for n in find_step(wildcards).needs],
        code=method_sources,
    output:
        f"{RESULTS}/training/{{stanza}}/{{artifact}}",
    params:
        # the step's own keys, so that no other key reruns it
        values=lambda wildcards: PLAN.stanzas[wildcards.stanza].keys(find_step(wildcards).keys),
    wildcard_constraints:
        artifact=r"[^/]+\.[a-z]+",
    log:
        logs("prepare", "stanza", "artifact"),
    benchmark:
        benchmarks("prepare", "stanza", "artifact")
    resources:
        mem_mb=3000,
        runtime=60,
    script:
        "../scripts/prepare.py"


rule train:
    message:
        "Training {wildcards.stanza}"
    input:
        data=DATASET,
        steps=lambda wildcards: step_files(wildcards.stanza),
        code=method_sources,
    output:
        directory(f"{RESULTS}/training/{{stanza}}/trained"),
    params:
        models=lambda wildcards: PLAN.stanzas[wildcards.stanza].parameters(),
        seeds=RUN.seeds,
    log:
        logs("train", "stanza"),
    benchmark:
        benchmarks("train", "stanza")
    resources:
        mem_mb=4000,
        runtime=720,
    script:
        "../scripts/train.py"


rule models:
    input:
        over_models("metrics.json"),
