"""Tables over all models and designs of a run, and checks of what they say."""

from nanotrigger.results.comparability import check_rules
from nanotrigger.results.paper_tables._fill import (
    applies,
    check_tables,
    chosen_models,
    tables as paper_tables,
)
from nanotrigger.results.published import published_table

try:
    if RUN.compare:
        check_rules(
            PLAN, published_table(Path(shipped("resources/published_results.csv")))
        )
    check_tables(PLAN)
except NanotriggerError as error:
    raise WorkflowError(str(error)) from None

TABLE_MODULES = paper_tables()
PAPER_TABLES = [
    name for name, table in TABLE_MODULES.items() if applies(name, table, PLAN)
]
SURVEYS = [
    f"{RESULTS}/training/{name}/survey/{chunk}.csv"
    for name, stanza in PLAN.stanzas.items()
    if stanza.surveyed
    for chunk in range(len(stanza.chunks))
]
OF_MODELS = [
    "models.csv",
    "hardware.csv",
    "accuracies.csv",
    "comparisons.csv",
    "fronts.csv",
    "front_comparisons.csv",
    "summary.csv",
    "summary.md",
    "summary.tex",
    *[f"{name}.{suffix}" for name in PAPER_TABLES for suffix in ("csv", "md", "tex")],
]
# a run may only survey sweeps, and build none of their points
TABLES = [
    f"{RESULTS}/tables/{name}"
    for name in [
        *(OF_MODELS if PLAN.models else []),
        *(["sweeps.csv"] if SURVEYS else []),
    ]
]
PAPER_FILES = [
    f"{RESULTS}/tables/paper_figures.csv",
    f"{RESULTS}/tables/paper_figures.md",
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
        accuracies=f"{RESULTS}/tables/accuracies.csv",
        comparisons=f"{RESULTS}/tables/comparisons.csv",
    log:
        logs("compare_models"),
    benchmark:
        benchmarks("compare_models")
    resources:
        mem_mb=memory(2000),
        runtime=30,
    message:
        f"Comparing the models of {RUN.name} jet by jet"
    script:
        "../scripts/compare_models.py"


rule compare_fronts:
    input:
        outputs=over_models("outputs.npy"),
        metrics=over_models("metrics.json"),
        accuracies=f"{RESULTS}/tables/accuracies.csv",
        data=DATASET,
        own_vectors=[
            f"{RESULTS}/training/{name}/vectors.npz"
            for name, stanza in PLAN.stanzas.items()
            if stanza.own_vectors
        ],
        code=sources(
            "results/fronts.py",
            "results/pareto.py",
            "results/comparisons.py",
            "results/statistics.py",
        ),
    output:
        fronts=f"{RESULTS}/tables/fronts.csv",
        compared=f"{RESULTS}/tables/front_comparisons.csv",
    log:
        logs("compare_fronts"),
    resources:
        mem_mb=memory(2000),
        runtime=30,
    message:
        f"Comparing the methods of {RUN.name} at equal cost"
    script:
        "../scripts/compare_fronts.py"


rule collect:
    input:
        accuracies=f"{RESULTS}/tables/accuracies.csv",
        metrics=over_models("metrics.json"),
        manifests=over_models("manifest.json"),
        records=over_designs("record.json"),
        published=shipped("resources/published_results.csv"),
        code=sources(
            "results/tables.py",
            "results/published.py",
            "results/comparability.py",
            "results/printing.py",
        ),
    output:
        models=f"{RESULTS}/tables/models.csv",
        hardware=f"{RESULTS}/tables/hardware.csv",
        summary=f"{RESULTS}/tables/summary.csv",
        published=f"{RESULTS}/tables/published.csv",
        markdown=f"{RESULTS}/tables/summary.md",
        latex=f"{RESULTS}/tables/summary.tex",
    log:
        logs("collect"),
    resources:
        mem_mb=memory(2000),
        runtime=10,
    params:
        skipped=[vars(s) for s in PLAN.skipped],
        dataset=DATA_STANZA.model_dump(mode="json") if DATA_STANZA else None,
        compare=[rule.model_dump(mode="json") for rule in RUN.compare],
    message:
        f"Collecting the tables of {RUN.name}"
    script:
        "../scripts/collect.py"


rule collect_sweeps:
    input:
        parts=SURVEYS,
        code=sources("results/sweeps.py", "results/pareto.py"),
    output:
        f"{RESULTS}/tables/sweeps.csv",
    log:
        logs("collect_sweeps"),
    resources:
        mem_mb=memory(1000),
        runtime=5,
    message:
        f"Collecting the points of the sweeps of {RUN.name}"
    script:
        "../scripts/collect_sweeps.py"


rule describe_jets:
    input:
        data=DATASET,
        code=sources("results/jets.py"),
    output:
        f"{RESULTS}/tables/jets.csv",
    log:
        logs("describe_jets"),
    resources:
        mem_mb=memory(2000),
        runtime=5,
    message:
        f"Describing the jets of {RUN.dataset}"
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
        mem_mb=memory(500),
        runtime=5,
    message:
        f"Checking the results of {RUN.name}"
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
        config=PLAN.config.public(),
    message:
        f"Writing the configuration of {RUN.name}"
    script:
        "../scripts/dump_config.py"
