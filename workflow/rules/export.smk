"""The narrow waist: every trained model as a QONNX file, proved equal to its method on the whole test split."""


rule export:
    input:
        trained=trained,
        vectors=vectors,
        code=sources("qonnx/*.py"),
    output:
        artifacts=directory(model_file("model")),
        qonnx=model_file("model.onnx"),
        costs=model_file("costs.json"),
        predictions=model_file("predictions.npy"),
        history=model_file("history.csv"),
        manifest=model_file("manifest.json"),
    log:
        design_log("export", "model", "seed"),
    group:
        "model"
    resources:
        mem_mb=memory(3000),
        runtime=20,
    params:
        stanza=lambda wildcards: PLAN.models[wildcards.model].params.model_dump(
            mode="json"
        ),
    message:
        "Exporting {wildcards.model}, seed {wildcards.seed}"
    script:
        "../scripts/export.py"


rule check_export:
    input:
        qonnx=model_file("model.onnx"),
        predictions=model_file("predictions.npy"),
        costs=model_file("costs.json"),
        vectors=vectors,
        code=sources("qonnx/execute.py", "results/metrics.py", "results/statistics.py"),
    output:
        metrics=model_file("metrics.json"),
        outputs=model_file("outputs.npy"),
    log:
        design_log("check_export", "model", "seed"),
    group:
        "model"
    resources:
        mem_mb=memory(4000),
        runtime=20,
    message:
        "Comparing the QONNX file of {wildcards.model}, seed {wildcards.seed}, with its method on the test split"
    script:
        "../scripts/check_export.py"


rule survey:
    input:
        trained=f"{RESULTS}/training/{{stanza}}/trained/{{chunk}}",
        vectors=lambda wildcards: stanza_vectors(wildcards.stanza),
        code=sources("qonnx/*.py", "results/sweeps.py", "results/metrics.py"),
    output:
        f"{RESULTS}/training/{{stanza}}/survey/{{chunk}}.csv",
    log:
        logs("survey", "stanza", "chunk"),
    benchmark:
        benchmarks("survey", "stanza", "chunk")
    resources:
        mem_mb=memory(4000),
        runtime=120,
    params:
        # which points are built as well is a column
        built=lambda wildcards: sorted(PLAN.stanzas[wildcards.stanza].built),
    message:
        "Exporting and checking every point of {wildcards.stanza}, chunk {wildcards.chunk}"
    script:
        "../scripts/survey.py"
