"""Alignments, which pdf every frame has: made from nothing, or taken over from Kaldi or another aligner.

Without --ali-dir they are made of sound and transcripts alone (--from-scratch says so aloud): monophones from a flat
start, a decision tree over phones in context, triphones; Gaussian mixtures as in Kaldi's train_mono and train_deltas.
With --ali-dir they are loaded: a Kaldi alignment directory, or phone times as CTM, Praat TextGrids or HTK labels.

Reads   --train-data, --dev-data: utt2num_frames, and for --from-scratch feats.scp features.json utt2spk text;
        --lang: phones.txt, and for --from-scratch words.txt L.fst topo phones/;
        --ali-dir: final.mdl tree num_jobs ali.*.gz [phones.txt], as Kaldi leaves them (binary or text)
Writes  --out: final.mdl tree phones.txt num_jobs ali.*.gz, pdf.ark (pdf-ids, as long as the features, of the
        utterances of train and dev that have an alignment), ali_train_pdf.counts (of train), coverage.json;
        from scratch also mono/ and tri/, whole Kaldi directories, with unaligned.txt and pronunciations.txt

    python -m asr align --ali-dir exp/tri1_ali --train-data exp/data/train --lang exp/lang --out exp/ali
    python -m asr align --from-scratch --train-data exp/data/train --lang exp/lang --out exp/ali

Stops when more than --max-missing of the training utterances have no alignment.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from asr.alignment.load import Wanted, frames_file, load
from asr.errors import InputError
from asr.settings import option
from asr.stamp import Stamp

CONTEXTS = ("triphone", "left-biphone")


@dataclass(frozen=True)
class Settings:
    train_data: Path = option(help="data directory of the training set, after features")
    dev_data: Path | None = option(None, help="data directory of the dev set, after features")
    lang: Path | None = option(None, help="lang directory; its phones.txt must agree with the alignment's")
    out: Path = option(Path("exp/ali"), help="folder to write")
    ali_dir: Path | None = option(None, help="alignments to load; none: they are made from scratch")
    from_scratch: bool = option(False, help="make them of sound and transcripts: the default without --ali-dir")
    max_missing: float = option(0.05, help="largest share of training utterances without alignment")
    length_tolerance: int = option(3, help="frames by which a loaded alignment may differ from the features")
    context: str = option("triphone", help="context of the phones in the tree", choices=CONTEXTS)
    states: int = option(0, help="most tied states (leaves); 0: 500 at one hour, as the hours to the power 0.4")
    gaussians: int = option(0, help="Gaussians of all states; 0: twelve a state")
    mono_hours: float = option(10.0, help="hours of speech that the monophones are trained on at most")
    seed: int = option(1, help="of the first alignment and of the splitting of Gaussians")
    nj: int = option(0, help="processes; 0: one per core", affects=False)


def run(settings: Settings) -> None:
    """The stage `align`. Raises InputError."""
    _check(settings)
    wanted = Wanted(
        settings.train_data,
        settings.dev_data,
        settings.lang,
        settings.out,
        settings.max_missing,
        settings.length_tolerance,
    )
    inputs = [frames_file(folder) for folder in wanted.folders]
    if settings.ali_dir is not None:
        inputs.append(settings.ali_dir)
        if settings.lang is not None:
            inputs.append(settings.lang / "phones.txt")
    else:
        assert settings.lang is not None
        inputs += [path for path in (settings.lang, settings.lang / "phones") if path.is_dir()]
        for folder in wanted.folders:
            inputs += [folder / name for name in ("text", "feats.scp", "features.json", "utt2spk")]
    stamp = Stamp(settings.out / ".done.align.json", "align", settings, inputs)
    if stamp.fresh():
        return
    source = settings.ali_dir if settings.ali_dir is not None else _from_scratch(settings)
    stamp.record(load(source, wanted))


def _from_scratch(settings: Settings) -> Path:
    from asr.alignment.gmm.scratch import Plan, from_scratch
    from asr.alignment.transcripts import Spoken

    assert settings.lang is not None
    plan = Plan(
        settings.context, settings.states, settings.gaussians, settings.mono_hours, settings.seed, settings.nj
    )
    spoken = Spoken.read(settings.lang, settings.out / ".work")
    return from_scratch(spoken, settings.train_data, settings.dev_data, settings.out, plan)


def _check(settings: Settings) -> None:
    if not 0 <= settings.max_missing <= 1:
        raise InputError(f"--max-missing {settings.max_missing:g}: a share lies between 0 and 1")
    if settings.length_tolerance < 0:
        raise InputError(f"--length-tolerance {settings.length_tolerance}: cannot be negative")
    if settings.states < 0 or settings.gaussians < 0 or settings.nj < 0 or not settings.mono_hours > 0:
        raise InputError("--states, --gaussians and --nj are counts, --mono-hours is above zero")
    if settings.ali_dir is None:
        if settings.lang is None:
            raise InputError("align: without --ali-dir alignments are made from scratch, which takes --lang")
    elif settings.from_scratch:
        raise InputError("align: --from-scratch makes alignments and --ali-dir loads them: only one of both")
    elif settings.out.resolve() == settings.ali_dir.resolve():
        raise InputError("--out is --ali-dir itself, which is only read; name another folder", file=settings.out)
    ours = (settings.out / name for name in ("pdf.ark", "coverage.json"))  # written first and last
    if (settings.out / "final.mdl").exists() and not any(path.exists() for path in ours):
        raise InputError("--out holds a system that this stage did not make; name another folder", file=settings.out)
