from snakemake.utils import min_version

min_version("9.0")


configfile: "config/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/export.smk"
include: "workflow/rules/emulate.smk"
include: "workflow/rules/synthesize.smk"
include: "workflow/rules/collect.smk"
include: "workflow/rules/report.smk"


for rules_file in PLAN.config.custom_rules:

    include: rules_file


rule all:
    default_target: True
    input:
        final_outputs(),
