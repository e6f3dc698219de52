"""The papers' own tables, and the list of their figures and tables with what this run made of each."""

MADE = [
    *[path for path in FIGURE_FILES if path.endswith(".png")],
    *[f"{RESULTS}/tables/{name}.csv" for name in [*PAPER_TABLES, "summary"]],
]


rule paper_table:
    input:
        models=f"{RESULTS}/tables/models.csv",
        hardware=f"{RESULTS}/tables/hardware.csv",
        accuracies=f"{RESULTS}/tables/accuracies.csv",
        published=shipped("resources/published_results.csv"),
        code=lambda wildcards: sources(
            f"results/paper_tables/{wildcards.paper_table}.py",
            "results/paper_tables/_fill.py",
            "results/published.py",
            "results/comparability.py",
            "results/printing.py",
            "results/tables.py",
        ),
    output:
        csv=f"{RESULTS}/tables/{{paper_table}}.csv",
        markdown=f"{RESULTS}/tables/{{paper_table}}.md",
        latex=f"{RESULTS}/tables/{{paper_table}}.tex",
    log:
        logs("paper_table", "paper_table"),
    wildcard_constraints:
        paper_table="|".join(PAPER_TABLES) or "none",
    resources:
        mem_mb=memory(1000),
        runtime=10,
    params:
        rows=lambda wildcards: chosen_models(
            wildcards.paper_table, TABLE_MODULES[wildcards.paper_table], PLAN
        ),
        changes=lambda wildcards: PLAN.config.model_dump(mode="json")["tables"].get(
            wildcards.paper_table
        ),
        compare=[rule.model_dump(mode="json") for rule in RUN.compare],
    message:
        "Printing the paper's table {wildcards.paper_table}"
    script:
        "../scripts/paper_table.py"


rule paper_figures:
    input:
        entries=shipped("resources/paper_figures.csv"),
        made=MADE,
        code=sources("results/paper_figures.py"),
    output:
        csv=PAPER_FILES[0],
        markdown=PAPER_FILES[1],
    log:
        logs("paper_figures"),
    resources:
        mem_mb=memory(1000),
        runtime=10,
    message:
        "Listing the papers' figures and tables"
    script:
        "../scripts/paper_figures.py"
