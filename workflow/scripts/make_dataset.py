from pathlib import Path

from nanotrigger.data.make import make_dataset
from nanotrigger.job import job

with job(snakemake) as plan:
    stanza = plan.config.datasets[plan.config.run.dataset]
    make_dataset(stanza, snakemake.input.jets, snakemake.output[0], Path(snakemake.params.table))
