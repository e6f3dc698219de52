from pathlib import Path

from nanotrigger.job import job
from nanotrigger.results.designs import begin
from nanotrigger.results.export import check_whole

with job(snakemake) as plan:
    flow, source = plan.flows[snakemake.wildcards.flow], Path(snakemake.input.model)
    kind = plan.kinds[snakemake.wildcards.model, snakemake.wildcards.flow]
    folder = Path(snakemake.output[0])
    if kind == "qonnx":
        check_whole(source)
    begin(folder)
    folder.mkdir(parents=True)
    flow.module.create_project(source if kind == "qonnx" else source / f"export.{kind}", kind, folder, flow.params)
