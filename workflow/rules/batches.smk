"""Exports and designs of a large run, many in a job: see nanotrigger.batches. Each rule is one above, for all of a batch."""

from snakemake.io import is_callable, strip_wildcard_constraints
from snakemake.iocontainers import Wildcards

from nanotrigger.batches import shared

BATCHED = {
    "export": "Exporting",
    "check_export": "Checking the QONNX files of",
    "create_project": "Creating the projects of",
    "emulate": "Emulating",
    "synthesize": "Synthesising",
    "simulate_netlist": "Simulating the netlists of",
    "read_report": "Reading the reports of",
}

OF_DESIGNS = tuple(BATCHED)[2:]


def members(wildcards) -> list:
    """Wildcards of each member that a batch has, in a flow if there is one."""
    flow = getattr(wildcards, "flow", None)
    return [
        Wildcards(
            fromdict={
                "model": model,
                "seed": str(seed),
                **({"flow": flow} if flow else {}),
            }
        )
        for model, seed in PLAN.batches[wildcards.batch]
        if not flow or (model, flow) in PLAN.kinds
    ]


def of_rule(items, wildcards, code=()) -> dict:
    """What a rule says of its inputs or parameters: patterns of paths, and values of its functions for these wildcards.

    code: the source files, where they are known from another member.
    """
    found = {}
    for name, item in items._allitems():
        if name == "code" and code:
            found[name] = code
        elif is_callable(item):
            found[name] = (getattr(item, "callable", None) or item)(wildcards)
        else:
            found[name] = list(map(str, item)) if isinstance(item, list) else str(item)
    return found


def resource_of(rule, name: str):
    resource = rule.resources[name]
    return resource._evaluator or resource.value


def batch_runtime(rule):
    """Minutes that a batch may take: those of a member, for each."""
    return lambda wildcards: resource_of(rule, "runtime") * len(members(wildcards))


def batch_step(rule):
    """Parameters of a batch's job: what its members share, and what each has of its own."""

    def step(wildcards) -> dict:
        own, code = [], ()
        for member in members(wildcards):
            entry = {
                "wildcards": dict(member.items()),
                "input": of_rule(rule.input, member, code),
                "params": of_rule(rule.params, member),
            }
            code = entry["input"].get("code", ())
            own.append(entry)
        output = {
            name or "": strip_wildcard_constraints(path)
            for name, path in rule.output._allitems()
        }
        log = strip_wildcard_constraints(rule.log[0])
        script = Path(workflow.basedir, "workflow/scripts", f"{rule.name}.py")
        here = Path.cwd()
        script = script.relative_to(here) if script.is_relative_to(here) else script
        return {
            **shared(rule.name, str(script), log, output, own),
            "members": own,
        }

    return step


def batch_inputs(rule):
    """Files that the members read: of those that come from a batch too, their lists."""

    def inputs(wildcards) -> list[str]:
        found, code = {}, ()
        for member in members(wildcards):
            entry = of_rule(rule.input, member, code)
            if not code:
                code = entry.pop("code", ())
                found |= dict.fromkeys(code)
            else:
                entry.pop("code", None)
            for value in entry.values():
                for path in [value] if isinstance(value, str) else value:
                    found[as_list(path, wildcards)] = None
        return list(found)

    return inputs


def as_list(path: str, wildcards) -> str:
    """The list that holds a member's file; any other path as it is."""
    if path.startswith(f"{RESULTS}/models/"):
        return batch_file(Path(path).name).format(batch=wildcards.batch)
    if path.startswith(f"{RESULTS}/hardware/"):
        return batch_file(Path(path).name, "flow").format(**dict(wildcards.items()))
    return path


for batched, doing in BATCHED.items() if PLAN.batches else ():
    base = getattr(rules, batched).rule
    of_design = batched in OF_DESIGNS

    rule:
        name:
            f"{batched}_batch"
        input:
            batch_inputs(base),
            script=f"{workflow.basedir}/workflow/scripts/{batched}.py",
        output:
            [
                batch_file(Path(path).name, *(["flow"] if of_design else []))
                for path in base.output
            ],
        log:
            logs(f"{batched}_batch", "batch", *(["flow"] if of_design else [])),
        benchmark:
            benchmarks(f"{batched}_batch", "batch", *(["flow"] if of_design else []))
        wildcard_constraints:
            batch=r"\d{4}",
        priority: base.priority
        resources:
            **{
                name: resource_of(base, name)
                for name in base.resources
                if name in (*LICENCES, "mem_mb")
            },
            runtime=batch_runtime(base),
        params:
            step=batch_step(base),
        message:
            f"{doing} batch {{wildcards.batch}}"
            + (" in {wildcards.flow}" if of_design else "")
        script:
            "../scripts/batch.py"
