from pathlib import Path

from nanotrigger.data.dataset import read_dataset
from nanotrigger.job import job

with job(snakemake) as plan:
    folder, stanza = Path(snakemake.output[0]), snakemake.wildcards.stanza
    jobs = plan.jobs(stanza, folder, folder.parents[1], int(snakemake.wildcards.chunk))
    data = read_dataset(snakemake.input.data) if snakemake.input.data else None
    plan.stanzas[stanza].module.train(data, jobs)
