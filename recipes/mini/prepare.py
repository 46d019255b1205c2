"""Make the mini corpus: Mandarin sentences from a grammar, synthesised, in noise and reverberation.

Reads only this folder. Writes OUT/{train,dev,test}/{wav.scp,text,utt2spk,spk2utt}, the sounds under
OUT/../wav/<set>/<speaker>/, and the synthesiser's phone times as a Kaldi alignment directory (--ali-out) for all
three sets. The same seed makes the same bytes with any --nj. After a kill the next run starts from the beginning; the
tables of OUT appear at the end.

    python recipes/mini/prepare.py --out exp/mini/data --hours 0.1
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from plan import PREFIX, PlannedUtterance, make_plan, set_hours
from render import Rendered, render

from asr.cli import as_script
from asr.console import progress, say
from asr.corpus.datadir import DataDir
from asr.corpus.gather import SETS
from asr.errors import InputError
from asr.parallel.pool import Pool
from asr.parallel.processes import processes_for
from asr.settings import option

BYTES_A_SECOND = 2 * 16000
MOST_DROPPED = 0.01  # of a set's utterances, for phoneme events that do not match
UTTERANCES_A_JOB = 2000


@dataclass(frozen=True)
class Settings:
    out: Path = option(help="folder to write train, dev and test into", writes="folder")
    hours: float = option(3.0, help="hours of sound in train (0.02 for a quick try)", least=0.02, most=200)
    seed: int = option(1, help="which sentences, voices, noises and rooms", least=0)
    noise: bool = option(True, help="add noise at 5 to 20 dB")
    reverb: bool = option(True, help="simulate rooms")
    ali_out: Path | None = option(None, help="folder for the alignment; none: synth_ali beside OUT", writes="folder")
    nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)


def inputs(settings: Settings) -> list[Path]:
    """Return nothing: the recipe reads only its own folder."""
    return []


def outputs(settings: Settings) -> list[Path]:
    """Return the files besides the data directories: the alignment."""
    return [path for path in sorted(_ali_out(settings).iterdir()) if not path.name.startswith(".")]


def _ali_out(settings: Settings) -> Path:
    return (settings.ali_out or settings.out.resolve().parent / "synth_ali").resolve()


def run(settings: Settings) -> None:
    """Make the three sets and their alignment. Raises InputError if the disk is too small."""
    _check_space(settings)
    out = settings.out.resolve()
    ali_out = _ali_out(settings)
    for name in SETS:  # no table may name a sound that does not exist, whatever happens next
        for table in ("wav.scp", "text", "utt2spk", "spk2utt"):
            (out / name / table).unlink(missing_ok=True)
    if settings.hours > 10:
        say("prepare: choosing voices and sentences (a minute for 200 hours)")
    plan = make_plan(settings.hours, settings.seed, noise=settings.noise, reverb=settings.reverb)
    wavs = {name: _wav_paths(out.parent / "wav" / name, plan[name]) for name in SETS}
    alignment: dict[str, list[tuple[str, int]]] = {}
    for name in SETS:
        alignment |= _render_all(name, plan[name], wavs[name], settings.nj)
        _remove_old_sounds(out.parent / "wav" / name, name, set(wavs[name].values()))
    _write_alignment(ali_out, alignment)
    for name in SETS:
        made = [utterance for utterance in plan[name] if utterance.key in alignment]
        recordings = {utterance.key: str(wavs[name][utterance.key]) for utterance in made}
        text = {utterance.key: utterance.sentence.text for utterance in made}
        DataDir(recordings, text, {utterance.key: utterance.speaker for utterance in made}).write(out / name)


def _check_space(settings: Settings) -> None:
    needed = sum(set_hours(settings.hours).values()) * 3600 * BYTES_A_SECOND * 1.1
    place = settings.out.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"{settings.hours:g} hours need {needed / 1e6:,.0f} MB, only {free / 1e6:,.0f} MB are free", file=place
        )


def _wav_paths(folder: Path, utterances: list[PlannedUtterance]) -> dict[str, Path]:
    for speaker in {utterance.speaker for utterance in utterances}:
        (folder / speaker).mkdir(parents=True, exist_ok=True)
    return {utterance.key: folder / utterance.speaker / f"{utterance.key}.wav" for utterance in utterances}


def _render_all(
    name: str, utterances: list[PlannedUtterance], wavs: dict[str, Path], nj: int
) -> dict[str, list[tuple[str, int]]]:
    """Make the sounds of a set. Returns {utterance: (phone, frames)} of those whose phones are known."""
    tasks = [(utterance, wavs[utterance.key]) for utterance in utterances]
    nj = processes_for(nj, len(tasks))
    results = map(render, tasks) if nj == 1 else _in_processes(tasks, nj)
    rendered = list(progress(results, len(tasks), f"prepare: {name}"))
    failed = [item for item in rendered if item.phones is None]
    if len(failed) > MOST_DROPPED * len(rendered):
        raise InputError(
            f"{name}: {len(failed)} of {len(rendered)} utterances have no phone times: {failed[0].reason}"
        )
    _report(name, utterances, rendered, len(failed))
    return {item.key: item.phones for item in rendered if item.phones is not None}


def _in_processes(tasks: list[tuple[PlannedUtterance, Path]], nj: int) -> Iterator[Rendered]:
    with Pool(nj, what="prepare") as pool:
        yield from pool.map(render, tasks, name=lambda task: task[0].key, chunk=4)


def _report(name: str, utterances: list[PlannedUtterance], rendered: list[Rendered], failed: int) -> None:
    seconds = sum(item.samples for item in rendered) / 16000
    cpu_s = sum(item.cpu_s for item in rendered)
    speakers = len({utterance.speaker for utterance in utterances})
    num_phones = sum(len(item.phones) for item in rendered if item.phones)
    say(
        f"prepare: {name}: {len(rendered) - failed} utterances of {speakers} voices, {seconds / 3600:.3f} hours, "
        f"{seconds / cpu_s:.0f} times real time a core; {failed} dropped, "
        f"{sum(item.widened for item in rendered)} of {num_phones} phones widened to three frames"
    )


def _remove_old_sounds(folder: Path, name: str, wanted: set[Path]) -> None:
    """Remove the sounds that an earlier run with other settings, or a killed one, left."""
    for pattern in (f"{PREFIX[name]}*/{PREFIX[name]}*W*.wav", f"{PREFIX[name]}*/.{PREFIX[name]}*W*.wav.tmp"):
        for path in folder.glob(pattern):
            if path not in wanted:
                path.unlink()


def _write_alignment(folder: Path, alignment: dict[str, list[tuple[str, int]]]) -> None:
    """Write ali.*.gz, final.mdl, tree, phones.txt and num_jobs, as in Kaldi."""
    from asr.alignment.monophone import write_monophone_alignments
    from asr.lang.pronunciation import ALL_PHONES, SILENCE_PHONES

    names = [*SILENCE_PHONES, *ALL_PHONES]
    ids = {phone: number for number, phone in enumerate(names, 1)}
    rows = {key: [(ids[phone], frames) for phone, frames in row] for key, row in alignment.items()}
    write_monophone_alignments(folder, names, SILENCE_PHONES, rows, UTTERANCES_A_JOB)


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
