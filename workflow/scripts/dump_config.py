from pathlib import Path

import yaml

from nanotrigger.job import job

with job(snakemake):
    Path(snakemake.output[0]).write_text(yaml.safe_dump(snakemake.params.config, sort_keys=False))
