"""Where every result of a run comes from, with the hashes of all its files."""


rule provenance:
    input:
        # later: custom rules may add to them
        outputs=lambda wildcards: run_outputs(),
        code=sources("results/provenance.py"),
    output:
        f"{RESULTS}/provenance.json",
    log:
        logs("provenance"),
    resources:
        mem_mb=memory(500),
        runtime=30,
    message:
        f"Recording where the results of {RUN.name} come from"
    script:
        "../scripts/provenance.py"


rule ro_crate:
    input:
        provenance=f"{RESULTS}/provenance.json",
        code=sources("results/ro_crate.py"),
    output:
        f"{RESULTS}/ro-crate-metadata.json",
    log:
        logs("ro_crate"),
    resources:
        mem_mb=memory(500),
        runtime=10,
    message:
        f"Describing the results of {RUN.name} as an RO-Crate"
    script:
        "../scripts/ro_crate.py"
