"""Rules of a user's own: a figure and a table of the designs of examples/and_gates/flow.py."""

FLOWS = [
    name
    for name, flow in PLAN.flows.items()
    if flow.module.__name__ == "examples.and_gates.flow"
]
AND_GATES = over_designs("record.json", FLOWS)


rule and_gates_figure:
    input:
        models=f"{RESULTS}/tables/models.csv",
        records=AND_GATES,
        code=workflow.source_path("figure.py"),
    output:
        png=f"{RESULTS}/figures/and_gates.png",
        pdf=f"{RESULTS}/figures/and_gates.pdf",
        csv=f"{RESULTS}/figures/and_gates.csv",
    log:
        logs("and_gates_figure"),
    resources:
        mem_mb=2000,
        runtime=10,
    message:
        "Drawing and_gates"
    script:
        "draw.py"


# the smallest design of the run; a line of shell, in which :q quotes every name
rule fewest_ands:
    input:
        f"{RESULTS}/figures/and_gates.csv",
    output:
        f"{RESULTS}/tables/fewest_ands.csv",
    log:
        logs("fewest_ands"),
    resources:
        mem_mb=100,
        runtime=5,
    message:
        "Finding the design with the fewest ANDs"
    shell:
        "(head -n 1 {input:q}; tail -n +2 {input:q} | sort -t , -k 5 -n | head -n 1) > {output:q} 2> {log:q}"


# with every run: part of `rule all`, and of the run's provenance
if AND_GATES:
    OWN_OUTPUTS += rules.and_gates_figure.output
    OWN_OUTPUTS += rules.fewest_ands.output
