"""Hardware projects, and their bit-exact emulation on the test split."""


rule create_project:
    input:
        model=artifact,
        code=lambda wildcards: [
            *flow_sources(wildcards),
            *sources("qonnx/*.py", "reports/xls.py"),
        ],
    output:
        hardware_file("project.tar.gz"),
    log:
        design_log("create_project", "model", "seed", "flow"),
    group:
        before_synthesis
    resources:
        mem_mb=memory(4000),
        runtime=60,
    params:
        stanza=flow_params,
    message:
        "Creating the {wildcards.flow} project of {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/create_project.py"


rule emulate:
    input:
        project=hardware_file("project.tar.gz"),
        vectors=vectors,
        outputs=model_file("outputs.npy"),
    output:
        hardware_file("emulation.json"),
    log:
        design_log("emulate", "model", "seed", "flow"),
    group:
        before_synthesis
    resources:
        mem_mb=memory(4000),
        runtime=tool_minutes(1),
    params:
        stanza=flow_params,
    message:
        "Emulating {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    script:
        "../scripts/emulate.py"
