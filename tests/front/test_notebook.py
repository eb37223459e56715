"""The notebook that ships runs from its first cell to its last, and progress is shown in one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not (find_spec("nbclient") and find_spec("ipykernel")), reason="needs nbclient")
ROOT = Path(__file__).parents[2]
EXECUTE = """
import nbclient, nbformat
notebook = nbformat.read("asked.ipynb", as_version=4)
nbformat.write(nbclient.NotebookClient(notebook, timeout=300).execute(), "done.ipynb")
"""
BAR = """
from profiler.reporting.progress import Bar
with Bar() as bar:
    for done in (1, 2):
        bar.step("words <b>", done, 2, "1 item/s")
"""


def outputs(notebook: Any, folder: Path) -> list[Any]:
    """What the cells show, once they were carried out in FOLDER by this Python and these packages."""
    kernel = folder / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    start = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": start, "display_name": "Python 3", "language": "python"}), "utf-8")
    (folder / "asked.ipynb").write_text(json.dumps(notebook), "utf-8")
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    ours = os.environ | {"JUPYTER_PATH": str(folder), "JUPYTER_PREFER_ENV_PATH": "0", "PYTHONPATH": path}
    told = subprocess.run([sys.executable, "-c", EXECUTE], cwd=folder, env=ours, capture_output=True, text=True)
    assert told.returncode == 0, told.stderr
    done = json.loads((folder / "done.ipynb").read_text("utf-8"))
    return [shown for cell in done["cells"] for shown in cell.get("outputs", [])]


def test_the_notebook_runs_and_shows_what_changed(tmp_path: Path) -> None:
    notebook = json.loads((ROOT / "examples" / "notebook.ipynb").read_text("utf-8"))
    if not (find_spec("pandas") or find_spec("polars")):  # of two cells
        notebook["cells"] = [cell for cell in notebook["cells"] if "to_frame" not in "".join(cell["source"])]
    shown = outputs(notebook, tmp_path)
    assert all(output["output_type"] == "execute_result" for output in shown), shown
    assert "<table" in "".join(shown[0]["data"]["text/html"])
    assert "vega" in "".join(shown[1]["data"]["text/html"])


def test_progress_in_a_notebook_is_one_bar_that_moves(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": [BAR]}
    (bar,) = outputs({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 4}, tmp_path)
    told = "".join(bar["data"]["text/html"])
    assert '<progress value="2" max="2"></progress>' in told
    assert "words &lt;b&gt; 2/2  1 item/s" in told
