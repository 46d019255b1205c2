"""What a recipe found in a corpus, made into data directories: checked, told apart, normalised.

    class Settings(CorpusSettings): ...                          # of recipes/NAME/prepare.py
    train = Gathered(Path("corpus/train"))
    train.found.append(Found("S1_a", "S1", Path("corpus/S1/a.wav"), "今天", Path("corpus/trans.txt"), 17))
    train.problems.append(Problem("no transcript", "has no transcript", "corpus/S1/b.wav", None, "S1_b"))
    write_sets({"train": train, "test": test}, settings)         # OUT/{train,dev,test}

Reads the sounds; writes Kaldi data directories with utt2dur. What cannot be used is dropped and named, up to
--max-missing of a set. A set that the corpus does not have is cut from train, by speaker and text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from asr.console import say, warn
from asr.corpus.datadir import DataDir, Segment
from asr.corpus.left_out import write_left_out
from asr.corpus.prepared import record
from asr.corpus.problems import BOM, Problem, checked_value
from asr.corpus.repair import settle
from asr.corpus.same_sound import in_several_sets
from asr.corpus.soundcheck import check_sounds
from asr.corpus.split import split
from asr.corpus.spoken.numerals import YAO
from asr.corpus.survey import transcript_problems
from asr.corpus.transcript import characters, normaliser, simplified
from asr.errors import InputError
from asr.files import read_bytes
from asr.settings import option
from asr.tables import read_lines

#: in this order an utterance that is in several sets stays: what is in test must not be trained on
PRECEDENCE = ("test", "dev", "train")
#: byte-order marks, the longest first: UTF-32's begins with UTF-16's
MARKS = {
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}


@dataclass(frozen=True, kw_only=True)
class TranscriptSettings:
    """How every recipe's transcripts are written."""

    spoken: bool = option(True, help="say numbers, dates and units in Han characters")
    latin: str = option("word", help="Latin words whole, or spelled", choices=("word", "letter"))
    simplified: bool = option(False, help="convert traditional characters to simplified ones")
    encoding: str = option("utf-8", help="of the transcripts, e.g. gb18030")
    yao: str = option("telephone", help="which digit-by-digit numbers say 1 as 幺", choices=YAO)
    spoken_table: Path | None = option(None, help="your own `written<TAB>spoken` pairs, applied before all rules")

    def written(self, text: str) -> str:
        """Return a transcript in its one form. Raises InputError for a faulty --spoken-table."""
        text = self._one_form(simplified(text) if self.simplified else text)
        return text if self.latin == "word" else re.sub("(?<=[A-Z])(?=[A-Z])", " ", text)

    @functools.cached_property
    def _one_form(self) -> Callable[[str], str]:
        return normaliser(spoken=self.spoken, yao=self.yao, table=self.spoken_table)


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(TranscriptSettings):
    """What every recipe that reads a corpus can be told."""

    out: Path = option(help="folder to write train, dev and test into", writes="folder")
    rate_hz: int = option(16000, help="sample rate that every sound has to have", least=1000, most=10**6)
    resample: bool = option(False, help="accept higher rates, which are then converted on reading")
    max_missing: float = option(0.05, help="largest part of a set's utterances that may be dropped", least=0, most=1)
    dev_fraction: float = option(0.05, help="part of train that dev gets when it is cut from it", above=0, below=1)
    test_fraction: float = option(0.05, help="part of train that test gets when it is cut from it", above=0, below=1)
    seed: int = option(1, help="which speakers or sentences a set that is cut from train gets", least=0)
    nj: int = option(0, help="threads; 0: one per core", least=0, affects=False)


@dataclass(frozen=True)
class Found:
    """An utterance of a corpus. `file` and `line`: where its transcript stands; `segment`: the part of `sound`."""

    key: str
    speaker: str
    sound: Path
    text: str
    file: Path
    line: int | None = None
    segment: Segment | None = None


@dataclass
class Gathered:
    """One set as it was found; `name` is named in what is said, `problems` are those met on the way."""

    name: Path
    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def collected(self) -> DataDir:
        """The utterances as tables. Of those that stand twice under a key none is to be trusted."""
        data = DataDir({}, {}, {}, {} if any(item.segment for item in self.found) else None)
        first: dict[str, Found] = {}
        for item in self.found:
            other = first.setdefault(item.key, item)
            if other is not item:
                same = (other.sound, other.text, other.segment) == (item.sound, item.text, item.segment)
                line = "" if other.line is None else f" (line {other.line})"
                message = f"this utterance has occurred before{'' if same else ', with another sound or text'}{line}"
                mend = "rewrite" if same else "drop"
                self.problems.append(Problem("duplicate key", message, item.file, item.line, item.key, mend))
                continue
            text = checked_value(item.text, self.problems, item.file, item.line, item.key)
            self.problems += transcript_problems(text, item.file, item.line, item.key)
            recording = item.segment.recording if item.segment else item.key
            data.recordings[recording] = str(item.sound.absolute())
            data.text[item.key], data.utt2spk[item.key] = text, item.speaker
            if data.segments is not None:
                data.segments[item.key] = item.segment or Segment(item.key)
        return data


