"""Write a data directory for Kaldi's own scripts: text in words, sounds that Kaldi can read.

The text is split into the words of LANG/words.txt, as the stage lang splits it; the word of oov.txt replaces unknown
ones. Sounds other than 16-bit wav are written as a pipe (flac, sph2pipe or ffmpeg) if its program is installed, else
as wav files in OUT/wav. Perturbed copies are always wav files.

Reads   --data: a data directory, with or without features; --lang: words.txt oov.txt [pieces.model]
Writes  --out: wav.scp text utt2spk spk2utt utt2dur [segments reco2file_and_channel utt2uniq] [feats.scp cmvn.scp
        utt2num_frames frame_shift], in C order with absolute paths, as utils/validate_data_dir.sh checks; wav/

    python -m asr kaldi-out --data exp/data/train --lang exp/lang --out kaldi/data/train
    steps/train_deltas.sh 2500 15000 kaldi/data/train exp/lang exp/ali/tri exp/tri2         # in Kaldi
"""

from __future__ import annotations

import concurrent.futures
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from asr.console import progress, say, warn
from asr.corpus.data_tables import Segment, c_sorted
from asr.corpus.datadir import FILES, DataDir, Utterance
from asr.corpus.kaldi_sound import command, installed, pipe, reads_directly, write_wav
from asr.errors import InputError, named_first
from asr.lang.given import oov_of
from asr.lang.pieces import units_of
from asr.parallel.processes import processes_for
from asr.settings import option
from asr.sound import audio
from asr.sound.source import is_pipe, located
from asr.tables import read_frame_counts, read_scp, read_symbols, read_table, write_table

#: files that this verb writes beside the tables of DataDir.write
MORE = ("feats.scp", "cmvn.scp", "utt2num_frames", "reco2file_and_channel", "frame_shift")


@dataclass(frozen=True)
class Settings:
    data: Path = option(help="data directory to read")
    lang: Path = option(help="lang directory whose words the text is split into")
    out: Path = option(help="data directory to write", writes="folder", makes=(*FILES, *MORE))
    sound: str = option(
        "auto",
        help="sounds that Kaldi cannot read: pipes, wav files, or pipes whose program is installed",
        choices=("auto", "pipe", "wav"),
    )
    rate_hz: int = option(16000, help="sample rate for Kaldi; higher ones are resampled to it", least=1000)
    features: bool = option(True, help="write feats.scp and cmvn.scp too, if they are there")
    max_missing: float = option(0.0, help="largest share of the utterances that may be left out", least=0, most=1)
    allow_pipes: bool = option(False, help="keep the commands in wav.scp, and run them if needed")
    nj: int = option(0, help="threads; 0: one per core", affects=False, least=0)


def run(settings: Settings) -> None:
    """Write the directory. Raises InputError and leaves the old one where too much would be left out."""
    data = DataDir.read(settings.data, allow_pipes=settings.allow_pipes)
    symbols = read_symbols(settings.lang / "words.txt")
    feats = _scp(settings, "feats.scp")
    frames = read_frame_counts(settings.data) if feats and (settings.data / "utt2num_frames").is_file() else {}
    data, faults = _with_sounds(data, settings)
    if feats:
        faults |= {key: "has no features" for key in data.keys if key not in feats}
    _judge(settings, faults, len(read_table(settings.data / "utt2spk")) if faults else 0)
    data = data.restricted(key for key in data.keys if key not in faults)
    data.with_text(_in_words(data.text, settings.lang, symbols)).write(settings.out)
    _write_more(data, feats, frames, settings)
    speakers = [data.utt2spk[key] for key in data.keys]
    if speakers != c_sorted(speakers):
        warn(f"{settings.out}: utterance names do not begin with their speaker; Kaldi's checks need --no-spk-sort")
    say(f"kaldi-out: {settings.out}: {len(data.utt2spk)} utterances of {len(data.spk2utt)} speakers")


def _scp(settings: Settings, name: str) -> dict[str, str]:
    path = settings.data / name
    return read_scp(path) if settings.features and path.is_file() else {}


def _judge(settings: Settings, faults: dict[str, str], total: int) -> None:
    """Warn of the utterances that are left out. Raises InputError if they are too many."""
    if not faults:
        return
    names = c_sorted(faults)
    message = (
        f"{len(faults)} of {total} utterances cannot be written ({named_first(names)}); the first: {faults[names[0]]}"
    )
    if len(faults) > settings.max_missing * total or len(faults) == total:
        raise InputError(f"{message}; --max-missing allows {settings.max_missing:g}", file=settings.data)
    warn(f"{settings.data}: {message}; they are left out")


def _in_words(text: dict[str, str], lang: Path, symbols: dict[str, int]) -> dict[str, str]:
    """Return the transcripts in the words of words.txt; warn of unknown words."""
    units = units_of(lang, symbols, oov_of(lang, symbols))
    unknown: Counter[str] = Counter()
    result = {}
    for key, sentence in text.items():
        pairs = units.pairs(sentence)
        unknown.update(surface for surface, word in pairs if word is None)
        result[key] = " ".join(word or units.oov for _, word in pairs)
    if unknown:
        some = named_first(word for word, _ in unknown.most_common())
        warn(f"{lang / 'words.txt'}: lacks {len(unknown)} words ({unknown.total()} times), now {units.oov}: {some}")
    return result


