"""Figures, one module of nanotrigger.plots each, and the report."""

import importlib

PLOTS = {name: importlib.import_module(f"nanotrigger.plots.{name}") for name in FIGURES}
STEP_FILES = [path for stanza in PLAN.stanzas for path in step_files(stanza)]
AVAILABLE = {
    "models": f"{RESULTS}/tables/models.csv",
    "hardware": f"{RESULTS}/tables/hardware.csv",
    "comparisons": f"{RESULTS}/tables/comparisons.csv",
    "published": shipped("resources/published_results.csv"),
    "accuracies": f"{RESULTS}/tables/accuracies.csv",
    "sweeps": f"{RESULTS}/tables/sweeps.csv",
    "fronts": f"{RESULTS}/tables/fronts.csv",
    "front_comparisons": f"{RESULTS}/tables/front_comparisons.csv",
    "data": DATASET,
    "jets": f"{RESULTS}/tables/jets.csv",
    "metrics": over_models("metrics.json"),
    "histories": over_models("history.csv"),
    "outputs": over_models("outputs.npy"),
    "steps": STEP_FILES,
}
ON_DATASET = [
    model
    for model in PLAN.models.values()
    if not PLAN.stanzas[model.stanza].own_vectors
]
GIVEN = {
    *(Path(f).name for f in STEP_FILES),
    *(["data"] if DATASET else []),
    *(["generated"] if DATASET and DATA_STANZA.source == "pythia" else []),
    *(["hardware"] if PLAN.pairs else []),
    *(["comparisons"] if len(ON_DATASET) > 1 else []),
    *(["trained"] if ON_DATASET else []),
    *(["sweeps"] if SURVEYS else []),
    *ROLES,
}
# of a run that only surveys sweeps, what shows no single model
WITHOUT_MODELS = {"data", "steps", "sweeps"}
DRAWN = [
    name
    for name, plot in PLOTS.items()
    if plot.applies(GIVEN) and (PLAN.models or WITHOUT_MODELS.issuperset(plot.needs))
]
FIGURE_FILES = expand(
    f"{RESULTS}/figures/{{figure}}.{{suffix}}",
    figure=DRAWN,
    suffix=["png", "pdf", "csv"],
)


rule figure:
    input:
        unpack(
            lambda wildcards: {
                kind: AVAILABLE[kind] for kind in PLOTS[wildcards.figure].needs
            }
        ),
        code=lambda wildcards: sources(
            f"plots/{wildcards.figure}.py",
            f"results/{wildcards.figure}.py",
            "plots/_*.py",
            "results/estimates.py",
            "results/fronts.py",
            "results/beside.py",
            "results/comparability.py",
        ),
    output:
        png=f"{RESULTS}/figures/{{figure}}.png",
        pdf=f"{RESULTS}/figures/{{figure}}.pdf",
        csv=f"{RESULTS}/figures/{{figure}}.csv",
    log:
        logs("figure", "figure"),
    resources:
        mem_mb=memory(2000),
        runtime=10,
    params:
        compare=lambda wildcards: (
            [rule.model_dump(mode="json") for rule in RUN.compare]
            if "published" in PLOTS[wildcards.figure].needs
            else None
        ),
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/figure.py"


rule figures:
    input:
        FIGURE_FILES,


# what the report says of each figure
DESCRIBED = {
    name: {"text": PLOTS[name].__doc__, "needs": list(PLOTS[name].needs)}
    for name in DRAWN
}
PER_MODEL = [
    path
    for name in ("metrics.json", "manifest.json", "history.csv", "model.onnx")
    for path in over_models(name)
]


rule write_report:
    input:
        reported=reported(),
        models=PER_MODEL,
        data=DATASET,
        code=sources("report/*.py", "report/templates/*", "report/static/*"),
    output:
        f"{RESULTS}/report.html",
    log:
        logs("write_report"),
    benchmark:
        benchmarks("write_report")
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        figures=DESCRIBED,
    message:
        f"Writing the report of {RUN.name}"
    script:
        "../scripts/write_report.py"
