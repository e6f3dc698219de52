import os
from pathlib import Path

from nanotrigger.data.download import fetch
from nanotrigger.data.sources import dataset_files
from nanotrigger.job import job

# the progress bar goes to the terminal, if there is one, since the job's output goes to its log
terminal = os.fdopen(os.dup(2), "w") if os.isatty(2) else None
with job(snakemake):
    table, names = Path(snakemake.input.table), snakemake.wildcards
    (source,) = [s for s in dataset_files(names.name, table) if s.file == names.file]
    fetch(source, snakemake.output[0], table, terminal=terminal)
