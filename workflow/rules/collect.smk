"""Tables over all models and designs of a run, and checks of what they say."""

TABLES = [
    f"{RESULTS}/tables/{name}"
    for name in (
        "models.csv",
        "hardware.csv",
        "accuracies.csv",
        "comparisons.csv",
        "fronts.csv",
        "front_comparisons.csv",
        "summary.csv",
        "summary.md",
        "summary.tex",
    )
]


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
        mem_mb=memory(2000),
        runtime=30,
    message:
        "Comparing the models of {RUN.name} jet by jet"
    script:
        "../scripts/compare_models.py"


rule compare_fronts:
    input:
        outputs=over_models("outputs.npy"),
        metrics=over_models("metrics.json"),
        data=DATASET,
        own_vectors=[
            f"{RESULTS}/training/{name}/vectors.npz"
            for name, stanza in PLAN.stanzas.items()
            if stanza.own_vectors
        ],
        code=sources(
            "results/fronts.py", "results/comparisons.py", "results/statistics.py"
        ),
    output:
        fronts=report(
            f"{RESULTS}/tables/fronts.csv",
            caption="../report/fronts.rst",
            category="Tables",
            labels={"table": "fronts"},
        ),
        compared=report(
            f"{RESULTS}/tables/front_comparisons.csv",
            caption="../report/front_comparisons.rst",
            category="Tables",
            labels={"table": "front_comparisons"},
        ),
    log:
        logs("compare_fronts"),
    resources:
        mem_mb=memory(2000),
        runtime=30,
    message:
        "Comparing the methods of {RUN.name} at equal cost"
    script:
        "../scripts/compare_fronts.py"


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
        mem_mb=memory(2000),
        runtime=10,
    params:
        skipped=[vars(s) for s in PLAN.skipped],
        dataset=DATA_STANZA.model_dump(mode="json") if DATA_STANZA else None,
    message:
        "Collecting the tables of {RUN.name}"
    script:
        "../scripts/collect.py"


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
        mem_mb=memory(500),
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
        mem_mb=memory(500),
        runtime=5,
    params:
        config=PLAN.config.model_dump(mode="json"),
    message:
        "Writing the configuration of {RUN.name}"
    script:
        "../scripts/dump_config.py"
