"""Make or load alignments, the pdf of every frame: from scratch, from Kaldi or from another aligner.

Without --ali-dir they are made of sound and transcripts alone (--from-scratch says so explicitly), by a ladder of
systems of Gaussian mixtures up to --upto: monophones from a flat start (mono), triphones (tri), triphones on spliced
and projected frames (lda), the same with a transform of each speaker's features (sat), as in Kaldi's train_mono,
train_deltas, train_lda_mllt and train_sat. With --originals they are those of perturbed copies (`asr perturb`): the
originals', stretched as the sound is. With --ali-dir they are loaded: a Kaldi alignment directory; phone times as
CTM, Praat TextGrids or HTK labels, which become a monophone system with equally long states; or text pdf-ids, with
--ali-model if there is one.

Reads   --train-data, --dev-data: utt2num_frames, and for --from-scratch feats.scp features.json utt2spk text;
        --lang: phones.txt, and for --from-scratch words.txt L.fst topo phones/;
        --ali-dir: final.mdl tree num_jobs ali.*.gz [phones.txt], as Kaldi writes them (binary or text); a CTM file,
        a folder of .TextGrid or .lab files, a master label file; `utterance pdf pdf ...` lines
Writes  --out: final.mdl tree phones.txt num_jobs ali.*.gz, pdf.ark (pdf-ids, as long as the features, of the
        utterances of train and dev that have an alignment), ali_train_pdf.counts (of train), coverage.json (of
        each set: utterances, frames, what is missing and why);
        with lda and sat final.mat full.mat splice_opts, with sat final.alimdl and trans.* (transforms of speakers);
        from scratch also mono/ tri/ lda/ sat/, whole Kaldi directories, with unaligned.txt and pronunciations.txt,
        and log/ladder.json, what each of them cost

    python -m asr align --ali-dir exp/tri1_ali --train-data exp/data/train --lang exp/lang --out exp/ali
    python -m asr align --from-scratch --train-data exp/data/train --lang exp/lang --out exp/ali

Stops if more than --max-missing of the training utterances have no alignment. The same command again, after it was
killed, continues after the last system that it had finished.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from asr.alignment.formats.detect import KINDS, detect
from asr.alignment.gmm.plan import RUNGS, GmmPlan
from asr.alignment.load import UNALIGNED, LoadRequest, frames_file
from asr.alignment.load_kaldi import load
from asr.alignment.load_pdfs import load_pdfs
from asr.console import say
from asr.errors import InputError
from asr.kaldi.tree import CONTEXTS
from asr.settings import option
from asr.stamp import Stamp
from asr.tables import write_table

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 3


@dataclass(frozen=True)
class Settings:
    train_data: Path = option(help="data directory of the training set, after features")
    dev_data: Path | None = option(None, help="data directory of the dev set, after features")
    lang: Path | None = option(None, help="lang directory; its phones.txt must agree with the alignment's")
    out: Path = option(Path("exp/ali"), help="folder to write", writes="folder")
    ali_dir: Path | None = option(None, help="alignments to load; none: they are made from scratch")
    ali_format: str = option(
        "auto", help="kind of --ali-dir; auto: detected from its files", choices=("auto", *KINDS)
    )
    ali_tier: str | None = option(None, help="tier of the TextGrids; none: the one named phones or phone")
    originals: Path | None = option(None, help="align folder of the utterances that --train-data has copies of")
    ali_model: Path | None = option(None, help="with pdf-ids: folder with their final.mdl, tree and phones.txt")
    from_scratch: bool = option(False, help="make them of sound and transcripts: the default without --ali-dir")
    max_missing: float = option(0.05, help="largest share of training utterances without alignment", least=0, most=1)
    length_tolerance: int = option(3, help="frames by which a loaded alignment may differ from the features", least=0)
    upto: str = option(
        "auto",
        help="last system of the ladder; auto: sat from 4 hours and 10 speakers on, lda from 4 hours on, else tri",
        choices=("auto", *RUNGS),
    )
    context: str = option("triphone", help="context of the phones in the tree", choices=tuple(CONTEXTS))
    states: int = option(
        0,
        help="most tied states (leaves), but at least one a root of the tree; 0: 500 times the hours of speech to "
        "the power 0.4; of lda and sat 625 times",
        least=0,
    )
    gaussians: int = option(0, help="Gaussians of all states; 0: twelve a state", least=0)
    mono_hours: float = option(4.0, help="hours of speech that the monophones are trained on at most", above=0)
    seed: int = option(1, help="seed of the first alignment and of the splitting of Gaussians", least=0)
    nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)


def run(settings: Settings) -> None:
    """Run the stage `align`. Raises InputError."""
    _check(settings)
    request = LoadRequest(
        settings.train_data,
        settings.dev_data,
        settings.lang,
        settings.out,
        settings.max_missing,
        settings.length_tolerance,
    )
    inputs = _inputs(settings, request)
    stamp = Stamp(settings.out / ".done.align.json", "align", settings, inputs, revision=REVISION)
    if not stamp.fresh():
        stamp.record(_aligned(settings, request, inputs))


def _inputs(settings: Settings, request: LoadRequest) -> list[Path]:
    """Return the files and folders that decide the result."""
    inputs = [frames_file(folder) for folder in request.folders]
    inputs += [path for folder in request.folders if (path := folder / "utt2spk").is_file()]  # cuts the archives
    if settings.originals is not None:
        from asr.alignment.stretched import inputs_of

        return inputs + inputs_of(settings.originals, settings.train_data)
    if settings.ali_dir is not None:
        inputs += [path for path in (settings.ali_dir, settings.ali_model) if path is not None]
        return inputs if settings.lang is None else [*inputs, settings.lang / "phones.txt"]
    assert settings.lang is not None
    inputs += [path for path in (settings.lang, settings.lang / "phones") if path.is_dir()]
    return inputs + [folder / name for folder in request.folders for name in ("text", "feats.scp", "features.json")]


def _aligned(settings: Settings, request: LoadRequest, inputs: Sequence[Path]) -> list[Path]:
    """Make or load the alignments and return the files that were written. inputs: as of the stamp."""
    source = settings.ali_dir
    if settings.originals is not None:
        from asr.alignment.stretched import write_stretched

        return write_stretched(settings.originals, request)
    if source is None:
        from asr.alignment.gmm.rung_folder import files_of

        last = _from_scratch(settings, inputs)
        return [*load(last, request), *(path for name in RUNGS for path in files_of(settings.out / name))]
    kind = detect(source) if settings.ali_format == "auto" else settings.ali_format
    if settings.ali_model is not None and kind != "pdf":
        raise InputError(f"--ali-model belongs to pdf-ids, and this is {kind}; leave it out", file=source)
    if kind == "kaldi":
        return load(source, request)
    if kind == "pdf":
        return load_pdfs(source, settings.ali_model, request)
    return load(_imported(settings, source, kind, request), request)


def _imported(settings: Settings, source: Path, kind: str, request: LoadRequest) -> Path:
    """Make OUT/imported, the monophone system of phone times, and return it.

    Its unaligned.txt lists the utterances that cannot be used.
    """
    from asr.alignment.formats.import_intervals import import_intervals
    from asr.alignment.formats.phone_labels import PhoneLabels
    from asr.lang.phone_classes import read_phone_classes

    labels = None
    if settings.lang is not None:
        classes = read_phone_classes(settings.lang)
        phones = {name: number for number, name in classes.names.items()}
        silence = [classes.names[number] for number in sorted(classes.silence)]
        file = settings.lang / "phones.txt"
        labels = PhoneLabels.given(phones, silence, classes.optional_silence, file=file, ids=kind == "ctm")
    folder = settings.out / "imported"
    frames, tolerance = request.num_frames(), request.length_tolerance
    summary = import_intervals(
        source, kind, folder, labels=labels, num_frames=frames, tier=settings.ali_tier, tolerance=tolerance
    )
    for line in summary.lines():
        say(f"align: {line}")
    write_table(folder / UNALIGNED, summary.faults)
    return folder


def _from_scratch(settings: Settings, inputs: Sequence[Path]) -> Path:
    from asr.alignment.gmm.finished_rungs import FinishedRungs
    from asr.alignment.gmm.from_scratch import from_scratch
    from asr.alignment.transcripts import AlignmentLang

    assert settings.lang is not None
    sizes = (settings.context, settings.states, settings.gaussians, settings.mono_hours)
    plan = GmmPlan(*sizes, settings.seed, settings.nj, settings.upto)
    lang = AlignmentLang.read(settings.lang, settings.out / ".work")
    of_rungs = replace(settings, upto="auto", max_missing=0.0)  # neither changes a system that another one follows

    def stamp_of(path: Path, name: str) -> Stamp:
        return Stamp(path, "align", of_rungs, inputs, revision=REVISION, locks=False, part=name)

    return from_scratch(lang, settings.train_data, settings.dev_data, FinishedRungs(settings.out, stamp_of), plan)


def _check(settings: Settings) -> None:
    """Raise InputError on settings that contradict each other."""
    if settings.ali_model is not None and settings.ali_dir is None:
        raise InputError("--ali-model belongs to the pdf-ids of --ali-dir")
    if settings.originals is not None:
        if settings.ali_dir is not None or settings.from_scratch:
            raise InputError("align: --originals has the alignments; leave --ali-dir and --from-scratch out")
    elif settings.ali_dir is None:
        if settings.lang is None:
            raise InputError("align: without --ali-dir alignments are made from scratch, which requires --lang")
    elif settings.from_scratch:
        raise InputError("align: --from-scratch makes alignments and --ali-dir loads them: pass only one")
    for name, source in (("--ali-dir", settings.ali_dir), ("--originals", settings.originals)):
        if source is not None and settings.out.resolve() == source.resolve():
            raise InputError(f"--out is {name} itself, which is only read; name another folder", file=settings.out)
    ours = (settings.out / name for name in ("pdf.ark", "coverage.json"))  # written first and last
    if (settings.out / "final.mdl").exists() and not any(path.exists() for path in ours):
        raise InputError("--out holds a system that this stage did not make; name another folder", file=settings.out)
