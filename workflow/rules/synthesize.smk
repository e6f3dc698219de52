"""Synthesis, what it made and what its reports say. Apart: a change in a parser never repeats a synthesis."""


rule warm_program:
    output:
        f"{RESULTS}/programs/{{program}}.txt",
    log:
        logs("warm_program", "program"),
    wildcard_constraints:
        program="yowasp-[a-z0-9-]+",
    resources:
        mem_mb=memory(2000),
        runtime=15,
    message:
        "Preparing {wildcards.program} (its first start compiles it, once per user)"
    script:
        "../scripts/warm_program.py"


rule synthesize:
    input:
        project=hardware_file("project.tar.gz"),
        programs=lambda wildcards: [
            f"{RESULTS}/programs/{program}.txt"
            for program in PLAN.flows[wildcards.flow].module.requires
            if program.startswith("yowasp-")
        ],
    output:
        outcome=hardware_file("synthesis.json"),
        files=hardware_file("synthesis.tar.gz"),
    log:
        design_log("synthesize", "model", "seed", "flow"),
    # the longest jobs of a run: started first, so that none is left over at the end
    priority: 10
    group:
        with_synthesis
    resources:
        **{name: licence(name) for name in LICENCES},
        mem_mb=memory(4000),
        # as a rule a synthesis is two: of the design, and of its netlist to be simulated, placed or timed
        runtime=tool_minutes(2),
    params:
        stanza=flow_params,
    message:
        "Synthesising {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    script:
        "../scripts/synthesize.py"


rule simulate_netlist:
    input:
        project=hardware_file("project.tar.gz"),
        synthesis=hardware_file("synthesis.json"),
        files=hardware_file("synthesis.tar.gz"),
        vectors=vectors,
        outputs=model_file("outputs.npy"),
    output:
        netlist=hardware_file("netlist.json"),
        files=hardware_file("netlist.tar.gz"),
    log:
        design_log("simulate_netlist", "model", "seed", "flow"),
    group:
        after_synthesis
    resources:
        mem_mb=memory(4000),
        runtime=tool_minutes(1),
    params:
        stanza=flow_params,
    message:
        "Simulating the netlist of {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    script:
        "../scripts/simulate_netlist.py"


rule read_report:
    input:
        project=hardware_file("project.tar.gz"),
        files=hardware_file("synthesis.tar.gz"),
        simulated=hardware_file("netlist.tar.gz"),
        synthesis=hardware_file("synthesis.json"),
        emulation=hardware_file("emulation.json"),
        netlist=hardware_file("netlist.json"),
        metrics=model_file("metrics.json"),
        code=sources("reports/*.py"),
    output:
        hardware_file("record.json"),
    log:
        design_log("read_report", "model", "seed", "flow"),
    group:
        after_synthesis
    resources:
        mem_mb=memory(1000),
        runtime=5,
    params:
        stanza=flow_params,
    message:
        "Reading the reports of {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    script:
        "../scripts/read_report.py"


rule hardware:
    input:
        over_designs("record.json"),
