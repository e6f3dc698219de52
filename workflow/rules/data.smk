"""Jets: generated or downloaded, then split."""


rule generate_jets:
    input:
        code=sources(
            "data/pythia.py",
            "data/detector.py",
            "data/jets.py",
            "data/features.py",
            "data/constituents.py",
        ),
    output:
        directory(f"{RESULTS}/data/chunks/{{label}}_{{chunk}}"),
    log:
        logs("generate_jets", "label", "chunk"),
    benchmark:
        benchmarks("generate_jets", "label", "chunk")
    resources:
        mem_mb=lambda wildcards: 1000
        + DATA_STANZA.jets_per_job * DATA_STANZA.particles // 4000,
        runtime=lambda wildcards: 30 + DATA_STANZA.jets_per_job // 1000,
    params:
        jets=lambda wildcards: DATA_STANZA.chunks()[int(wildcards.chunk)],
        options=lambda wildcards: DATA_STANZA.options(),
    message:
        "Generating {wildcards.label} jets, chunk {wildcards.chunk}"
    script:
        "../scripts/generate_jets.py"


rule download_jets:
    input:
        table="config/datasets.csv",
    output:
        "downloads/{name}/jets",
    log:
        "logs/download_jets/{name}.log",
    resources:
        mem_mb=500,
        runtime=240,
    message:
        "Downloading {wildcards.name}"
    script:
        "../scripts/download_jets.py"


rule make_dataset:
    input:
        jets=(
            expand(
                f"{RESULTS}/data/chunks/{{label}}_{{chunk}}",
                label=LABELS,
                chunk=range(len(DATA_STANZA.chunks())),
            )
            if DATA_STANZA.source == "pythia"
            else f"downloads/{DATA_STANZA.name}/jets"
        ),
        code=sources("data/dataset.py", "data/splits.py", "data/published.py"),
    output:
        DATASET,
    log:
        logs("make_dataset"),
    benchmark:
        benchmarks("make_dataset")
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        stanza=DATA_STANZA.model_dump(mode="json"),
        labels=LABELS,
    message:
        "Splitting the jets of {RUN.dataset}"
    script:
        "../scripts/make_dataset.py"


rule data:
    input:
        DATASET,
