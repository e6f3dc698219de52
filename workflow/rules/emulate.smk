"""Hardware projects, and their bit-exact emulation on the test split."""


def artifact(wildcards):
    """Where the file lies that a flow starts from: QONNX, or what else its method exports."""
    kind = PLAN.kinds[wildcards.model, wildcards.flow]
    return model_file("model.onnx" if kind == "qonnx" else "model").format(**wildcards)


def flow_sources(wildcards):
    return [module_source(PLAN.flows[wildcards.flow].module), *sources("flows/base.py", "tools/*.py")]


def flow_params(wildcards):
    return PLAN.flows[wildcards.flow].params.model_dump(mode="json")


rule create_project:
    message:
        "Creating the {wildcards.flow} project of {wildcards.model}, seed {wildcards.seed}"
    input:
        model=artifact,
        code=lambda wildcards: [*flow_sources(wildcards), *sources("qonnx/adder_graph.py")],
    output:
        directory(hardware_file("project")),
    params:
        stanza=flow_params,
    log:
        logs("create_project", "model", "seed", "flow"),
    benchmark:
        benchmarks("create_project", "model", "seed", "flow")
    resources:
        mem_mb=4000,
        runtime=60,
    script:
        "../scripts/create_project.py"


rule emulate:
    message:
        "Emulating {wildcards.model}, seed {wildcards.seed}, in {wildcards.flow}"
    input:
        project=hardware_file("project"),
        data=DATASET,
        outputs=model_file("outputs.npy"),
    output:
        hardware_file("emulation.json"),
    params:
        stanza=flow_params,
    log:
        logs("emulate", "model", "seed", "flow"),
    benchmark:
        benchmarks("emulate", "model", "seed", "flow")
    resources:
        mem_mb=4000,
        runtime=120,
    script:
        "../scripts/emulate.py"
