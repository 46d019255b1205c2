"""The settings of the train verb. What follows from them and from the data is decided in plan.py."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.settings import option


@dataclass(frozen=True)
class Settings:
    """What a user can set for the train verb; every range stands beside its field."""

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
    adapt: str = option(
        "auto",
        help="fmllr: also hear 40 columns adapted to the speaker by the SAT system; auto: if ALI has one",
        choices=("auto", "fmllr", "none"),
    )
    adapt_forget: float = option(
        0.2, help="with adapted columns: share of utterances heard as if the speaker were unknown", least=0, below=1
    )
    sat: Path | None = option(
        None, help="with --adapt fmllr: folder of the SAT system (final.mat trans.N); none: ALI/sat, else ALI"
    )
    mask_bins: int = option(0, help="SpecAugment: widest mask over mel bins; 0: none", least=0)
    mask_frames: int = option(
        0, help="SpecAugment: widest mask over frames, one in a hundred frames; 0: none", least=0
    )
    masks: int = option(2, help="SpecAugment: masks over mel bins, an utterance", least=0)
    dropout: str = option(
        "auto", help="share of hidden units left out of each gradient; auto: 0.2 for copies of little speech"
    )
    block_frames: int = option(
        0, help="frames that are shuffled together; 0: all, or as many as half of the free memory holds", least=0
    )
    store_bits: str = option("8", help="bits of a feature in memory while training", choices=("8", "16"))
    eta0: str = option(
        "0.2", help="learning rate for the gradient of a minibatch's mean loss; auto: found on 1 % of the data"
    )
    end_ratio: str = option(
        "auto", help="eta0 over the rate at the end of the pass; auto: 1 for methods that average, else 3"
    )
    decay_power: float = option(0.75, help="c of eta(n) = eta0 (1 + a eta0 n)^-c", above=0)
    warmup: float = option(0.02, help="share of the pass over which the rate rises to eta0", least=0, below=1)
    average_from: float = option(
        0.6, help="share of the pass after which the average shown begins (t0)", least=0, below=1
    )
    passes: int = option(
        1, help="passes of the methods that make one; rate and averaging windows stretch over all", least=1, most=1000
    )
    max_passes: int = option(20, help="most passes, for methods that make several", least=1)
    natural_gradient: str = option(
        "auto",
        help="precondition gradients by their layer's inputs; auto: for async-asgd, asgd and linear-decay",
        choices=("auto", "on", "off"),
    )
    natural_rank: int = option(
        40, help="natural gradient: directions of a layer's inputs that are distinguished", least=1
    )
    damping: float = option(1.0, help="natural gradient: added to a direction's power, over the mean power", above=0)
    max_norm: str = option("auto", help="longest gradient that enters unscaled; auto: twice the usual length; 0: any")
    max_staleness: int = option(64, help="a push older than this many versions is refused", least=0)
    prior_scale: float = option(1.0, help="scale of the log priors that decoding subtracts", least=0)
    precision: str = option("auto", help="of the matrix products", choices=("auto", "float32", "bfloat16"))
    heldout_frames: int = option(8192, help="held-out frames looked at while training", least=1)
    heldout_fraction: float = option(
        0.02, help="share of train kept out if there are no dev alignments", least=0, below=1
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
