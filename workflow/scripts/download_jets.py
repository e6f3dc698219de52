from pathlib import Path

from nanotrigger.data.published import download
from nanotrigger.job import job

with job(snakemake):
    download(snakemake.wildcards.name, snakemake.output[0], Path(snakemake.input.table))
