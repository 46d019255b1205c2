"""Make the mini corpus: Mandarin sentences from a grammar, synthesised, in noise and reverberation.

Reads nothing but this folder. Writes OUT/{train,dev,test}/{wav.scp,text,utt2spk,spk2utt}, the sounds under
OUT/../wav/<set>/<speaker>/, and the synthesiser's phone times as a Kaldi alignment directory (--ali-out) that covers
the three sets. The same seed gives the same bytes, whatever --nj. A run that was killed starts again from its
beginning; the tables of OUT are there only when all is done.

    python recipes/mini/prepare.py --out exp/mini/data --hours 0.1
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from asr.cli import as_script
from asr.parallel.machine import cores

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from plan import PREFIX, SETS, Utterance, make_plan, set_hours
from render import Rendered, render

from asr.console import progress, say
from asr.errors import InputError
from asr.parallel.pool import Pool
from asr.settings import option
from asr.tables import write_table

SHORTEST_H, LONGEST_H = 0.02, 200.0
BYTES_A_SECOND = 2 * 16000
MOST_DROPPED = 0.01  # of a set's utterances, for phoneme events that do not match
UTTERANCES_A_JOB = 2000


@dataclass(frozen=True)
class Settings:
    out: Path = option(help="folder to write train, dev and test into", writes="folder")
    hours: float = option(3.0, help="hours of sound in train, 0.1 to 200 (from 0.02 for trying out)")
    seed: int = option(1, help="which sentences, voices, noises and rooms", least=0)
    noise: bool = option(True, help="add noise at 5 to 20 dB")
    reverb: bool = option(True, help="put the speech into rooms")
    ali_out: Path | None = option(
        None, help="folder for the Kaldi alignment; none: synth_ali beside OUT", writes="folder"
    )
    nj: int = option(0, help="processes; 0: one per core", least=0, affects=False)


def inputs(settings: Settings) -> list[Path]:
    """Nothing but the recipe itself."""
    return []


def outputs(settings: Settings) -> list[Path]:
    """What is made besides the data directories: the alignment."""
    return [path for path in sorted(_ali_out(settings).iterdir()) if not path.name.startswith(".")]


def _ali_out(settings: Settings) -> Path:
    return (settings.ali_out or settings.out.resolve().parent / "synth_ali").resolve()


def run(settings: Settings) -> None:
    """Make the three sets and their alignment."""
    _check(settings)
    out = settings.out.resolve()
    ali_out = _ali_out(settings)
    for name in SETS:  # whatever happens from here on, no table may speak of what is not there
        for table in ("wav.scp", "text", "utt2spk", "spk2utt"):
            (out / name / table).unlink(missing_ok=True)
    if settings.hours > 10:
        say("prepare: choosing voices and sentences (a minute for 200 hours)")
    plan = make_plan(settings.hours, settings.seed, noise=settings.noise, reverb=settings.reverb)
    wavs = {name: _wav_paths(out.parent / "wav" / name, plan[name]) for name in SETS}
    alignment: dict[str, list[tuple[str, int]]] = {}
    for name in SETS:
        alignment |= _render_all(name, plan[name], wavs[name], _processes(settings.nj))
        _remove_strangers(out.parent / "wav" / name, name, set(wavs[name].values()))
    _write_alignment(ali_out, alignment)
    for name in SETS:
        _write_tables(out / name, [u for u in plan[name] if u.key in alignment], wavs[name])


def _check(settings: Settings) -> None:
    if not SHORTEST_H <= settings.hours <= LONGEST_H:  # false for NaN as well
        raise InputError(f"--hours {settings.hours:g}: must be from {SHORTEST_H:g} to {LONGEST_H:g}")
    if settings.seed < 0 or settings.nj < 0:
        raise InputError("--seed and --nj: must not be negative")
    needed = sum(set_hours(settings.hours).values()) * 3600 * BYTES_A_SECOND * 1.1
    place = settings.out.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if needed > free:
        raise InputError(
            f"{settings.hours:g} hours need {needed / 1e6:,.0f} MB, only {free / 1e6:,.0f} MB are free", file=place
        )


def _processes(nj: int) -> int:
    return nj or cores()


def _wav_paths(folder: Path, utterances: list[Utterance]) -> dict[str, Path]:
    for speaker in {utterance.speaker for utterance in utterances}:
        (folder / speaker).mkdir(parents=True, exist_ok=True)
    return {utterance.key: folder / utterance.speaker / f"{utterance.key}.wav" for utterance in utterances}


def _render_all(
    name: str, utterances: list[Utterance], wavs: dict[str, Path], nj: int
) -> dict[str, list[tuple[str, int]]]:
    """Make the sounds of a set; {utterance: its phones and their frames} of those that succeeded."""
    tasks = [(utterance, wavs[utterance.key]) for utterance in utterances]
    results = map(render, tasks) if nj == 1 else _in_processes(tasks, nj)
    rendered = list(progress(results, len(tasks), f"prepare: {name}"))
    failed = [item for item in rendered if item.phones is None]
    if len(failed) > MOST_DROPPED * len(rendered):
        raise InputError(
            f"{name}: {len(failed)} of {len(rendered)} utterances have no phone times: {failed[0].reason}"
        )
    _report(name, utterances, rendered, len(failed))
    return {item.key: item.phones for item in rendered if item.phones is not None}


def _in_processes(tasks: list[tuple[Utterance, Path]], nj: int) -> Iterator[Rendered]:
    with Pool(nj, what="prepare") as pool:
        yield from pool.map(render, tasks, name=lambda task: task[0].key, chunk=4)


def _report(name: str, utterances: list[Utterance], rendered: list[Rendered], failed: int) -> None:
    seconds = sum(item.samples for item in rendered) / 16000
    cpu_s = sum(item.cpu_s for item in rendered)
    speakers = len({utterance.speaker for utterance in utterances})
    num_phones = sum(len(item.phones) for item in rendered if item.phones)
    say(
        f"prepare: {name}: {len(rendered) - failed} utterances of {speakers} voices, {seconds / 3600:.3f} hours, "
        f"{seconds / cpu_s:.0f} times real time a core; {failed} dropped, "
        f"{sum(item.widened for item in rendered)} of {num_phones} phones widened to three frames"
    )


def _write_tables(folder: Path, utterances: list[Utterance], wavs: dict[str, Path]) -> None:
    spk2utt: dict[str, list[str]] = {}
    for utterance in sorted(utterances, key=lambda item: item.key):
        spk2utt.setdefault(utterance.speaker, []).append(utterance.key)
    write_table(folder / "text", {utterance.key: utterance.sentence.text for utterance in utterances})
    write_table(folder / "utt2spk", {utterance.key: utterance.speaker for utterance in utterances})
    write_table(folder / "spk2utt", {speaker: " ".join(keys) for speaker, keys in spk2utt.items()})
    write_table(folder / "wav.scp", {utterance.key: str(wavs[utterance.key]) for utterance in utterances})


def _remove_strangers(folder: Path, name: str, wanted: set[Path]) -> None:
    """Remove the sounds that an earlier run with other settings, or a killed one, left in our folders."""
    for pattern in (f"{PREFIX[name]}*/{PREFIX[name]}*W*.wav", f"{PREFIX[name]}*/.{PREFIX[name]}*W*.wav.tmp"):
        for path in folder.glob(pattern):
            if path not in wanted:
                path.unlink()


def _write_alignment(folder: Path, alignment: dict[str, list[tuple[str, int]]]) -> None:
    """ali.*.gz, final.mdl, tree, phones.txt and num_jobs, as Kaldi would leave them."""
    from asr.alignment.monophone import write_monophone_alignments
    from asr.lang.pronunciation import ALL_PHONES, SILENCE_PHONES

    names = [*SILENCE_PHONES, *ALL_PHONES]
    ids = {phone: number for number, phone in enumerate(names, 1)}
    rows = {key: [(ids[phone], frames) for phone, frames in row] for key, row in alignment.items()}
    write_monophone_alignments(folder, names, SILENCE_PHONES, rows, UTTERANCES_A_JOB)


if __name__ == "__main__":
    as_script(Settings, run, __doc__)
