"""The provenance of a run as an RO-Crate (1.1, profile Process Run Crate 0.5): what repositories such as Zenodo can read."""

import uuid
from pathlib import Path
from typing import Any

from nanotrigger.errors import NanotriggerError
from nanotrigger.results.job_records import read_records
from nanotrigger.results.records import read_json, write_json

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
HASH_TERM = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}


def write_crate(provenance: str, path: str) -> None:
    """Write `ro-crate-metadata.json` into the folder of a run, which makes that folder a crate.

    Raises NanotriggerError where rocrate is not installed.
    """
    try:
        from rocrate.model.contextentity import ContextEntity
        from rocrate.rocrate import ROCrate
    except ImportError:
        raise NanotriggerError("the target ro_crate needs the package rocrate: pip install rocrate.") from None
    stated, results = read_json(Path(provenance)), Path(path).parent
    crate = ROCrate()
    crate.name = f"nanotrigger: {stated['run']}"
    crate.description = (
        f"Results of the run {stated['run']}: jets, trained networks, hardware designs, tables and figures."
    )
    crate.license = "https://spdx.org/licenses/Apache-2.0"
    crate.datePublished = stated["written"]
    crate.metadata.extra_terms.update(HASH_TERM)
    profile = crate.add(
        ContextEntity(crate, PROFILE, {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"})
    )
    crate.root_dataset["conformsTo"] = profile
    entities: dict[str, Any] = {}
    for name, entry in stated["files"].items():
        properties = {"contentSize": str(entry["bytes"]), "sha256": entry["sha256"]}
        entities[name] = crate.add_file(dest_path=str(Path(name).relative_to(results)), properties=properties)
    tools: dict[str, Any] = {}
    actions = []
    records = read_records(results)
    for job, entry in stated["jobs"].items():
        record = records[job]
        script = record["script"]
        if script not in tools:
            properties = {
                "@type": "SoftwareApplication",
                "name": script,
                "softwareVersion": str(entry["git"]["commit"]),
            }
            tools[script] = crate.add(ContextEntity(crate, f"#{script}", properties))
        environment = stated["environments"][entry["environment"]]
        properties = {"@type": "CreateAction", "name": job, "startTime": entry["started"], "endTime": entry["ended"]}
        properties["description"] = f"git dirty: {entry['git']['dirty']}; Python {environment['python']}"
        action = crate.add(ContextEntity(crate, f"#{uuid.uuid5(uuid.NAMESPACE_URL, job)}", properties))
        action["instrument"] = tools[script]
        for key, listed in (("object", record["input"]["values"]), ("result", record["output"]["values"])):
            action[key] = [entity for entity_name, entity in entities.items() if _within(entity_name, listed)]
        actions.append(action)
    crate.root_dataset["mentions"] = actions
    write_json(Path(path), crate.metadata.generate())


def _within(name: str, listed: list[str]) -> bool:
    return any(Path(name).is_relative_to(path) for path in listed)
