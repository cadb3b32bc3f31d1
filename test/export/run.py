"""Checks an ONNX file with onnx and runs it with onnxruntime on the CPU: run.py model.onnx inputs.json outputs.json.

Tensors are JSON objects of type, dims and data. Prints the metadata and the names of dimensions as JSON."""

import json
import sys

import numpy as np
import onnx
import onnxruntime

TYPES = {"float32": np.float32, "int32": np.int32, "uint8": np.uint8, "bool": np.bool_}


def main(model_path: str, inputs_path: str, outputs_path: str) -> None:
    model = onnx.load(model_path)
    onnx.checker.check_model(model, full_check=True)
    with open(inputs_path) as file:
        feeds = {
            name: np.array(t["data"], dtype=TYPES[t["type"]]).reshape(t["dims"]) for name, t in json.load(file).items()
        }
    session = onnxruntime.InferenceSession(model_path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    results = dict(zip(names, session.run(names, feeds)))
    with open(outputs_path, "w") as file:
        json.dump(
            {name: {"type": str(r.dtype), "dims": list(r.shape), "data": r.ravel().tolist()} for name, r in results.items()},
            file,
        )
    ports = {port.name: port.shape for port in [*session.get_inputs(), *session.get_outputs()]}
    print(json.dumps({"metadata": session.get_modelmeta().custom_metadata_map, "dims": ports}))


if __name__ == "__main__":
    main(*sys.argv[1:])
