"""Train the acoustic model: one pass of asynchronous averaged SGD.

Reads   --train-data (feats.scp cmvn.scp features.json), --dev-data (the same, for held-out figures), and
        --ali (pdf.ark ali_train_pdf.counts final.mdl tree) as the align stage leaves them.
Writes  --out: config.json final.safetensors (averaged) raw.safetensors ali_train_pdf.counts final.mdl tree
        phones.txt settings.json log/train.jsonl, with --adapt also adapt/, and while it runs log/checkpoint-*.
The same command again resumes a killed run from its last checkpoint.

    python -m asr train --train-data exp/mini/data/train --dev-data exp/mini/data/dev --ali exp/mini/ali \\
        --out exp/mini/model --workers 2
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from asr.files import copy_whole
from asr.settings import save
from asr.stamp import Stamp
from asr.training.settings import Settings

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 2
TARGETS = ("pdf.ark", "ali_train_pdf.counts")
SYSTEM = ("final.mdl", "tree", "phones.txt")  # not there for pdf-ids that came without a model
DATA_FILES = ("feats.scp", "features.json", "utt2num_frames")
SPEAKER_FILES = ("cmvn.scp", "utt2spk")
RESULTS = ("config.json", "final.safetensors", "raw.safetensors", "ali_train_pdf.counts", "log/train.jsonl")


def run(settings: Settings, hook: Callable[[Any], object] = lambda session: None) -> None:
    """Run the train verb. `hook` gets the session before the first pass, so that benchmarks can observe it."""
    # MKL picks its code path by buffer alignment unless told otherwise; repeatable runs need one path
    os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")
    import torch  # here and below: it takes a second to load, and --help does not need it

    from asr.acoustic.model import remove_model
    from asr.training import adapted, checkpoint, engines
    from asr.training.costs import announce
    from asr.training.courses import COURSES
    from asr.training.finish import finish, open_model
    from asr.training.materials import gather
    from asr.training.plan import decide
    from asr.training.session import Session
    from asr.training.spent import Spent

    plan = decide(settings)
    settings = plan.settings
    stamp = _stamp(settings, extra=plan.stamped)
    if not stamp.fresh(lambda: adapted.check(settings)):
        torch.set_num_threads(plan.server_threads)
        spent = Spent()
        with spent.on("data"):
            materials = gather(plan)  # removes the model of an earlier run if it writes into its folder
        remove_model(settings.out)
        _copy_system(settings)
        costs = announce(plan, materials)
        session = Session(plan, materials, stamp.key, spent)
        open_model(session)
        with engines.make(settings, session.dispatcher, session.materials.job, plan.workers) as engine:
            session.begin(costs)
            hook(session)
            COURSES[plan.method.course](session, engine)
        finish(session)
        kept = materials.adapted.files if materials.adapted else []
        stamp.record([*(settings.out / name for name in (*RESULTS, *_system(settings))), *kept])
    checkpoint.clear(settings.out / "log")  # not before: a run that is killed until here resumes


def _system(settings: Settings) -> list[str]:
    return [name for name in SYSTEM if (settings.ali / name).is_file()]


def _stamp(settings: Settings, extra: list[Any]) -> Stamp:
    """Return the stamp of all files and settings that the result depends on."""
    from asr.training.adapted import input_files

    inputs = [settings.ali / name for name in (*TARGETS, *_system(settings))] + input_files(settings)
    for data in filter(None, (settings.train_data, settings.dev_data)):
        inputs += [data / name for name in DATA_FILES]
        inputs += [data / name for name in SPEAKER_FILES if (data / name).is_file()]
    return Stamp(settings.out / ".done.train.json", "train", settings, inputs, extra, revision=REVISION)


def _copy_system(settings: Settings) -> None:
    """Put the alignment's model and counts, and the settings, into the model folder."""
    settings.out.mkdir(parents=True, exist_ok=True)
    for name in SYSTEM:  # of an earlier training
        (settings.out / name).unlink(missing_ok=True)
    for name in ("ali_train_pdf.counts", *_system(settings)):
        copy_whole(settings.ali / name, settings.out / name)
    save(settings, settings.out / "settings.json")
