from nanotrigger.job import job
from nanotrigger.results.tables import collect

with job(snakemake) as plan:
    collect(plan, snakemake.input, snakemake.output)
