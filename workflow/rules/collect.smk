"""Tables over all models and designs of a run, and checks of what they say."""

TABLES = [
    f"{RESULTS}/tables/{name}"
    for name in (
        "models.csv",
        "hardware.csv",
        "accuracies.csv",
        "comparisons.csv",
        "summary.csv",
        "summary.md",
        "summary.tex",
    )
]
if DATASET:
    TABLES.append(f"{RESULTS}/tables/jets.csv")


rule compare_models:
    input:
        outputs=over_models("outputs.npy"),
        metrics=over_models("metrics.json"),
        data=DATASET,
        own_vectors=[
            f"{RESULTS}/training/{name}/vectors.npz"
            for name, stanza in PLAN.stanzas.items()
            if stanza.own_vectors
        ],
        code=sources("results/comparisons.py", "results/statistics.py"),
    output:
        accuracies=report(
            f"{RESULTS}/tables/accuracies.csv",
            caption="../report/accuracies.rst",
            category="Tables",
            labels={"table": "accuracies"},
        ),
        comparisons=report(
            f"{RESULTS}/tables/comparisons.csv",
            caption="../report/comparisons.rst",
            category="Tables",
            labels={"table": "comparisons"},
        ),
    log:
        logs("compare_models"),
    benchmark:
        benchmarks("compare_models")
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "Comparing the models of {RUN.name} jet by jet"
    script:
        "../scripts/compare_models.py"


rule collect:
    input:
        accuracies=f"{RESULTS}/tables/accuracies.csv",
        metrics=over_models("metrics.json"),
        manifests=over_models("manifest.json"),
        records=over_designs("record.json"),
        published="resources/published_results.csv",
        code=sources("results/tables.py", "results/published.py"),
    output:
        models=report(
            f"{RESULTS}/tables/models.csv",
            category="Tables",
            labels={"table": "models"},
        ),
        hardware=report(
            f"{RESULTS}/tables/hardware.csv",
            category="Tables",
            labels={"table": "hardware"},
        ),
        summary=f"{RESULTS}/tables/summary.csv",
        markdown=f"{RESULTS}/tables/summary.md",
        latex=f"{RESULTS}/tables/summary.tex",
        html=report(
            f"{RESULTS}/tables/summary.html",
            caption="../report/summary.rst",
            category="Tables",
            labels={"table": "summary"},
        ),
    log:
        logs("collect"),
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        skipped=[vars(s) for s in PLAN.skipped],
        dataset=DATA_STANZA.model_dump(mode="json") if DATA_STANZA else None,
    message:
        "Collecting the tables of {RUN.name}"
    script:
        "../scripts/collect.py"


rule describe_jets:
    input:
        data=DATASET,
        code=sources("results/jets.py"),
    output:
        report(
            f"{RESULTS}/tables/jets.csv",
            caption="../report/jets.rst",
            category="Tables",
            labels={"table": "jets"},
        ),
    log:
        logs("describe_jets"),
    resources:
        mem_mb=2000,
        runtime=5,
    message:
        "Describing the jets of {RUN.dataset}"
    script:
        "../scripts/describe_jets.py"


rule tables:
    input:
        TABLES,


rule check_results:
    input:
        models=f"{RESULTS}/tables/models.csv",
        hardware=f"{RESULTS}/tables/hardware.csv",
        code=sources("results/checks.py"),
    output:
        f"{RESULTS}/checks.txt",
    log:
        logs("check_results"),
    resources:
        mem_mb=500,
        runtime=5,
    message:
        "Checking the results of {RUN.name}"
    script:
        "../scripts/check_results.py"


rule dump_config:
    output:
        f"{RESULTS}/config.yaml",
    log:
        logs("dump_config"),
    resources:
        mem_mb=500,
        runtime=5,
    params:
        config=PLAN.config.model_dump(mode="json"),
    message:
        "Writing the configuration of {RUN.name}"
    script:
        "../scripts/dump_config.py"
