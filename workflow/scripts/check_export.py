from pathlib import Path

from nanotrigger.job import job
from nanotrigger.results.export import check_whole
from nanotrigger.results.metrics import check_export

with job(snakemake):
    name = f"{snakemake.wildcards.model}, seed {snakemake.wildcards.seed}"
    check_whole(Path(snakemake.input.qonnx))
    check_export(name, snakemake.input, snakemake.output)
