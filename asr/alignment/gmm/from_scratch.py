"""Make alignments from sound and transcripts: a ladder of systems, each trained on the alignments of the one before.

Reads   the data directories' features, utt2spk and text; the lang directory
Writes  OUT/mono, OUT/tri, OUT/lda, OUT/sat, as far as the plan goes: final.mdl (with its Gaussians) tree phones.txt
        ali.*.gz num_jobs, as Kaldi's steps write them, and what else belongs to them (rung_folder.py). All but the
        last one have only the utterances of the training set; OUT/log/ladder.json: what each of them cost (costs.py)

    lang = AlignmentLang.read(Path("exp/lang"), Path("exp/ali/.work"))
    finished = FinishedRungs(Path("exp/ali"), stamp_of)
    from_scratch(lang, Path("exp/data/train"), Path("exp/data/dev"), finished, GmmPlan())
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from asr.alignment.gmm.cepstra import Cepstra
from asr.alignment.gmm.costs import OTHERS, LadderCosts
from asr.alignment.gmm.finished_rungs import FinishedRungs
from asr.alignment.gmm.plan import RUNGS, GmmPlan
from asr.alignment.gmm.rung_folder import remove_rung, write_rung
from asr.alignment.gmm.rungs import Rung, align_others, discriminant, monophones, speakers, triphones
from asr.alignment.gmm.shard import Aligned
from asr.alignment.gmm.shard_pool import ShardPool
from asr.alignment.pronunciations import PRONUNCIATIONS, write_pronunciations
from asr.alignment.transcripts import AlignmentLang, to_align
from asr.console import say, warn
from asr.errors import InputError
from asr.features.reader import describe
from asr.tables import read_table

STEPS = {"tri": triphones, "lda": discriminant, "sat": speakers}


def from_scratch(lang: AlignmentLang, train: Path, dev: Path | None, finished: FinishedRungs, plan: GmmPlan) -> Path:
    """Make the ladder's folders in OUT and return the last one. Raises InputError if no utterance can be aligned.

    finished: the systems in OUT of earlier runs, which are not trained again.
    Utterances that cannot be aligned are left out and listed in unaligned.txt; the caller bounds their share.
    """
    out = finished.out
    work, costs = out / ".work", LadderCosts(out / "log/ladder.json")
    data = [train] if dev is None else [train, dev]
    describe(train, "mel_bins", "rate_hz", "low_hz", "high_hz")  # mfcc.conf, which is written last, needs them
    try:
        cepstra = Cepstra.make(data, work / "cepstra.f32")
        costs.part("cepstra")
        words, unusable = to_align(lang.word_ids(train), cepstra.places, cepstra.faults)
        if not words:
            key, reason = next(iter(unusable.items()), (None, "there is no transcript"))
            raise InputError(f"no utterance can be aligned; the first: {reason}", file=train / "text", key=key)
        with ShardPool(words, cepstra, lang.lexicon, nj=plan.nj, seed=plan.seed) as shards:
            rung, aligned = _climbed(lang, shards, unusable, train, finished, plan, costs)
            jobs, faults = shards.call("current"), {**unusable, **aligned.faults}
        heard = dict(words)
        if dev is not None:
            words, unusable = to_align(lang.word_ids(dev), cepstra.places, cepstra.faults)
            heard |= words
            with ShardPool(words, cepstra, lang.lexicon, nj=plan.nj, seed=plan.seed) as shards:
                rung, aligned = align_others(lang, shards, rung)
                jobs, faults = jobs + shards.call("current"), {**faults, **unusable, **aligned.faults}
        faults |= _without_transcript(cepstra, data)
        write_rung(out / rung.name, lang, rung, jobs, faults, data)
        write_pronunciations(out / PRONUNCIATIONS, lang, heard, jobs, rung.system.model)
        costs.part(OTHERS)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return out / rung.name


def _climbed(
    lang: AlignmentLang,
    shards: ShardPool,
    unusable: Mapping[str, str],
    train: Path,
    finished: FinishedRungs,
    plan: GmmPlan,
    costs: LadderCosts,
) -> tuple[Rung, Aligned]:
    """Train the ladder, write the folders of all systems but the last, and remove those of an earlier, longer ladder.

    Begins after the systems that an earlier run has finished. Returns the last system and its alignment of the
    training set, which is in the shards.
    """
    last = _last_rung(shards, plan)
    place = RUNGS.index(last)
    done = finished.count(RUNGS[:place])
    for name in RUNGS[done:]:
        remove_rung(finished.out / name)
    rung = finished.take(RUNGS[done - 1], shards) if done else None
    costs.keep(RUNGS[:done])
    for name in RUNGS[done:place]:
        rung, aligned = _step(name, lang, shards, rung, plan)
        finished.write(lang, rung, shards.call("current"), {**unusable, **aligned.faults}, train)
        costs.part(name, shards)
    rung, aligned = _step(last, lang, shards, rung, plan)
    costs.part(last, shards)
    return rung, aligned


def _step(
    name: str, lang: AlignmentLang, shards: ShardPool, before: Rung | None, plan: GmmPlan
) -> tuple[Rung, Aligned]:
    """Train one system from the one before it; None: there is none."""
    return monophones(lang, shards, plan) if before is None else STEPS[name](lang, shards, before, plan)


def _last_rung(shards: ShardPool, plan: GmmPlan) -> str:
    """Return the last system of the plan for the shards' utterances.

    Says it if the plan leaves it open. Warns if each utterance has a speaker of its own, whom `sat` would adapt to.
    """
    frames = sum(shards.cepstra.frames(name) for name in shards.words)
    speakers = len({shards.cepstra.speaker(name) for name in shards.words})
    last = plan.last_rung(frames, speakers)
    if plan.upto == "auto":
        say(f"align: {frames / 360_000:.1f} h of {speakers} speakers: up to {last}")
    if last == "sat" and speakers == len(shards.words) > 1:
        warn(
            f"{speakers} speakers have {speakers} utterances: each utterance is a speaker of its own, with a "
            f"transform estimated from {frames / speakers / 100:.1f} s; if speakers return, name them in utt2spk"
        )
    return last


def _without_transcript(cepstra: Cepstra, data: Sequence[Path]) -> dict[str, str]:
    """Return {utterance: reason} of those that have features but no transcript."""
    texts = {utterance for folder in data for utterance in read_table(folder / "text", allow_empty=True)}
    return {key: "has no transcript" for key in {*cepstra.places, *cepstra.faults} - texts}
