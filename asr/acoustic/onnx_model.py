"""Exports the acoustic network as an ONNX file that is independent of Yibian: normalised features to log-likelihoods.

Writes one .onnx file, the same bytes for the same model.

export_onnx(AcousticModel.load(Path("exp/mini/asgd")), Path("exp/mini/asgd/final.onnx"))
session = onnxruntime.InferenceSession("exp/mini/asgd/final.onnx")
loglikes, log_posteriors = session.run(None, {"features": features})      # each float32 (frames, num_pdfs)
session.get_modelmeta().custom_metadata_map["features"]                   # a description of the features

Splicing, layer norm, softmax and priors are in the graph. The file's metadata describe what is not, the features and
their normalisation (see asr.acoustic.onnx_metadata).
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import __version__
from asr.acoustic.model import DISABLED, AcousticModel
from asr.acoustic.onnx_metadata import disabled, metadata
from asr.errors import InputError
from asr.files import atomic, read_bytes

if TYPE_CHECKING:
    import onnx

#: Opset 17 (2022) is the first with LayerNormalization, IR 8 its file version; tried: onnxruntime 1.20.1 and 1.32.0.
OPSET, IR_VERSION = 17, 8
#: greatest difference between the log-likelihoods of a correct export and the model's
TOLERANCE = 1e-4
#: protobuf's limit on one file
MAX_BYTES = (1 << 31) - 1
#: activations that are one operator; GELU is one only from opset 20 on
OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}


def export_onnx(model: AcousticModel, path: Path) -> None:
    """Write the model as ONNX, whole or not at all.

    Input "features" float32 (frames, feature_dim), normalised, not spliced; outputs "loglikes" and "log_posteriors",
    float32 (frames, num_pdfs), natural logs. The graph takes all frames at once: memory grows with their number.

    Raises InputError for a network beyond protobuf's 2 GiB.
    """
    import onnx

    size = 4 * sum(parameter.numel() for parameter in model.network.parameters())
    if size > MAX_BYTES:
        raise InputError(f"a network of {size:,} bytes does not fit an ONNX file of {MAX_BYTES:,}", file=path)
    proto = _Graph().build(model)
    onnx.checker.check_model(proto, full_check=True)
    with atomic(path, "wb") as handle:
        handle.write(proto.SerializeToString(deterministic=True))


def check_onnx(model: AcousticModel, path: Path, features: np.ndarray) -> float:
    """Return the greatest |difference| of onnxruntime's log-likelihoods of `features` (frames, dim) from the model's.

    That of a disabled pdf, about -1e10 * prior_scale, is relative to this number: float32 has a step of 1024 there.
    Raises InputError for no frames, another kind of file, or a difference above TOLERANCE.
    """
    import onnxruntime

    if len(features) == 0:
        raise InputError("checking an export needs at least one frame", file=path)
    wanted, data = model.log_likelihoods(features), read_bytes(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised too
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (got,) = session.run(["loglikes"], {"features": np.asarray(features, dtype=np.float32)})
    except Exception as error:  # the only base of onnxruntime's exceptions
        raise InputError(f"onnxruntime cannot run it: {error}", file=path) from error
    if got.shape != wanted.shape:
        raise InputError(f"returns log-likelihoods of shape {got.shape}, the model {wanted.shape}", file=path)
    unit = np.where(disabled(model), max(1.0, abs(model.prior_scale) * DISABLED), 1.0)
    difference = float((np.abs(got.astype(np.float64) - wanted) / unit).max())
    if not difference <= TOLERANCE:  # also for NaN
        raise InputError(
            f"its log-likelihoods differ from the model's by up to {difference:.3g}, more than {TOLERANCE:g}; "
            "export it again",
            file=path,
        )
    return difference


class _Graph:
    """Collects nodes and initializers; each method adds operators and returns the name of their result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []

    def build(self, model: AcousticModel) -> onnx.ModelProto:
        """Return the content of the file."""
        from onnx import TensorProto, helper

        shape, network = model.network.config, model.network
        x = self.splice("features", shape.context, shape.input_dim)
        for name, layer in network.hidden.named_children():
            x = self.layer(f"hidden.{name}", layer, shape.activation, x)
        x = self.layer("output", network.output, shape.activation, x)
        self.node("LogSoftmax", [x], "log_posteriors", axis=1)
        priors = self.value("log_priors", model.log_prior.numpy())
        scale = self.value("prior_scale", np.float32(model.prior_scale))
        self.node("Sub", ["log_posteriors", self.node("Mul", [priors, scale], "scaled_priors")], "loglikes")

        about = metadata(model)
        features = f"normalised, not spliced: {about['features']}. Normalisation: {about['normalisation']}"
        features += f". Further {about['adapted_columns']}" if "adapted_columns" in about else ""

        def matrix(name: str, columns: int, text: str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["frames", columns], text)

        graph = helper.make_graph(
            self.nodes,
            "yibian_acoustic_model",
            [matrix("features", shape.feature_dim, features)],
            [
                matrix("loglikes", shape.num_pdfs, about["log_likelihoods"]),
                matrix("log_posteriors", shape.num_pdfs, "natural logs of the pdfs' posteriors"),
            ],
            initializer=self.values,
        )
        opset = [helper.make_opsetid("", OPSET)]
        proto = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="yibian")
        proto.producer_version = __version__
        proto.doc_string = "Acoustic model of a hybrid DNN-HMM recogniser; metadata_props describe its input."
        helper.set_model_props(proto, about)
        return proto

    def node(self, operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add one operator, named after its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    def value(self, name: str, value: Any) -> str:
        """Add an initializer."""
        from onnx import numpy_helper

        self.values.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def splice(self, x: str, context: int, input_dim: int) -> str:
        """Add splicing: (frames, dim) -> (frames, (2 context + 1) dim), rows t - context .. t + context, clipped."""
        if context == 0:
            return x
        zero, one = self.value("zero", np.int64(0)), self.value("one", np.int64(1))
        offsets = self.value("offsets", np.arange(-context, context + 1, dtype=np.int64))
        frames = self.node("Gather", [self.node("Shape", [x], "shape"), zero], "num_frames")
        times = self.node("Range", [zero, frames, one], "times")
        column = self.node("Unsqueeze", [times, self.value("column_axis", np.array([1], np.int64))], "column")
        last = self.node("Sub", [frames, one], "last")
        rows = self.node("Clip", [self.node("Add", [column, offsets], "unclipped"), zero, last], "rows")
        windows = self.node("Gather", [x, rows], "windows", axis=0)
        # 0 keeps a dimension
        return self.node("Reshape", [windows, self.value("spliced_shape", np.array([0, input_dim]))], "spliced")

    def layer(self, name: str, layer: Any, activation: str, x: str) -> str:
        """Add one module of the network: linear, layer norm, or otherwise the activation."""
        values = {part: self.value(f"{name}.{part}", p.detach().numpy()) for part, p in layer.named_parameters()}
        if hasattr(layer, "normalized_shape"):
            return self.node("LayerNormalization", [x, values["weight"], values["bias"]], name, epsilon=layer.eps)
        if values:
            return self.node("Gemm", [x, values["weight"], values["bias"]], name, transB=1)
        if activation in OPERATORS:
            return self.node(OPERATORS[activation], [x], name)
        return self.gelu(name, x)

    def gelu(self, name: str, x: str) -> str:
        """Add x/2 (1 + erf(x / sqrt 2)), which onnxruntime fuses into one operator."""
        root, one = self.value(f"{name}.sqrt2", np.float32(math.sqrt(2))), self.value(f"{name}.one", np.float32(1))
        half = self.value(f"{name}.half", np.float32(0.5))
        erf = self.node("Erf", [self.node("Div", [x, root], f"{name}.scaled")], f"{name}.erf")
        weighted = self.node("Mul", [x, self.node("Add", [erf, one], f"{name}.share")], f"{name}.weighted")
        return self.node("Mul", [weighted, half], name)
