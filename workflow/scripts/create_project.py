from pathlib import Path

from nanotrigger.job import job
from nanotrigger.results.designs import create_project
from nanotrigger.results.export import check_whole

with job(snakemake) as plan:
    source = Path(snakemake.input.model)
    kind = plan.kinds[snakemake.wildcards.model, snakemake.wildcards.flow]
    if kind == "qonnx":
        check_whole(source)
    artifact = source if kind == "qonnx" else source / f"export.{kind}"
    create_project(plan.flows[snakemake.wildcards.flow], artifact, kind, snakemake.output[0])
