from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


if RUN.dataset:

    include: "workflow/rules/data.smk"


include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/emulate.smk"
include: "workflow/rules/synthesize.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/provenance.smk"


for rules_file in PLAN.config.custom_rules:

    include: rules_file


rule all:
    default_target: True
    input:
        final_outputs(),


onstart:
    Path(RESULTS, "tables/hardware_unfinished.csv").unlink(missing_ok=True)


onerror:
    if table := write_unfinished(
        PLAN, Path(RESULTS), Path("logs", RUN.name), STARTED
    ):
        print(f"Designs so far, and what failed in the others: {table}")
