from nanotrigger.job import job
from nanotrigger.results.checks import check_results

with job(snakemake) as plan:
    check_results(plan, snakemake.input.models, snakemake.input.hardware, snakemake.output[0])
