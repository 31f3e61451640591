"""Checks ONNX files with onnx's own checker and runs them with onnxruntime.

Reads from the file that is named a list of `{"model": …, "input": …, "reference": …, "dtype": …}`; `input` and
`reference` are paths of what torch.save wrote, a tensor, or a dict with `input` or `logits`. Prints for each what is
in the model, and each image's relative distance of its logits from the reference.
"""

import gzip
import io
import json
import sys

import numpy as np
import onnx
import onnxruntime
import torch


def load(path, key):
    data = gzip.open(path).read() if path.endswith(".gz") else open(path, "rb").read()
    value = torch.load(io.BytesIO(data))
    return (value[key] if isinstance(value, dict) else value).numpy()


def pixels(normalised):
    """The 8-bit NHWC images that were normalised with ImageNet's mean and deviation; exact, or an error."""
    mean = np.array([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1)
    std = np.array([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1)
    values = (normalised.astype(np.float64) * std + mean) * 255
    assert np.abs(values - values.round()).max() < 1e-3, "these were no pixels"
    return values.round().astype(np.uint8).transpose(0, 2, 3, 1)


def dims(value):
    return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]


def float16_weights(model, plain):
    """How many weights are stored as float16, and whether these are numpy's roundings of the plain model's."""
    stored = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer if i.data_type == onnx.TensorProto.FLOAT16}
    exact = {i.name: onnx.numpy_helper.to_array(i) for i in plain.graph.initializer}
    casts = {node.input[0]: node.output[0] for node in model.graph.node if node.op_type == "Cast"}
    same = all(np.array_equal(value, exact[casts[name]].astype(np.float16)) for name, value in stored.items())
    return {"count": len(stored), "rounded": same}


def check(job):
    model = onnx.load(job["model"])
    onnx.checker.check_model(model, full_check=True)
    inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    known = {value.name for value in [*inferred.graph.value_info, *inferred.graph.output]}
    result = {
        "opset": [entry.version for entry in model.opset_import],
        "ops": [node.op_type for node in model.graph.node],
        "names": [node.name for node in model.graph.node],
        "values": [node.output[0] for node in model.graph.node],
        "unknownShapes": [o for node in model.graph.node for o in node.output if o not in known],
        "inputs": [[v.name, v.type.tensor_type.elem_type, dims(v)] for v in model.graph.input],
        "outputs": [[v.name, v.type.tensor_type.elem_type, dims(v)] for v in model.graph.output],
        "metadata": {p.key: p.value for p in model.metadata_props},
        "producer": [model.producer_name, model.producer_version],
    }
    if "plain" in job:
        result["float16"] = float16_weights(model, onnx.load(job["plain"]))
    if "input" in job:
        images = load(job["input"], "input").astype(np.float32)
        feed = pixels(images) if job.get("pixels") else images
        reference = load(job["reference"], "logits").astype(np.float64)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
        (logits,) = session.run(None, {"input": feed})
        norm = np.linalg.norm
        result["errors"] = [norm(a - b) / norm(b) for a, b in zip(logits.astype(np.float64), reference, strict=True)]
    return result


with open(sys.argv[1]) as file:
    json.dump([check(job) for job in json.load(file)], sys.stdout)
