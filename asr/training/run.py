"""Train the acoustic model: one pass of asynchronous averaged SGD.

Reads   --train-data (feats.scp cmvn.scp features.json), --dev-data (the same, for held-out figures), and
        --ali (pdf.ark ali_train_pdf.counts final.mdl tree) as the align stage leaves them.
Writes  --out: config.json final.safetensors (averaged) raw.safetensors ali_train_pdf.counts final.mdl tree
        phones.txt settings.json log/train.jsonl, and while it runs log/checkpoint-*.
The same command again resumes a killed run from its last checkpoint.

    python -m asr train --train-data exp/mini/data/train --dev-data exp/mini/data/dev --ali exp/mini/ali \\
        --out exp/mini/model --workers 2
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from pathlib import Path

from asr.console import say
from asr.errors import InputError
from asr.files import copy_whole
from asr.settings import option, save
from asr.stamp import Stamp

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 1
#: of exp() in float64, nearly: the schedule computes end_ratio ** (1 / decay_power)
LARGEST_EXPONENT = 700


@dataclass(frozen=True)
class Settings:
    """Settings of the training stage."""

    train_data: Path = option(help="data directory to train on")
    ali: Path = option(help="alignment folder of the align stage")
    out: Path = option(help="model folder to write", writes="folder")
    dev_data: Path | None = option(
        None, help="data directory for held-out figures; none: a slice of train is kept out"
    )
    method: str = option("async-asgd", help="training method; see asr/training/methods")
    method_options: tuple[str, ...] = option((), help="the method's own settings, NAME=VALUE")
    engine: str = option(
        "local", help="processes, or a seeded simulation of any number of workers", choices=("local", "simulated")
    )
    device: str = option("cpu", help="where workers compute", choices=("cpu", "cuda"))
    workers: int = option(
        0, help="worker processes; 0: one per core. With 1 the run is repeatable bit for bit", least=0
    )
    seed: int = option(1, help="of weights and shuffling", least=0)
    layers: int = option(
        0, help="hidden layers; 0: 4 to 6, by the hours of speech (asr/training/sizing.py)", most=1000, least=0
    )
    width: int = option(0, help="units per hidden layer; 0: 512 to 2048, by the hours of speech", most=10**6, least=0)
    activation: str = option("relu", help="of the hidden units", choices=("relu", "sigmoid", "tanh", "gelu"))
    layer_norm: bool = option(True, help="normalise every hidden layer's inputs to its activation")
    context: int = option(5, help="frames spliced on each side", most=10**4, least=0)
    minibatch: int = option(0, help="frames per push; 0: 64 to 512, by the hours of speech", most=10**8, least=0)
    mask_bins: int = option(0, help="SpecAugment: widest mask over mel bins; 0: none", least=0)
    mask_frames: int = option(
        0, help="SpecAugment: widest mask over frames, one in a hundred frames; 0: none", least=0
    )
    masks: int = option(2, help="SpecAugment: masks over mel bins, an utterance", least=0)
    dropout: str = option(
        "auto", help="share of hidden units left out of each gradient; auto: 0.2 for copies of little speech"
    )
    block_frames: int = option(
        400000, help="frames that are shuffled together, and held in memory by a worker", least=1
    )
    eta0: str = option(
        "0.2", help="learning rate for the gradient of a minibatch's mean loss; auto: found on 1 % of the data"
    )
    end_ratio: float = option(3.0, help="eta0 over the rate at the end of the pass", least=1)
    decay_power: float = option(0.75, help="c of eta(n) = eta0 (1 + a eta0 n)^-c", above=0)
    warmup: float = option(0.02, help="share of the pass over which the rate rises to eta0", least=0, below=1)
    average_from: float = option(
        0.6, help="share of the pass after which the average shown begins (t0)", least=0, below=1
    )
    max_passes: int = option(20, help="most passes, for methods that make several", least=1)
    natural_gradient: str = option(
        "auto",
        help="precondition gradients by their layer's inputs; auto: for async-asgd, asgd and linear-decay",
        choices=("auto", "on", "off"),
    )
    natural_rank: int = option(
        40, help="natural gradient: directions of a layer's inputs that are told apart", least=1
    )
    damping: float = option(1.0, help="natural gradient: added to a direction's power, over the mean power", above=0)
    max_norm: float = option(0.0, help="longest gradient that enters unscaled; 0: any", least=0)
    max_staleness: int = option(64, help="a push older than this many versions is refused", least=0)
    prior_scale: float = option(1.0, help="scale of the log priors that decoding subtracts", least=0)
    precision: str = option("auto", help="of the matrix products", choices=("auto", "float32", "bfloat16"))
    heldout_frames: int = option(8192, help="held-out frames looked at while training", least=1)
    heldout_fraction: float = option(
        0.02, help="share of train kept out where there are no dev alignments", least=0, below=1
    )
    max_missing: float = option(
        0.0, help="largest share of aligned utterances whose features cannot be used", least=0, most=1
    )
    evaluations: int = option(10, help="held-out figures during a pass", affects=False, least=1)
    tensorboard: bool = option(False, help="write TensorBoard event files to OUT/tensorboard too", affects=False)
    speed_spread: float = option(0.1, help="simulated: sigma of a minibatch's lognormal time", least=0, below=10)
    speed_slow: float = option(1.0, help="simulated: time of the slowest worker over that of the fastest", least=1)
    server_share: float = option(0.02, help="simulated: time of a push over that of a minibatch", least=0, below=10)
    checkpoint_s: float = option(30.0, help="seconds between checkpoints", affects=False, above=0)
    max_restarts: int = option(3, help="worker deaths that are survived", affects=False, least=0)
    worker_timeout_s: float = option(120.0, help="silence after which a worker is replaced", affects=False, above=0)


TARGETS = ("pdf.ark", "ali_train_pdf.counts")
SYSTEM = ("final.mdl", "tree", "phones.txt")  # not there for pdf-ids that came without a model
DATA_FILES = ("feats.scp", "features.json", "utt2num_frames")


def run(settings: Settings) -> None:
    """The train stage."""
    _check(settings)
    settings, given = _sized(settings)
    system = [name for name in SYSTEM if (settings.ali / name).is_file()]
    inputs = [settings.ali / name for name in (*TARGETS, *system)]
    for data in filter(None, (settings.train_data, settings.dev_data)):
        inputs += [data / name for name in DATA_FILES]
        inputs += [data / "cmvn.scp"] if (data / "cmvn.scp").is_file() else []
    workers = _workers(settings)
    precision = _precision(settings)
    natural = _natural(settings)
    extra = [workers, precision, natural]
    stamp = Stamp(settings.out / ".done.train.json", "train", settings, inputs, extra=extra, revision=REVISION)
    if stamp.fresh():
        _clear(settings.out / "log")
        return
    settings.out.mkdir(parents=True, exist_ok=True)
    for name in SYSTEM:  # of an earlier training
        (settings.out / name).unlink(missing_ok=True)
    for name in ("ali_train_pdf.counts", *system):
        copy_whole(settings.ali / name, settings.out / name)
    save(settings, settings.out / "settings.json")

    from asr.training.trainer import train

    train(settings, workers, precision, natural, stamp.key, given)
    names = ("config.json", "final.safetensors", "raw.safetensors", "ali_train_pdf.counts", "log/train.jsonl")
    stamp.record([settings.out / name for name in (*names, *system)])
    _clear(settings.out / "log")  # not before: a run that is killed in between goes on from its end


def _clear(logs: Path) -> None:
    """A finished run's checkpoints go."""
    if any(logs.glob("checkpoint-*")) or any(logs.glob("segment-*")):
        from asr.training import checkpoint

        checkpoint.clear(logs)


