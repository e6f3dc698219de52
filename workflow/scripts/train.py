from pathlib import Path

from nanotrigger.data.dataset import read_dataset
from nanotrigger.job import job

with job(snakemake) as plan:
    folder = Path(snakemake.output[0])
    jobs = plan.jobs(snakemake.wildcards.stanza, folder, folder.parent)
    data = read_dataset(snakemake.input.data) if snakemake.input.data else None
    plan.stanzas[snakemake.wildcards.stanza].module.train(data, jobs)
