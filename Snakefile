from snakemake.utils import min_version

min_version("9.0")


# the working folder's own, or that of this workflow
CONFIG = "config/config.yaml"
if not os.path.exists(CONFIG):
    CONFIG = os.path.join(workflow.basedir, CONFIG)


configfile: CONFIG


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

    include: os.path.abspath(rules_file)


rule all:
    default_target: True
    input:
        final_outputs(),


onstart:
    note_locks(
        getattr(workflow.persistence, "_lockfile", {}).values(),
        queued=workflow.non_local_exec,
    )
    for unfinished in ("tables/hardware_unfinished.csv", "report_unfinished.html"):
        try:
            Path(RESULTS, unfinished).unlink(missing_ok=True)
        except OSError as error:
            raise WorkflowError(
                storage_message(error, RESULTS) or str(error)
            ) from None


onsuccess:
    remove_empty(Path("logs", RUN.name, step) for step in GATHERED)


onerror:
    with told_if_not_written(RESULTS):
        if table := write_unfinished(
            PLAN, Path(RESULTS), Path("logs", RUN.name), STARTED, BATCHES
        ):
            print(f"Designs so far, and what failed in the others: {table}")
        print(f"Report of what there is: {report_unfinished()}")
    for log in killed(Path("logs", RUN.name), STARTED):
        print(
            f"Killed, or still running: the end of its log:\n{end_of(log, 15)}\n(log: {log})"
        )
    remove_empty(Path("logs", RUN.name, step) for step in GATHERED)
