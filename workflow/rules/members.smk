"""Members of a batch: what their rule says of each, and the lists that stand for their files."""

from snakemake.io import is_callable, strip_wildcard_constraints
from snakemake.iocontainers import Wildcards

from nanotrigger.batches import shared


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
    """Inputs or parameters as they stand in a rule, by name; the values of functions for these wildcards.

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
