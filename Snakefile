from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"


if RUN.dataset:

    include: "workflow/rules/data.smk"


include: "workflow/rules/golden.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/emulate.smk"
include: "workflow/rules/synthesize.smk"
include: "workflow/rules/members.smk"
include: "workflow/rules/batches.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/papers.smk"
include: "workflow/rules/provenance.smk"


for rules_file in PLAN.config.custom_rules:

    include: rules_file


rule all:
    default_target: True
    input:
        final_outputs(),


onstart:
    for unfinished in ("tables/hardware_unfinished.csv", "report_unfinished.html"):
        Path(RESULTS, unfinished).unlink(missing_ok=True)


onerror:
    if table := write_unfinished(
        PLAN, Path(RESULTS), Path("logs", RUN.name), STARTED
    ):
        print(f"Designs so far, and what failed in the others: {table}")
    print(f"Report of what there is: {report_unfinished()}")
