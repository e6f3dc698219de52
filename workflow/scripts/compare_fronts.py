from nanotrigger.job import job
from nanotrigger.results.fronts import compare_fronts

with job(snakemake) as plan:
    compare_fronts(plan, snakemake.input, snakemake.output)
