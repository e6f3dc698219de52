from nanotrigger.batches import run_batch
from nanotrigger.job import job

with job(snakemake, recorded=False) as plan:
    run_batch(plan, snakemake)