def _check(settings: Settings) -> None:
    def refuse(name: str, rule: str) -> None:
        raise InputError(f"train: --{name.replace('_', '-')} is {getattr(settings, name)}; it must be {rule}")

    if settings.eta0 != "auto":
        try:
            usable = 0 < float(settings.eta0) < float("inf")
        except ValueError:
            usable = False
        if not usable:
            refuse("eta0", "above 0, or auto")
    if settings.dropout != "auto":
        try:
            usable = 0 <= float(settings.dropout) < 1
        except ValueError:
            usable = False
        if not usable:
            refuse("dropout", "at least 0 and below 1, or auto")
    if settings.end_ratio > 1 and math.log(settings.end_ratio) / settings.decay_power > LARGEST_EXPONENT:
        refuse("decay_power", f"larger for an --end-ratio of {settings.end_ratio:g}")


def _sized(settings: Settings) -> tuple[Settings, set[str]]:
    """With layers, width, minibatch and dropout, by the hours where they were left open; and which were given."""
    from asr.training import methods
    from asr.training.materials import frame_counts, originals
    from asr.training.sizing import FRAMES_PER_HOUR, suit

    counts, original = frame_counts(settings.train_data), originals(settings.train_data)
    distinct = sum(frames for key, frames in counts.items() if original.get(key, key) == key)
    rule = suit(distinct / FRAMES_PER_HOUR, sum(counts.values()) / FRAMES_PER_HOUR)
    given = {name for name in ("layers", "width", "minibatch") if getattr(settings, name)}
    chosen = {name: getattr(settings, name) or getattr(rule, name) for name in ("layers", "width", "minibatch")}
    dropout = settings.dropout
    if dropout == "auto":
        whole_data = methods.get(settings.method, settings.method_options).COURSE == "batch"
        dropout = "0" if whole_data else f"{rule.dropout:g}"
    else:
        given.add("dropout")
    return replace(settings, **chosen, dropout=f"{float(dropout):g}"), given


