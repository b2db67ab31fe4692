"""Sphinx configuration; the notebook page is made from ``experiments/microcircuit.py``."""

import re
from importlib import metadata
from pathlib import Path
from typing import Any

import nbformat

HERE = Path(__file__).parent
project = "spinn_mam"
author = "spinn_mam developers"
copyright = author
version = release = metadata.version("spinn-mam")

extensions = ["myst_nb", "sphinx.ext.mathjax", "sphinxcontrib.bibtex"]
source_suffix = {".md": "myst-nb", ".ipynb": "myst-nb"}
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "furo"
html_title = f"spinn_mam {release}"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
bibtex_bibfiles = ["references.bib"]
bibtex_default_style = "plain"
nb_execution_mode = "auto"
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True


def notebook(script: Path) -> str:
    """Turn a script with ``# %%`` cells into a notebook."""
    cells: list[Any] = []
    for kind, body in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", script.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
        if kind:
            cells.append(nbformat.v4.new_markdown_cell("\n".join(line.removeprefix("#").removeprefix(" ") for line in body.strip().split("\n"))))
        else:
            cells.append(nbformat.v4.new_code_cell(body.strip()))
    # figures are shown as pictures only by a kernel that is told so; the line is not part of the page
    cells.insert(0, nbformat.v4.new_code_cell("%matplotlib inline", metadata={"tags": ["remove-cell"]}))
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return str(nbformat.writes(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})))


def write_if_new(path: Path, text: str) -> None:
    """Leave a file alone that is as it should be, so that it is not built again."""
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


write_if_new(HERE / "microcircuit.ipynb", notebook(HERE.parent / "experiments" / "microcircuit.py"))
