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

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from asr.console import say, warn
from asr.files import copy_whole
from asr.parallel.machine import free_bytes
from asr.settings import save
from asr.stamp import Stamp
from asr.training.settings import Settings

if TYPE_CHECKING:
    from asr.training.materials import Materials
    from asr.training.plan import Plan
    from asr.training.session import Session
    from asr.training.sizing import Costs

#: raised whenever the same inputs give other results: what was made before is then made again
REVISION = 1
TARGETS = ("pdf.ark", "ali_train_pdf.counts")
SYSTEM = ("final.mdl", "tree", "phones.txt")  # not there for pdf-ids that came without a model
DATA_FILES = ("feats.scp", "features.json", "utt2num_frames")
RESULTS = ("config.json", "final.safetensors", "raw.safetensors", "ali_train_pdf.counts", "log/train.jsonl")


def run(settings: Settings, hook: Callable[[Session], None] | None = None) -> None:
    """Run the train verb. `hook` gets the session before the first pass: benchmarks observe it."""
    from asr.training import checkpoint  # here: torch takes a second to load, and --help needs none of it
    from asr.training.plan import decide

    plan = decide(settings)
    settings = plan.settings
    system = [name for name in SYSTEM if (settings.ali / name).is_file()]
    extra = [plan.workers, plan.precision, plan.natural]
    extra += ["in rounds"] if plan.method.synchronous else []
    stamp = Stamp(
        settings.out / ".done.train.json", "train", settings, _inputs(settings, system), extra, revision=REVISION
    )
    if not stamp.fresh():
        settings.out.mkdir(parents=True, exist_ok=True)
        for name in SYSTEM:  # of an earlier training
            (settings.out / name).unlink(missing_ok=True)
        for name in ("ali_train_pdf.counts", *system):
            copy_whole(settings.ali / name, settings.out / name)
        save(settings, settings.out / "settings.json")
        train(plan, stamp.key, hook)
        stamp.record([settings.out / name for name in (*RESULTS, *system)])
    checkpoint.clear(settings.out / "log")  # not before: a run that is killed until here resumes


def train(plan: Plan, key: str, hook: Callable[[Session], None] | None = None) -> None:
    """Train as planned and write the model. `key` names the run, whose checkpoints are resumed."""
    # MKL picks its code path by buffer alignment unless told otherwise; repeatable runs need one path
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    import torch

    from asr.training import engines, finish
    from asr.training.courses import COURSES
    from asr.training.materials import gather
    from asr.training.session import Session

    torch.set_num_threads(plan.server_threads)
    materials = gather(plan)
    costs = _announce(plan, materials)
    session = Session(plan, materials, key)
    _say_begin(session)
    finish.open_model(session)
    with engines.make(plan.settings, session.dispatcher, materials.job, plan.workers) as engine:
        session.begin(costs)
        if hook is not None:
            hook(session)
        COURSES[plan.method.course](session, engine)
    finish.finish(session)


def _inputs(settings: Settings, system: list[str]) -> list[Path]:
    """Return the files that the result depends on."""
    inputs = [settings.ali / name for name in (*TARGETS, *system)]
    for data in filter(None, (settings.train_data, settings.dev_data)):
        inputs += [data / name for name in DATA_FILES]
        inputs += [data / "cmvn.scp"] if (data / "cmvn.scp").is_file() else []
    return inputs


def _announce(plan: Plan, materials: Materials) -> Costs:
    """Say the sizes, and the time and memory that they take, before anything is trained."""
    from asr.training.hours import FRAMES_PER_HOUR
    from asr.training.sizing import estimate, lines

    settings = plan.settings
    costs = estimate(
        materials.shape,
        materials.frames,
        settings.minibatch,
        workers=plan.workers,
        precision=plan.precision,
        block_frames=settings.block_frames,
    )
    hours, seen = materials.distinct_frames / FRAMES_PER_HOUR, materials.frames / FRAMES_PER_HOUR
    sizes = settings.minibatch, plan.dropout, plan.given
    for line in lines(materials.shape, *sizes, hours, seen, costs, plan.workers):
        say(line)
    if costs.memory_bytes > (free := free_bytes()):
        warn(f"that is more than the {free / 1e9:.1f} GB that are free; a smaller --block-frames needs less")
    return costs


def _say_begin(session: Session) -> None:
    from asr.training.hours import FRAMES_PER_HOUR

    plan, server, total = session.plan, session.server, session.total
    distinct = session.materials.distinct_frames
    copies = f", {distinct / FRAMES_PER_HOUR:.2f} h of them originals, the rest perturbed copies"
    say(
        f"train: {plan.settings.method}, {total:,} frames "
        f"({total / FRAMES_PER_HOUR:.2f} h{copies if distinct != total else ''}), "
        f"{server.weights.numel() / 1e6:.2f} M weights, {session.materials.shape.num_pdfs} pdfs, "
        f"{plan.workers} workers, {plan.precision}, eta0 {session.eta0:g}"
        + (", natural gradients" if server.natural else "")
    )
