from nanotrigger.job import job
from nanotrigger.results.designs import write_record

with job(snakemake) as plan:
    flow = plan.flows[snakemake.wildcards.flow]
    write_record(
        flow,
        snakemake.wildcards.model,
        int(snakemake.wildcards.seed),
        snakemake.input,
        snakemake.output[0],
    )
