from nanotrigger.job import job
from nanotrigger.results.designs import synthesize

with job(snakemake) as plan:
    flow = plan.flows[snakemake.wildcards.flow]
    synthesize(flow, snakemake.input.project, snakemake.output.outcome, snakemake.output.files)
