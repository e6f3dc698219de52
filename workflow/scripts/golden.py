from pathlib import Path

from nanotrigger.data.golden import golden
from nanotrigger.job import job

with job(snakemake) as plan:
    stanza = plan.config.datasets.get(plan.config.run.dataset)
    tables = Path(snakemake.input.models), Path(snakemake.params.table)
    golden(stanza, snakemake.input, snakemake.output[0], *tables)
