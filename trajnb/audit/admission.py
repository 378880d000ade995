"""Who may go on: nothing is trained or evaluated on data that the audit finds severe, unless a person forces it.

Then every folder of products holds a mark that says so (trajnb.files.MARK), and whatever is made of them repeats it.
"""

from pathlib import Path

from trajnb import files
from trajnb.audit import material
from trajnb.audit.examination import audit
from trajnb.audit.findings import CHECKS, SEVERE, AuditError


def admit(cfg, folder, data_dir=None, made_from=()):
    """The first act of every training and evaluation: a sentence with the audit's verdict on its data.

    These are the run's own, or those in `data_dir`; they are audited if nobody has. Raises AuditError where a finding
    is severe and `cfg.force` is false; where it is true, the data and `folder` are marked. `made_from`: folders of
    products that go into `folder`'s; a mark on one of them is a mark on these, whatever the data are now.
    """
    data_dir = Path(data_dir or cfg.stage_dir("data"))
    found, inherited = known(data_dir), [text for text in map(files.mark, made_from) if text]
    wrong = severe(found)
    if wrong and not cfg.force:
        raise AuditError(refusal(wrong))
    set_mark(data_dir, forced(wrong) if wrong else "")
    mark = set_mark(Path(folder), forced(wrong) if wrong else inherited[0] if inherited else "")
    if mark:
        return mark
    made = len(CHECKS) - len(found["not_checked"])
    return f"The audit made {made} of its {len(CHECKS)} checks on {found['looked']['clips']:,} clips: nothing severe."


def set_mark(folder, text):
    """Leave this mark in a folder, or none; returns the text."""
    if text:
        files.write_text(folder / files.MARK, text + "\n")
    else:
        (folder / files.MARK).unlink(missing_ok=True)
    return text


def known(data_dir):
    """audit.json of a data folder of ours as a dict; made now unless it is there and of these very data."""
    return saved(data_dir) or files.read_json(audit(data_dir).save(data_dir))


def saved(data_dir):
    """audit.json as a dict if it is of the data that lie beside it, else None."""
    try:
        found = files.read_json(Path(data_dir) / "audit.json")
        return found if found["looked"]["data"] == material.identity(Path(data_dir)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def severe(found):
    """The severe findings in an audit.json: [{"name", "evidence", "mend", ..}]; none for None."""
    return [test for test in (found or {"tests": []})["tests"] if test["found"] and test["severity"] == SEVERE]


def refusal(wrong):
    """The sentence that refuses data with these severe findings."""
    more = f", and {len(wrong) - 1} more severe findings" if len(wrong) > 1 else ""
    what = f"the audit refuses these data: {wrong[0]['name']}: {wrong[0]['evidence']}{more}"
    return f"{what}: {wrong[0]['mend'].rstrip('.')}, or go on all the same with --force (force: true in a notebook)."


def forced(wrong):
    """The mark of what is made of such data."""
    names = "; ".join(dict.fromkeys(test["name"] for test in wrong))
    return f"FORCED: made of data that the audit finds severe ({names}): no number in it means what it says."