def _with_sounds(data: DataDir, settings: Settings) -> tuple[DataDir, dict[str, str]]:
    """Return `data` with wav.scp entries for Kaldi, and {utterance: why its sound cannot be used}.

    A recording with channels in `segments` becomes one recording per channel.
    """
    if data.perturb:  # no command can do this: one wav file per utterance, cut and perturbed
        work = {item.key: (item, [item.key]) for item in data.utterances()}
        data = replace(data, segments=None, perturb=None)
    else:
        work = {}
        for item in data.utterances():
            name = item.recording if item.channel is None else f"{item.recording}-{item.channel + 1}"
            whole = Utterance(name, item.recording, item.source, item.channel, None, None)
            work.setdefault(name, (whole, []))[1].append(item.key)
    recordings: dict[str, str] = {}
    lengths: dict[str, float] = {}
    faults: dict[str, str] = {}
    with concurrent.futures.ThreadPoolExecutor(processes_for(settings.nj, len(work))) as pool:
        done = pool.map(lambda name: _sound(name, work[name][0], settings), work)
        for name, found in progress(zip(work, done, strict=True), len(work), "kaldi-out: sounds"):
            if isinstance(found, str):
                faults |= dict.fromkeys(work[name][1], found)
            else:
                recordings[name], lengths[name] = found
    segments = None
    if data.segments is not None:
        home = {key: name for name, (_, keys) in work.items() for key in keys}
        segments = {key: _closed(part, home[key], lengths) for key, part in data.segments.items()}
    spans = segments or {key: Segment(key, 0.0, lengths.get(key, 0.0)) for key in data.utt2spk}
    durations = {key: f"{(span.end_s or 0.0) - (span.start_s or 0.0):.10g}" for key, span in spans.items()}
    return replace(data, recordings=recordings, segments=segments, utt2dur=durations), faults


def _closed(segment: Segment, recording: str, lengths: dict[str, float]) -> Segment:
    """Return the segment with start and end in seconds, as Kaldi needs them, within its recording."""
    length = lengths.get(recording, 0.0)
    end = length if segment.end_s is None or segment.end_s < 0 else min(segment.end_s, length)
    return Segment(recording, segment.start_s or 0.0, end)


def _sound(name: str, item: Utterance, settings: Settings) -> tuple[str, float] | str:
    """Return (wav.scp entry, seconds) of one sound, or why it cannot be used."""
    try:
        return _entry(name, item, settings)
    except InputError as error:
        return str(InputError(error.message, file=error.file or item.source))


def _entry(name: str, item: Utterance, settings: Settings) -> tuple[str, float]:
    """Return (wav.scp entry, seconds) of a sound, after writing it as a wav file if necessary."""
    rate, channels, frames = audio.info(item.source, allow_pipes=settings.allow_pipes, key=name)
    if is_pipe(item.source):
        if item.perturb is None and item.channel is None and settings.sound != "wav":
            return item.source, frames / rate
    elif item.perturb is None:
        if reads_directly(item.source, settings.rate_hz):
            return item.source, frames / rate
        usable = (channels == 1 or item.channel is not None) and rate >= settings.rate_hz
        if usable and (words := _command(item, rate, channels, settings)):
            return pipe(words), frames / rate
    samples = audio.read(
        item.source,
        rate_hz=settings.rate_hz,
        channel=item.channel,
        start_s=item.start_s,
        end_s=item.end_s,
        resample=True,
        allow_pipes=settings.allow_pipes,
        key=name,
    )
    if item.perturb is not None:
        samples = item.perturb.apply(samples, settings.rate_hz)
    target = settings.out.absolute() / "wav" / (name.replace("%", "%25").replace("/", "%2F") + ".wav")
    if target.resolve() == Path(item.source).resolve():
        raise InputError("would be overwritten; name another --out", file=item.source)
    write_wav(target, samples, settings.rate_hz)
    return str(target), len(samples) / settings.rate_hz


def _command(item: Utterance, rate: int, channels: int, settings: Settings) -> list[str]:
    """Return the words of the command that writes a sound as wav; nothing where it is to be a wav file."""
    if settings.sound == "wav" or located(item.source)[1] is not None:
        return []
    import soundfile

    form = soundfile.info(item.source).format
    words = command(
        Path(item.source), form=form, rate=rate, channels=channels, rate_hz=settings.rate_hz, channel=item.channel
    )
    return words if settings.sound == "pipe" or installed(words) else []


def _write_more(data: DataDir, feats: dict[str, str], frames: dict[str, int], settings: Settings) -> None:
    """Write the tables of features and channels, after removing those of an earlier run."""
    out = settings.out
    for name in MORE:
        (out / name).unlink(missing_ok=True)
    if data.segments is not None:
        write_table(out / "reco2file_and_channel", {name: f"{name} A" for name in data.recordings})
    if not feats:
        return
    write_table(out / "feats.scp", {key: feats[key] for key in data.keys})
    (out / "frame_shift").write_text("0.01\n", encoding="utf-8")
    if frames.keys() >= data.utt2spk.keys():
        write_table(out / "utt2num_frames", {key: str(frames[key]) for key in data.keys})
    cmvn = _scp(settings, "cmvn.scp")
    if data.spk2utt.keys() <= cmvn.keys():
        write_table(out / "cmvn.scp", {speaker: cmvn[speaker] for speaker in data.spk2utt})
    else:
        say("kaldi-out: there is no cmvn.scp by speaker: run steps/compute_cmvn_stats.sh before the next step")
