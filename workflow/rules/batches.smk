"""Exports and designs of a large run, many in a job: see nanotrigger.batches. Each rule is one above, for all of a batch."""

BATCHED = {
    "export": "Exporting",
    "check_export": "Checking the QONNX files of",
    "create_project": "Creating the projects of",
    "emulate": "Emulating",
    "synthesize": "Synthesising",
    "simulate_netlist": "Simulating the netlists of",
    "read_report": "Reading the reports of",
}

OF_DESIGNS = tuple(BATCHED)[2:]


for batched, doing in BATCHED.items() if BATCHES else ():
    base = getattr(rules, batched).rule
    of_design = batched in OF_DESIGNS

    rule:
        name:
            f"{batched}_batch"
        input:
            batch_inputs(base),
            script=f"{SCRIPTS}/{batched}.py",
        output:
            [
                batch_file(Path(path).name, *(["flow"] if of_design else []))
                for path in base.output
            ],
        log:
            logs(f"{batched}_batch", "batch", *(["flow"] if of_design else [])),
        benchmark:
            benchmarks(f"{batched}_batch", "batch", *(["flow"] if of_design else []))
        wildcard_constraints:
            batch=r"\d{4}",
        priority: base.priority
        resources:
            **{
                name: resource_of(base, name)
                for name in base.resources
                if name in (*LICENCES, "mem_mb")
            },
            runtime=batch_runtime(base),
        params:
            step=batch_step(base),
        message:
            f"{doing} batch {{wildcards.batch}}"
            + (" in {wildcards.flow}" if of_design else "")
        script:
            "../scripts/batch.py"
