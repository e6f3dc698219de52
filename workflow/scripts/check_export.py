from nanotrigger.job import job
from nanotrigger.results.metrics import check_export

with job(snakemake):
    name = f"{snakemake.wildcards.model}, seed {snakemake.wildcards.seed}"
    check_export(name, snakemake.input, snakemake.output)
