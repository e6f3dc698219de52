from nanotrigger.job import job
from nanotrigger.results.ablation import ablation

with job(snakemake) as plan:
    ablation(plan, snakemake.input, snakemake.output)
