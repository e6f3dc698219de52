from nanotrigger.job import job
from nanotrigger.results.designs import emulate

with job(snakemake) as plan:
    flow = plan.flows[snakemake.wildcards.flow]
    emulate(flow, snakemake.input.project, snakemake.input.vectors, snakemake.input.outputs, snakemake.output[0])
