"""Figures: one module of nanotrigger.plots each."""

import importlib

PLOTS = {name: importlib.import_module(f"nanotrigger.plots.{name}") for name in FIGURES}
STEP_FILES = [path for stanza in PLAN.stanzas for path in step_files(stanza)]
AVAILABLE = {
    "models": f"{RESULTS}/tables/models.csv",
    "hardware": f"{RESULTS}/tables/hardware.csv",
    "comparisons": f"{RESULTS}/tables/comparisons.csv",
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
    *(["trained"] if not all(s.own_vectors for s in PLAN.stanzas.values()) else []),
}
DRAWN = [name for name, plot in PLOTS.items() if plot.applies(GIVEN)]
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
            "plots/_style.py",
            "results/estimates.py",
            "results/jets.py",
        ),
    output:
        png=report(
            f"{RESULTS}/figures/{{figure}}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"figure": "{figure}"},
        ),
        pdf=f"{RESULTS}/figures/{{figure}}.pdf",
        csv=f"{RESULTS}/figures/{{figure}}.csv",
    log:
        logs("figure", "figure"),
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        caption=lambda wildcards: PLOTS[wildcards.figure].__doc__.partition("\n\n")[2],
    message:
        "Drawing {wildcards.figure}"
    script:
        "../scripts/figure.py"


rule figures:
    input:
        FIGURE_FILES,
