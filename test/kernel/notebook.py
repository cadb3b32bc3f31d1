"""Runs a small notebook with nbclient as the tests and papermill do, and prints it as JSON; then its script form."""

import json
import sys

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter, ScriptExporter

cells = json.loads(sys.argv[1])
notebook = nbformat.v4.new_notebook(
    cells=[nbformat.v4.new_code_cell(source) for source in cells],
    metadata={"kernelspec": {"name": "kvlab", "display_name": "kvlab", "language": "typescript"}},
)
NotebookClient(notebook, timeout=60, kernel_name="kvlab", allow_errors=True).execute()
nbformat.validate(notebook)
script, resources = ScriptExporter().from_notebook_node(notebook)
html, _ = HTMLExporter().from_notebook_node(notebook)
print(
    json.dumps(
        {
            "cells": [cell["outputs"] for cell in notebook.cells],
            "script": script,
            "extension": resources["output_extension"],
            "language": notebook.metadata["language_info"]["name"],
            "html": "Two <b>words" in html and "<table>" in html,
        }
    )
)
