"""The acoustic network as an ONNX file that needs nothing of Yibian: normalised features in, log-likelihoods out.

Reads an AcousticModel; writes one .onnx file, the same bytes for the same model.

export_onnx(AcousticModel.load(Path("exp/mini/asgd")), Path("exp/mini/asgd/final.onnx"))
session = onnxruntime.InferenceSession("exp/mini/asgd/final.onnx")
loglikes, log_posteriors = session.run(None, {"features": features})      # each float32 (frames, num_pdfs)
session.get_modelmeta().custom_metadata_map["features"]                   # what the features must be, JSON

Splicing, layer norm, softmax and priors are in the graph; what lies outside, features and normalisation, is
described in the file's metadata (see `metadata`).
"""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from asr import __version__
from asr.acoustic.priors import DISABLED
from asr.errors import InputError
from asr.features.compute import FRAME_LENGTH_MS, FRAME_SHIFT_MS, PITCH_DIM
from asr.features.normalise import VARIANCE_FLOOR
from asr.files import atomic, read_bytes
from asr.sound.audio import SCALE

if TYPE_CHECKING:
    import onnx

    from asr.acoustic.model import AcousticModel

#: Opset 17 (2022) is the first with LayerNormalization, IR 8 its file version; tried: onnxruntime 1.20.1 and 1.32.0.
OPSET, IR_VERSION = 17, 8
#: more than this the log-likelihoods of a sound export never differ by
TOLERANCE = 1e-4
#: protobuf's limit on one file
MAX_BYTES = (1 << 31) - 1
#: what asr.features.compute adds to its settings, under Kaldi's names: all kinds, then by kind, then for pitch
KALDI = {
    "frame_length_ms": FRAME_LENGTH_MS,
    "frame_shift_ms": FRAME_SHIFT_MS,
    "sample_scale": SCALE,
    "snip_edges": True,
    "dither": 0.0,
    "use_energy": False,
    "window_type": "povey",
    "preemphasis_coefficient": 0.97,
    "remove_dc_offset": True,
    "round_to_power_of_two": True,
}
KALDI_KIND: dict[str, dict[str, Any]] = {
    "fbank": {"use_log_fbank": True, "use_power": True},
    "mfcc": {"cepstral_lifter": 22.0},
}
KALDI_PITCH = {"pitch_columns": ["pov", "normalised log pitch", "delta"], "delta_pitch_noise_stddev": 0.0}
#: activations that are one operator; GELU is not before opset 20
OPERATORS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}
_NOT_STATED = "not stated in the model's config.json"


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
    """Greatest |difference| between onnxruntime's log-likelihoods of `features` (frames, dim) and the model's.

    That of a pdf which is switched off, about -1e10 * prior_scale, is taken relative to this number: float32 has a
    step of 1024 there. Raises InputError for no frames, a file that is no such model, or more than TOLERANCE.
    """
    import onnxruntime

    if len(features) == 0:
        raise InputError("an export cannot be checked with no frames", file=path)
    wanted, data = model.log_likelihoods(features), read_bytes(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised too
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        (got,) = session.run(["loglikes"], {"features": np.asarray(features, dtype=np.float32)})
    except Exception as error:  # onnxruntime's have no other base
        raise InputError(f"onnxruntime cannot run it: {error}", file=path) from error
    if got.shape != wanted.shape:
        raise InputError(f"gives log-likelihoods of shape {got.shape}, the model {wanted.shape}", file=path)
    unit = np.where(_disabled(model), max(1.0, abs(model.prior_scale) * DISABLED), 1.0)
    difference = float((np.abs(got.astype(np.float64) - wanted) / unit).max())
    if not difference <= TOLERANCE:  # a NaN is not, either
        raise InputError(
            f"its log-likelihoods differ from the model's by up to {difference:.3g}, more than {TOLERANCE:g}; "
            "export it anew",
            file=path,
        )
    return difference


def metadata(model: AcousticModel) -> dict[str, str]:
    """The file's metadata_props: all that a user of the file alone must know. Values are text, JSON where it fits.

    usage, features, normalisation, splicing and log_likelihoods say in words what to give and what comes out;
    feature_settings, network, training, log_priors and disabled_pdfs are JSON; the rest are numbers.
    """
    shape, config = model.network.config, model.config
    settings = config.get("features", {})
    rest = {name: value for name, value in config.items() if name not in ("features", "network", "prior_scale")}
    return {
        "yibian_version": __version__,
        "usage": "loglikes, log_posteriors = run(features); give a whole utterance at once, for its first and last "
        "frames are repeated at the edges",
        "features": _feature_text(settings),
        "feature_settings": _json(_feature_settings(settings)),
        "normalisation": _normalisation_text(settings),
        "splicing": f"done inside: frames t-{shape.context}..t+{shape.context}, past the ends the first and the last "
        "frame again",
        "log_likelihoods": "loglikes[t, j] = log_posteriors[t, j] - prior_scale * log_priors[j], natural logs, "
        "log_posteriors the log-softmax of the network; unscaled: an acoustic scale is the decoder's. For another "
        "prior scale take the output log_posteriors. Column j is pdf-id j of the model folder's final.mdl and tree",
        "feature_dim": str(shape.feature_dim),
        "context": str(shape.context),
        "num_pdfs": str(shape.num_pdfs),
        "prior_scale": repr(model.prior_scale),
        # str() of a float32 is the shortest text that reads back as the same float32
        "log_priors": _json([float(str(value)) for value in model.log_prior.numpy()]),
        "log_priors_text": "natural logs of each pdf's share of the training alignment's frames, a JSON list here "
        f"and the initializer log_priors in the graph; {DISABLED:g} switches off a pdf that training never saw",
        "disabled_pdfs": _json(np.flatnonzero(_disabled(model)).tolist()),
        "network": _json(dataclasses.asdict(shape)),
        "training": _json(rest),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _disabled(model: AcousticModel) -> np.ndarray:
    """Which pdfs are switched off, bool (num_pdfs)."""
    return model.log_prior.numpy() >= np.float32(DISABLED)


def _feature_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """config.json's settings of the features and, for a kind that the feature stage makes, what it adds to them."""
    if settings.get("kind") not in KALDI_KIND:
        return settings
    return {**KALDI, **KALDI_KIND[settings["kind"]], **(KALDI_PITCH if settings.get("pitch") else {}), **settings}


def _feature_text(settings: dict[str, Any]) -> str:
    """The features in words, for a reader who has Kaldi or a library that is equal to it."""
    kind = settings.get("kind", _NOT_STATED)
    if kind not in KALDI_KIND:
        return f"{kind}; feature_settings holds all that is known"
    what = "log mel filter banks (compute-fbank-feats)" if kind == "fbank" else "MFCC (compute-mfcc-feats)"
    if settings.get("pitch"):
        what += (
            f", then {PITCH_DIM} columns of pitch (compute-and-process-kaldi-pitch-feats), cut to the shorter of both"
        )
    return (
        f"Kaldi's {what}, with dither 0 and no energy, of one channel of sound in the scale of int16 (+-{SCALE:g}, "
        "not +-1) at rate_hz; feature_settings holds all options, high_hz 0 is half the rate"
    )


def _normalisation_text(settings: dict[str, Any]) -> str:
    """What to do to the features before they are given to the network."""
    norm = settings.get("norm")
    if norm is None:
        return _NOT_STATED
    if norm == "none":
        return "none: give the features as they are"
    whose = "the speaker, over all of their utterances" if norm == "speaker" else "the utterance"
    if not settings.get("norm_vars"):
        return f"x - mean, column by column, of {whose} (apply-cmvn --norm-vars=false)"
    return (
        f"(x - mean) / sqrt(max(variance, {VARIANCE_FLOOR:g})), column by column, of {whose}; variance is "
        "E[x^2] - mean^2 (apply-cmvn --norm-vars=true)"
    )


class _Graph:
    """Collects nodes and initializers; each method adds operators and returns the name of their result."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.values: list[onnx.TensorProto] = []

    def build(self, model: AcousticModel) -> onnx.ModelProto:
        """The whole file's content."""
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
        given = f"normalised, not spliced: {about['features']}. Normalisation: {about['normalisation']}"
        posteriors = "natural logs of the pdfs' posteriors"

        def matrix(name: str, columns: int, text: str) -> onnx.ValueInfoProto:
            return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["frames", columns], text)

        graph = helper.make_graph(
            self.nodes,
            "yibian_acoustic_model",
            [matrix("features", shape.feature_dim, given)],
            [
                matrix("loglikes", shape.num_pdfs, about["log_likelihoods"]),
                matrix("log_posteriors", shape.num_pdfs, posteriors),
            ],
            initializer=self.values,
        )
        opset = [helper.make_opsetid("", OPSET)]
        proto = helper.make_model(graph, opset_imports=opset, ir_version=IR_VERSION, producer_name="yibian")
        proto.producer_version = __version__
        proto.doc_string = "Acoustic model of a hybrid DNN-HMM recogniser; metadata_props say what it must be given."
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
        """(frames, dim) -> (frames, (2 context + 1) dim): rows t - context .. t + context, clipped to the ends."""
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
        # 0 keeps the dimension that is there
        return self.node("Reshape", [windows, self.value("spliced_shape", np.array([0, input_dim]))], "spliced")

    def layer(self, name: str, layer: Any, activation: str, x: str) -> str:
        """One module of the network: linear, layer norm, or else the activation."""
        values = {part: self.value(f"{name}.{part}", p.detach().numpy()) for part, p in layer.named_parameters()}
        if hasattr(layer, "normalized_shape"):
            return self.node("LayerNormalization", [x, values["weight"], values["bias"]], name, epsilon=layer.eps)
        if values:
            return self.node("Gemm", [x, values["weight"], values["bias"]], name, transB=1)
        if activation in OPERATORS:
            return self.node(OPERATORS[activation], [x], name)
        return self.gelu(name, x)

    def gelu(self, name: str, x: str) -> str:
        """x/2 (1 + erf(x / sqrt 2)), which onnxruntime makes one operator of again."""
        root, one = self.value(f"{name}.sqrt2", np.float32(math.sqrt(2))), self.value(f"{name}.one", np.float32(1))
        half = self.value(f"{name}.half", np.float32(0.5))
        erf = self.node("Erf", [self.node("Div", [x, root], f"{name}.scaled")], f"{name}.erf")
        weighted = self.node("Mul", [x, self.node("Add", [erf, one], f"{name}.share")], f"{name}.weighted")
        return self.node("Mul", [weighted, half], name)
