from pathlib import Path

from nanotrigger.job import job
from nanotrigger.report.source import Source
from nanotrigger.report.write import write_report

with job(snakemake) as plan:
    path = Path(snakemake.output[0])
    write_report(Source.of(plan, path.parent, snakemake.input, figures=snakemake.params.figures), path)
