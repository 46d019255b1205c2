"""The metadata of the ONNX file: what a user of the file alone must know of its input and output.

metadata(model)["features"]          # "Kaldi's log mel filter banks (compute-fbank-feats), with dither 0 ..."
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from asr import __version__
from asr.acoustic.adaptation import KEY
from asr.acoustic.model import DISABLED, AcousticModel
from asr.features.compute import FRAME_LENGTH_MS, FRAME_SHIFT_MS, PITCH_DIM
from asr.features.normalise import VARIANCE_FLOOR
from asr.sound.audio import SCALE

#: the options of asr.features.compute that are not settings, by Kaldi's names: of all kinds, by kind, of pitch
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
#: of a network that hears columns adapted to the speaker
ADAPTED = (
    "columns after those of the features, made of the same sound: cepstra (the cosine transform of the filter banks, "
    "or the MFCC, at most 13, liftered) and pitch, minus the speaker's mean, spliced as adapt/splice_opts says, "
    "projected by adapt/final.mat, then the speaker's fMLLR transform (none for an unknown speaker), then "
    "(x - mean) / sqrt(variance) by the sums in adapt/columns.mat, laid out as compute-cmvn-stats does; the files "
    "are in the model folder and in its package"
)
_NOT_STATED = "not stated in the model's config.json"


def metadata(model: AcousticModel) -> dict[str, str]:
    """Return the file's metadata_props.

    usage, features, normalisation, adapted_columns (if the network hears them), splicing and log_likelihoods describe
    input and output in words; feature_settings, network, training, log_priors and disabled_pdfs are JSON; the rest
    are numbers.
    """
    shape, config = model.network.config, model.config
    settings = config.get("features", {})
    rest = {name: value for name, value in config.items() if name not in ("features", "network", "prior_scale")}
    return {
        "yibian_version": __version__,
        "usage": "loglikes, log_posteriors = run(features); pass a whole utterance at once, since its first and last "
        "frames are repeated at the edges",
        "features": _feature_text(settings),
        "feature_settings": _json(_feature_settings(settings)),
        "normalisation": _normalisation_text(settings),
        **({"adapted_columns": ADAPTED} if KEY in config else {}),
        "splicing": f"included: frames t-{shape.context}..t+{shape.context}; beyond the ends the first and the last "
        "frame are repeated",
        "log_likelihoods": "loglikes[t, j] = log_posteriors[t, j] - prior_scale * log_priors[j], natural logs, "
        "log_posteriors the log-softmax of the network; unscaled: an acoustic scale is applied by the decoder. For "
        "another prior scale use the output log_posteriors. Column j is pdf-id j of the model folder's final.mdl and "
        "tree",
        "feature_dim": str(shape.feature_dim),
        "context": str(shape.context),
        "num_pdfs": str(shape.num_pdfs),
        "prior_scale": repr(model.prior_scale),
        # str() of a float32 is the shortest text that reads back as the same float32
        "log_priors": _json([float(str(value)) for value in model.log_prior.numpy()]),
        "log_priors_text": "natural logs of each pdf's share of the training alignment's frames, a JSON list here "
        f"and the initializer log_priors in the graph; {DISABLED:g} disables a pdf without training frames",
        "disabled_pdfs": _json(np.flatnonzero(disabled(model)).tolist()),
        "network": _json(dataclasses.asdict(shape)),
        "training": _json(rest),
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def disabled(model: AcousticModel) -> npt.NDArray[np.bool_]:
    """Return which pdfs are disabled, bool (num_pdfs)."""
    return model.log_prior.numpy() >= np.float32(DISABLED)


def _feature_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return config.json's settings of the features; for a kind of the feature stage, also its fixed options."""
    if settings.get("kind") not in KALDI_KIND:
        return settings
    return {**KALDI, **KALDI_KIND[settings["kind"]], **(KALDI_PITCH if settings.get("pitch") else {}), **settings}


def _feature_text(settings: dict[str, Any]) -> str:
    """Return a description of the features, for a reader with Kaldi or an equivalent library."""
    kind = settings.get("kind", _NOT_STATED)
    if kind not in KALDI_KIND:
        return f"{kind}; see feature_settings"
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
    """Return a description of the features' normalisation."""
    norm = settings.get("norm")
    if norm is None:
        return _NOT_STATED
    if norm == "none":
        return "none: pass the features unchanged"
    whose = "the speaker, over all of their utterances" if norm == "speaker" else "the utterance"
    if not settings.get("norm_vars"):
        return f"x - mean, column by column, of {whose} (apply-cmvn --norm-vars=false)"
    return (
        f"(x - mean) / sqrt(max(variance, {VARIANCE_FLOOR:g})), column by column, of {whose}; variance is "
        "E[x^2] - mean^2 (apply-cmvn --norm-vars=true)"
    )
