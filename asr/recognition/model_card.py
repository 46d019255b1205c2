"""The model card: README.md of a packaged model."""

from __future__ import annotations

from typing import Any

from asr.console import duration
from asr.recognition.bundle import Bundle


def model_card(bundle: Bundle, config: dict[str, Any], facts: dict[str, Any], seconds: float | None, top: str) -> str:
    """Return the card as Markdown. config: config.json's content; facts: scores, versions; top: the user's text."""
    network = config["network"]
    parts = [f"# {bundle.name}", top.strip() or "A Mandarin speech recogniser: a network and hidden Markov models."]
    parts.append(_use(bundle))
    parts.append("## How well\n\n" + _results(facts["results"]))
    trained = [
        f"- Training speech: {duration(seconds) if seconds else 'not known'}",
        f"- Method: {config.get('method', 'not known')}, {config.get('training_frames', 0):,} frames in training",
        f"- Network: {network['layers']} layers of {network['width']}, {network.get('activation')}, "
        f"{2 * network['context'] + 1} frames of {network['feature_dim']} features, {network['num_pdfs']} classes",
        f"- Features: {_features(bundle)}{_adaptation(config)}",
        f"- Search: {bundle.weights}; beam {bundle.beams.beam:g}, at most {bundle.beams.max_active} states a frame",
        f"- Made with {facts['made_with']}",
    ]
    parts.append("## What it is\n\n" + "\n".join(trained))
    parts.append(_files(bundle, facts, adapted="adapt" in config))
    parts.append(_limits(bundle))
    return "\n\n".join(parts) + "\n"


def _use(bundle: Bundle) -> str:
    return (
        "## Use\n\n    python -m asr transcribe THIS_FOLDER talk.mp3\n"
        "    python -m asr transcribe THIS_FOLDER *.wav --format srt --out talk.srt\n"
        f"    arecord -q -f S16_LE -r {bundle.features.rate_hz} -c 1 | python -m asr transcribe THIS_FOLDER -"
    )


def _results(results: dict[str, str]) -> str:
    if not results:
        return "No decoding of this model has been scored."
    rows = "\n".join(f"| {name} | `{line}` |" for name, line in results.items())
    return (
        "Character error rates of the packaged model. The weights of the search were chosen on dev.\n\n"
        f"| set | |\n|---|---|\n{rows}"
    )


def _features(bundle: Bundle) -> str:
    config = bundle.features
    kind = f"{config.mel_bins} filter banks" if config.kind == "fbank" else f"{config.num_ceps} cepstra"
    pitch = " and pitch" if config.pitch else ""
    norm = "not normalised" if bundle.statistics is None else "normalised by each sound's own and the training set's"
    return f"{kind}{pitch} at {config.rate_hz} Hz, {norm}{' statistics' if bundle.statistics is not None else ''}"


def _adaptation(config: dict[str, Any]) -> str:
    about = config.get("adapt")
    return f"; {about['columns']} more columns are adapted to the speaker ({about['kind']})" if about else ""


def _files(bundle: Bundle, facts: dict[str, Any], *, adapted: bool) -> str:
    rows = [
        "- `config.json`, `final.safetensors`, `ali_train_pdf.counts`, `final.mdl`: the acoustic model",
        "- `graph/`: HCLG.fst with its symbols and the lexicon",
        "- `recognition.json`, `global_cmvn.ark`: weights, beams, features, normalisation",
    ]
    if adapted:
        rows.append("- `adapt/`: what the network's columns for the speaker are made with")
    if "onnx_difference" in facts:
        rows.append(
            "- `model.onnx`: features (frames, columns) to log-likelihoods (frames, classes); its metadata describe "
            f"the features and priors; within {facts['onnx_difference']:.0e} of the network in onnxruntime"
        )
    return "## Files\n\n" + "\n".join(rows)


def _limits(bundle: Bundle) -> str:
    return (
        "## Limits\n\n"
        "- It recognises only the words of its lexicon; letters are written one by one.\n"
        f"- Sound of a rate below {bundle.features.rate_hz} Hz is accepted, but lacks the upper frequencies.\n"
        "- Speakers, rooms and topics that the training speech lacks are recognised worse.\n"
        "- A confidence is a posterior of the lattice and is usually too high."
    )
