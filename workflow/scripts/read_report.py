from nanotrigger.job import job
from nanotrigger.results.designs import write_record

# a design's last job
BEFORE = ("create_project", "emulate", "synthesize", "simulate_netlist")

with job(snakemake, gathers=BEFORE) as plan:
    flow = plan.flows[snakemake.wildcards.flow]
    write_record(
        flow,
        snakemake.wildcards.model,
        int(snakemake.wildcards.seed),
        snakemake.input,
        snakemake.output[0],
    )
