from nanotrigger.job import job
from nanotrigger.results.comparisons import compare_models

with job(snakemake) as plan:
    compare_models(plan, snakemake.input, snakemake.output)