def _workers(settings: Settings) -> int:
    from asr.training import methods

    method = methods.get(settings.method, settings.method_options)
    if method.ENGINE and (settings.engine == "simulated" or settings.device == "cuda"):
        wrong = "--engine simulated" if settings.engine == "simulated" else f"--device {settings.device}"
        raise InputError(f"{wrong}: {settings.method} has its own engine, which is for CPUs: leave it out")
    if method.COURSE == "batch" and settings.max_norm:
        raise InputError(f"--max-norm {settings.max_norm:g}: {settings.method} has a line search; leave it at 0")
    if method.COURSE == "batch" and settings.dropout != "0":
        raise InputError(f"--dropout {settings.dropout}: {settings.method} has a line search; leave it at 0")
    if method.SERIAL:
        if settings.workers > 1:
            say(f"train: {settings.method} is serial: one worker, not {settings.workers}")
        return 1
    if settings.device == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise InputError("--device cuda: this torch sees no GPU; use --device cpu")
        return settings.workers or torch.cuda.device_count()
    return settings.workers or len(os.sched_getaffinity(0))


def _natural(settings: Settings) -> bool:
    """Whether gradients are natural ones."""
    from asr.training import methods

    method = methods.get(settings.method, settings.method_options)
    if settings.natural_gradient == "on" and (method.ENGINE or method.COURSE == "batch"):
        raise InputError(f"--natural-gradient on: {settings.method} takes plain gradients; leave it out")
    return settings.natural_gradient == "on" or (settings.natural_gradient == "auto" and method.NATURAL)


def _precision(settings: Settings) -> str:
    """bfloat16 where this CPU (or GPU) multiplies it in hardware, unless the user says otherwise.

    Whole-data methods get float32: rounded losses mislead their line searches.
    """
    from asr.training import methods

    if settings.precision != "auto":
        return settings.precision
    if methods.get(settings.method, settings.method_options).COURSE == "batch":
        return "float32"
    if settings.device == "cuda":
        import torch

        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return "float32"
    return "bfloat16" if "amx_bf16" in flags or "avx512_bf16" in flags else "float32"
