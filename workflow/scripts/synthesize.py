from pathlib import Path

from nanotrigger.job import job
from nanotrigger.results.designs import begin
from nanotrigger.results.records import write_json

with job(snakemake) as plan:
    flow = plan.flows[snakemake.wildcards.flow]
    begin(snakemake.input.project)
    write_json(snakemake.output[0], flow.module.synthesize(Path(snakemake.input.project), flow.params))
