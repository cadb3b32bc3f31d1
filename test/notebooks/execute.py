"""Runs a notebook from start to end with nbclient, in the folder where it lies, and writes it back with its outputs.

A cell that fails ends the run with its traceback and exit code 1; what ran before is written all the same.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

path = Path(sys.argv[1])
notebook = nbformat.read(path, as_version=4)
client = NotebookClient(
    notebook,
    kernel_name=notebook.metadata.kernelspec.name,
    timeout=int(sys.argv[2]),
    resources={"metadata": {"path": str(path.parent)}},
)
try:
    client.execute()
except CellExecutionError as error:
    sys.exit(str(error))
finally:
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
