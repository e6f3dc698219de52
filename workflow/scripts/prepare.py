from pathlib import Path

from nanotrigger.data.dataset import read_dataset
from nanotrigger.job import job

with job(snakemake) as plan:
    output = Path(snakemake.output[0])
    step = next(s for s in plan.stanzas[snakemake.wildcards.stanza].steps if s.output == output.name)
    data = read_dataset(snakemake.input.data) if step.data else None
    jobs = plan.jobs(snakemake.wildcards.stanza, output.parent / "trained", output.parent)
    step.run(data, jobs, {name: output.parent / name for name in step.needs}, output)
