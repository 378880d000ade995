"""The static site of a run: index.html and one page for each executed notebook, for any browser, from a file.

The same files give the same bytes. What pages may contain stands in markup.py.
"""

import io
import itertools
import zipfile
from urllib.parse import quote, unquote

from bs4 import BeautifulSoup

from trajnb import files
from trajnb.report import gallery, markup, notebook, overview, report, results, stage

CALLS = {"leaderboard": "leaderboard.save(", "verdict": "report.verdict("}  # what a cell that computed them holds
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date that a zip file can hold


def build(run_dir):
    """Write the run's REPORT.md, index.html and its notebooks' pages; returns the path of the index.

    Tables and notebooks that are missing or cut are said to be so. Raises as `results.record` does.
    """
    run = results.record(run_dir)
    report.write(run_dir)
    stages = [stage.read(run_dir, *row, run["stages"][row[0]].get("error", "")) for row in report.stages(run)]
    outlines = {one.name: one.cells for one in stages if one.done}
    figures, makers = gallery.figures(run_dir, outlines), computed(run_dir, outlines)
    for one in stages:
        write_page(run_dir, run, one, made(one.name, figures, makers))
    html = markup.page("index.html.j2", run=run, stages=stages, makers=makers, **shown(run_dir, run, stages, figures))
    return files.write_text(run_dir / "index.html", html)


def shown(run_dir, run, stages, figures):
    """What else the index shows, by the names of its template."""
    table, tables = results.leaderboard(run_dir), [run_dir / name for name in results.WORDS]
    groups = itertools.groupby(figures, lambda figure: gallery.title(figure.stage))
    return {
        "quiet": stage.QUIET,
        "ended": overview.minute(overview.moment(run.get("ended"))),
        "smoke": report.smoke(run),
        "errors": errors(run, stages),
        "broken": list(results.broken(run_dir)),
        "verdict": report.paragraphs(report.verdict(table, run, results.comparisons(run_dir))),
        "trust": results.trust(run_dir),
        "table": report.rows(table) if table is not None else None,
        "baselines": [] if table is None else report.contenders(table)[2]["model"].tolist(),
        "tables": [path.name for path in tables if path.is_file() and not path.is_symlink()],
        "figures": [(title, list(group)) for title, group in groups],
        "changed": {name: report.written(value) for name, value in report.changed(run).items()},
    }


def errors(run, stages):
    """(stage, first lines of its error, cell that raised or None) of all that did not finish, or what ended the run."""
    found = [(one.name, one.error, one.failed_cell) for one in stages if one.error]
    return found or ([(run["run"], stage.first_lines(run["error"]), None)] if run.get("error") else [])


def computed(run_dir, outlines):
    """{result: (stage, cell)}: which cell of the stages {name: [Cell]} computed the leaderboard and the verdict."""
    if results.leaderboard(run_dir) is None:
        return {}
    found = {}
    for (name, cells), (result, call) in itertools.product(outlines.items(), CALLS.items()):
        cell = notebook.holder(cells, call)
        if cell and result not in found:
            found[result] = (name, cell)
    return found


def made(name, figures, makers):
    """{number of a cell of the stage: [(anchor, words)]}: what of it the index shows."""
    found = {}
    for figure in figures:
        if figure.stage == name and figure.cell:
            found.setdefault(figure.cell.number, []).append((figure.anchor, figure.caption))
    for result, (maker, cell) in makers.items():
        if maker == name:
            found.setdefault(cell.number, []).append((result, result.capitalize()))
    return found


def write_page(run_dir, run, one, made):
    """Write a stage's page, or remove an old one where there is no notebook any more."""
    if one.page:
        notebook.write(run_dir / one.name, one.notebook, made, run=run, stage=one, smoke=report.smoke(run))
    elif stage.FOLDER.fullmatch(one.name) and (run_dir / one.name / notebook.PAGE).is_file():
        (run_dir / one.name / notebook.PAGE).unlink()


def zipped(run_dir):
    """Build the site anew and pack it as <run>-site.zip in the run's folder; returns its path.

    In it is one folder with what the index links to and no more, so that it opens wherever it is unpacked. Dates are
    fixed and names sorted: the same files give the same bytes.
    """
    index = build(run_dir)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in sorted(["index.html", *linked(index.read_text("utf-8"))]):
            entry = zipfile.ZipInfo(f"{run_dir.name}/{name}", EPOCH)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            archive.writestr(entry, (run_dir / name).read_bytes())
    return files.write_bytes(run_dir / f"{run_dir.name}-site.zip", packed.getvalue())


def linked(html):
    """The files that a page of our own shows or links to, as a set of relative paths."""
    tags = BeautifulSoup(html, "html.parser")(["a", "img"])
    links = {tag.get("href") or tag.get("src") for tag in tags}
    return {unquote(link.split("#")[0]) for link in links if not link.startswith("#")}


def gather(outputs_dir):
    """Write index.html of a folder of runs, a row for each with a link to its page; returns its path."""
    rows = overview.past(outputs_dir)
    paged = [row.name for row in rows if (outputs_dir / row.name / "index.html").is_file()]
    html = markup.page(
        "runs.html.j2",
        rows=rows,
        quiet=stage.QUIET,
        links={name: f"{quote(name)}/index.html" for name in paged},
        readable=[row.name for row in rows if not row.problem],
        sides=list(overview.sides(rows)),
    )
    return files.write_text(outputs_dir / "index.html", html)