def write_sets(gathered: Mapping[str, Gathered], settings: CorpusSettings) -> None:
    """Write train, dev and test under settings.out; InputError where too much is wrong, or nothing is there."""
    for one in gathered.values():
        if not one.found:
            raise (one.problems[0].error() if one.problems else InputError("no utterance is here", file=one.name))
    durations: dict[str, float] = {}
    sets = {name: _checked(one, settings, durations) for name, one in gathered.items()}
    _part(gathered, sets)
    lost: dict[str, list[Problem]] = {name: [] for name in (*gathered, "train", "dev", "test")}
    kept = {
        name: settle(one.name, sets[name], one.problems, max_missing=settings.max_missing, lost=lost[name])
        for name, one in gathered.items()
    }
    sets = _with_cut(kept, gathered["train"].name, settings, lost["train"])
    seconds: dict[str, float | None] = {}
    for name, data in sets.items():
        written = data.with_text({key: settings.written(text) for key, text in data.text.items()})
        times = {key: f"{durations[key]:.3f}" for key in written.utt2spk}
        DataDir(written.recordings, written.text, written.utt2spk, written.segments, times).write(settings.out / name)
        write_left_out(settings.out / name, lost[name])
        units = sum(len(characters(text)) for text in written.text.values())
        seconds[name] = total = sum(durations[key] for key in written.utt2spk)
        size = f"{len(written.utt2spk)} utterances of {len(written.spk2utt)} speakers, {total / 3600:.2f} hours"
        say(f"{name}: {size}, {units} characters")
        sets[name] = written
    record(sets, seconds, settings)


def _checked(one: Gathered, settings: CorpusSettings, durations: dict[str, float]) -> DataDir:
    """The tables of a set, whose sounds are opened; what is wrong goes to `one.problems`."""
    data = one.collected()
    one.problems += check_sounds(
        one.name,
        data,
        rate_hz=settings.rate_hz,
        resample=settings.resample,
        nj=settings.nj,
        durations=durations,
    )
    return data


def _part(gathered: Mapping[str, Gathered], sets: Mapping[str, DataDir]) -> None:
    """An utterance, or a sound under another name, may be in one set only: it leaves the others."""
    order = [name for name in PRECEDENCE if name in sets]
    where = {(name, item.key): item for name in order for item in gathered[name].found}
    for (name, key), (other, as_key) in in_several_sets({name: sets[name] for name in order}).items():
        item = where[name, key]
        under = "" if as_key == key else f" as {as_key}"
        message = f"its sound is in {other} too{under}; it stays there alone"
        gathered[name].problems.append(Problem("in two sets", message, item.sound, None, key))
    for place, name in enumerate(order):
        gone = {problem.key for problem in gathered[name].problems if problem.kind == "in two sets"}
        for other in order[:place]:
            for key in sorted((sets[name].utt2spk.keys() & sets[other].utt2spk.keys()) - gone):
                item = where[name, key]
                message = f"is in {other} too, with another sound: one of the two needs another name"
                gathered[name].problems.append(Problem("duplicate key", message, item.file, item.line, key, "stop"))


def _with_cut(
    sets: dict[str, DataDir], name: Path, settings: CorpusSettings, lost: list[Problem]
) -> dict[str, DataDir]:
    """Return the three sets, those that are missing cut from train. `lost` gets what had to be left out for that."""
    total = len(sets["train"].utt2spk)
    for part, share in (("test", settings.test_fraction), ("dev", settings.dev_fraction)):
        if part not in sets:
            sets["train"], sets[part] = split(
                sets["train"],
                count=max(1, round(share * total)),
                max_missing=settings.max_missing,
                seed=settings.seed,
                name=name,
                lost=lost,
            )
    _say_leaks(sets)
    return {part: sets[part] for part in ("train", "dev", "test")}


def _say_leaks(sets: Mapping[str, DataDir]) -> None:
    """A dev set whose sentences are train's makes the language model look better than it is."""
    known = set(sets["train"].text.values())
    for name in ("dev", "test"):
        seen = sum(text in known for text in sets[name].text.values())
        if seen > 0.1 * len(sets[name].text):
            said = f"{seen} of {len(sets[name].text)} sentences of {name} are in train too"
            warn(f"{said}: the language model knows them")


def transcript_lines(path: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, line) of a file of transcripts.

    A UTF-16 or UTF-32 byte-order mark has the last word on its encoding. Where no line ends in a line feed, carriage
    returns end the lines, as spreadsheets on old Macs write them.
    """
    start = read_bytes(path)[:4]
    for mark, of_mark in MARKS.items():
        if start.startswith(mark):
            encoding = of_mark
            break
    lines = list(read_lines(path, encoding=encoding))
    if len(lines) == 1 and "\r" in lines[0][1]:
        lines = list(enumerate(lines[0][1].split("\r"), 1))
    for number, line in lines:
        yield number, line.replace(BOM, "")
