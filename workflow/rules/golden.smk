"""The golden check: a published model on the published test jets."""


rule golden:
    input:
        jets=PUBLISHED_FILES,
        data=DATASET,
        models=shipped("config/models.csv"),
        code=sources("data/golden.py", "data/formats.py", "data/splits.py"),
    output:
        f"{RESULTS}/tables/golden.csv",
    log:
        logs("golden"),
    # it may have to download the model
    localrule: True
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        stanza=DATA_STANZA.model_dump(mode="json") if DATA_STANZA else None,
        table=DATASETS_TABLE,
    message:
        "Scoring the published model on the published test jets, where these are the run's"
    script:
        "../scripts/golden.py"
