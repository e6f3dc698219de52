"""Jets: generated or downloaded, then split."""


rule generate_jets:
    message:
        "Generating {wildcards.label} jets, chunk {wildcards.chunk}"
    input:
        code=sources("data/pythia.py", "data/detector.py", "data/jets.py", "data/features.py"),
    output:
        f"{RESULTS}/data/chunks/{{label}}_{{chunk}}.npy",
    params:
        jets=lambda wildcards: DATA_STANZA.chunks()[int(wildcards.chunk)],
        seed=getattr(DATA_STANZA, "seed", None),
    log:
        logs("generate_jets", "label", "chunk"),
    benchmark:
        benchmarks("generate_jets", "label", "chunk")
    resources:
        mem_mb=1000,
        runtime=30,
    script:
        "../scripts/generate_jets.py"


rule download_jets:
    message:
        "Downloading {wildcards.name}"
    input:
        table="config/datasets.csv",
    output:
        "downloads/{name}/jets",
    log:
        "logs/download_jets/{name}.log",
    resources:
        mem_mb=500,
        runtime=240,
    script:
        "../scripts/download_jets.py"


rule make_dataset:
    message:
        "Splitting the jets of {RUN.dataset}"
    input:
        jets=(
            expand(
                f"{RESULTS}/data/chunks/{{label}}_{{chunk}}.npy", label=LABELS, chunk=range(len(DATA_STANZA.chunks()))
            )
            if DATA_STANZA.source == "pythia"
            else f"downloads/{DATA_STANZA.name}/jets"
        ),
        code=sources("data/dataset.py", "data/splits.py", "data/published.py"),
    output:
        DATASET,
    params:
        stanza=DATA_STANZA.model_dump(mode="json"),
        labels=LABELS,
    log:
        logs("make_dataset"),
    benchmark:
        benchmarks("make_dataset")
    resources:
        mem_mb=4000,
        runtime=30,
    script:
        "../scripts/make_dataset.py"


rule data:
    input:
        DATASET,
