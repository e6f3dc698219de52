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
        mem_mb=memory(
            lambda wildcards: 1000
            + DATA_STANZA.jets_per_job * DATA_STANZA.particles // 4000
        ),
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
        # a new mirror or another row of the table is no reason to download again
        table=ancient(DATASETS_TABLE),
    output:
        "downloads/{name}/{file}",
    log:
        "logs/download_jets/{name}/{file}.log",
    wildcard_constraints:
        name=r"[A-Za-z0-9][\w.+-]*",
        file=r"[A-Za-z0-9][\w.+-]*",
    # nodes of a cluster often have no network
    localrule: True
    resources:
        mem_mb=1000,
        runtime=720,
    params:
        identity=lambda wildcards: next(
            (f.identity() for f in PUBLISHED if f.file == wildcards.file), None
        ),
    message:
        "Downloading {wildcards.file} of {wildcards.name}"
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
            else PUBLISHED_FILES
        ),
        code=sources(
            "data/dataset.py",
            "data/splits.py",
            "data/make.py",
            "data/formats.py",
            "data/particles.py",
        ),
    output:
        DATASET,
    log:
        logs("make_dataset"),
    benchmark:
        benchmarks("make_dataset")
    resources:
        mem_mb=memory(4000),
        runtime=30,
    params:
        stanza=DATA_STANZA.model_dump(mode="json"),
        labels=LABELS,
        table=DATASETS_TABLE,
        published=[f.identity() for f in PUBLISHED],
    message:
        f"Splitting the jets of {RUN.dataset}"
    script:
        "../scripts/make_dataset.py"


rule describe_dataset:
    input:
        data=DATASET,
        code=sources("data/summary.py"),
    output:
        f"{RESULTS}/tables/dataset.csv",
    log:
        logs("describe_dataset"),
    resources:
        mem_mb=memory(2000),
        runtime=10,
    message:
        f"Counting the jets of {RUN.dataset}"
    script:
        "../scripts/describe_dataset.py"


rule data:
    input:
        DATASET,
        f"{RESULTS}/tables/dataset.csv",
