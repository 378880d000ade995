"""A run as a Process Run Crate: ro-crate-metadata.json, by which repositories and other programs understand it.

One CreateAction for each stage: its notebook was the instrument, parameters and what earlier stages left the object,
the files it left the result. The same facts as in the manifests (provenance.py), and no others.
https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate
"""

import mimetypes

from rocrate.model import ContextEntity
from rocrate.rocrate import ROCrate

from trajnb import __version__, files
from trajnb.runs import provenance, record

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
SHA256 = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
LICENCE = "https://spdx.org/licenses/MIT"
MORE_TYPES = {".ipynb": "application/x-ipynb+json", ".parquet": "application/vnd.apache.parquet", ".yaml": "text/yaml"}


def write(run_dir):
    """Write ro-crate-metadata.json of a run's folder, if any of its stages has a manifest; returns its path or None."""
    known, run = provenance.manifests(run_dir), record.read(run_dir)
    if not known:
        return None
    crate = ROCrate(version="1.1")
    crate.metadata.extra_terms.update(SHA256)
    crate.name = f"trajnb run {run_dir.name}"
    crate.description = "Video networks compared on how objects move: data, trainings, evaluation, executed notebooks."
    root = crate.root_dataset
    root["datePublished"] = run.get("ended") or run["started"]
    root["license"] = crate.add(entity(crate, LICENCE, "CreativeWork", name="MIT License"))
    root["conformsTo"] = crate.add(entity(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5"))
    for one in known.values():
        for path, out in one["outputs"].items():
            crate.add_file(dest_path=path, properties=described(path, out))
    for one in known.values():
        root.append_to("mentions", action(crate, one))
    return files.write_json(run_dir / provenance.CRATE, crate.metadata.generate())


def entity(crate, identifier, kind, **properties):
    """Something of which the crate speaks and which is no file in it."""
    return ContextEntity(crate, identifier, {"@type": kind} | properties)


def described(path, out):
    """What the crate says of a file."""
    suffix = f".{path.rpartition('.')[2]}"
    kind = MORE_TYPES.get(suffix) or mimetypes.guess_type(path)[0] or "application/octet-stream"
    return {"name": path, "contentSize": str(out["bytes"]), "sha256": out["sha256"], "encodingFormat": kind}


def action(crate, one):
    """What a stage did, from its manifest."""
    code, stage = one["code"], one["stage"]
    version = " ".join(filter(None, [__version__, code["commit"], code["changes"] and "and changes"]))
    own = {"name": f"notebook {one['notebook']}", "softwareVersion": version, "sha256": code["notebook"]}
    tool = entity(crate, f"#{one['notebook']}", "SoftwareApplication", **own)
    done = one["status"] == "done"
    said = {
        "name": stage,
        "startTime": one["started"],
        "endTime": one["ended"],
        "description": " ".join(one["command"]),
    }
    said |= {"actionStatus": f"http://schema.org/{'Completed' if done else 'Failed'}ActionStatus"}
    said |= {} if done else {"error": one["error"] or one["status"]}
    given = [path for path in [f"{stage}/params.yaml", *one["inputs"]] if crate.get(path)]
    results = [crate.get(path) for path in one["outputs"] if path not in given]
    given = [crate.get(path) for path in given]
    return crate.add_action(crate.add(tool), f"#{stage}", object=given, result=results, properties=said)
