"""Make data directories of what a recipe found in a corpus: checked, without overlap, normalised.

    class Settings(CorpusSettings): ...                          # of recipes/NAME/prepare.py
    train = Gathered(Path("corpus/train"))
    train.found.append(Found("S1_a", "S1", Path("corpus/S1/a.wav"), "今天", Path("corpus/trans.txt"), 17))
    train.problems.append(Problem("no transcript", "has no transcript", "corpus/S1/b.wav", None, "S1_b"))
    write_sets({"train": train, "test": test}, settings)         # OUT/{train,dev,test}

Reads the sounds. Writes Kaldi data directories with utt2dur, left_out.tsv and prepared.json. Utterances that cannot
be used are dropped and named, up to --max-missing of a set. A set that the corpus lacks is cut from train, by speaker
and text.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from asr.console import say, warn
from asr.corpus.data_tables import Segment
from asr.corpus.datadir import DataDir
from asr.corpus.prepared import num_characters, record, write_left_out
from asr.corpus.problems import Problem, checked_value
from asr.corpus.repair import settle
from asr.corpus.same_sound import in_several_sets
from asr.corpus.soundcheck import SoundChecks, check_sounds
from asr.corpus.split import split
from asr.corpus.spoken.numerals import YAO
from asr.corpus.survey import transcript_problems
from asr.corpus.transcript import normaliser, simplified
from asr.errors import InputError
from asr.settings import option

SETS = ("train", "dev", "test")
#: an utterance in several sets stays in the first of these: train must not hold what is in test
PRECEDENCE = ("test", "dev", "train")


@dataclass(frozen=True, kw_only=True)
class TranscriptSettings:
    """The settings of every recipe's transcripts."""

    spoken: bool = option(True, help="say numbers, dates and units in Han characters")
    latin: str = option("word", help="Latin words whole, or spelled", choices=("word", "letter"))
    simplified: bool = option(False, help="convert traditional characters to simplified ones")
    encoding: str = option("utf-8", help="of the transcripts, e.g. gb18030")
    yao: str = option("telephone", help="which digit-by-digit numbers say 1 as 幺", choices=YAO)
    spoken_table: Path | None = option(None, help="your own `written<TAB>spoken` pairs, applied before all rules")

    def written(self, text: str) -> str:
        """Return a transcript in its written form. Raises InputError for a faulty --spoken-table."""
        text = self._one_form(simplified(text) if self.simplified else text)
        return text if self.latin == "word" else re.sub("(?<=[A-Z])(?=[A-Z])", " ", text)

    def rewritten(self, data: DataDir) -> DataDir:
        """Return `data` with its transcripts in their written form."""
        return data.with_text({key: self.written(text) for key, text in data.text.items()})

    @functools.cached_property
    def _one_form(self) -> Callable[[str], str]:
        return normaliser(spoken=self.spoken, yao=self.yao, table=self.spoken_table)


@dataclass(frozen=True, kw_only=True)
class RecipeSettings(TranscriptSettings):
    """The settings of every recipe that reads recordings."""

    out: Path = option(help="folder to write train, dev and test into", writes="folder", makes=SETS)
    rate_hz: int = option(16000, help="sample rate that every sound must have", least=1000, most=10**6)
    resample: bool = option(False, help="accept higher rates, which are converted on reading")
    max_missing: float = option(0.05, help="largest share of a set's utterances that may be dropped", least=0, most=1)
    dev_fraction: float = option(0.05, help="share of train that becomes dev if dev is cut from it", above=0, below=1)
    seed: int = option(1, help="which speakers or sentences a set that is cut from train gets", least=0)
    nj: int = option(0, help="threads; 0: one per core", least=0, affects=False)


@dataclass(frozen=True, kw_only=True)
class CorpusSettings(RecipeSettings):
    """The settings of every recipe that may cut dev and test from train."""

    test_fraction: float = option(
        0.05, help="share of train that becomes test if test is cut from it", above=0, below=1
    )


@dataclass(frozen=True)
class Found:
    """An utterance of a corpus. file, line: of its transcript. segment: the part of `sound` that it is."""

    key: str
    speaker: str
    sound: Path
    text: str
    file: Path
    line: int | None = None
    segment: Segment | None = None


@dataclass
class Gathered:
    """One set of a corpus. name: the file or folder that messages name. problems: those found so far."""

    name: Path
    found: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def collected(self) -> DataDir:
        """Return the utterances as tables. Differing utterances with one key are a problem that drops the key."""
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
    """Write train, dev and test under settings.out.

    Raises InputError if a set is empty, or too much of it is dropped; nothing is written then.
    """
    for one in gathered.values():
        if not one.found:
            raise (one.problems[0].error() if one.problems else InputError("no utterance is here", file=one.name))
    durations: dict[str, float] = {}
    sets = {name: one.collected() for name, one in gathered.items()}
    for name, one in gathered.items():
        one.problems += check_sounds(one.name, sets[name], SoundChecks.of(settings), durations)
    _separate(gathered, sets)
    lost: dict[str, list[Problem]] = {name: [] for name in SETS}
    kept = {
        name: settle(one.name, sets[name], one.problems, max_missing=settings.max_missing, lost=lost[name])
        for name, one in gathered.items()
    }
    sets = _with_cut(kept, gathered["train"].name, settings, lost["train"])
    seconds: dict[str, float | None] = {}
    for name, data in sets.items():
        times = {key: f"{durations[key]:.3f}" for key in data.utt2spk}
        sets[name] = written = replace(settings.rewritten(data), utt2dur=times)
        written.write(settings.out / name)
        write_left_out(settings.out / name, lost[name])
        seconds[name] = total = sum(durations[key] for key in written.utt2spk)
        say(f"{name}: {written.size}, {total / 3600:.2f} hours, {num_characters(written)} characters")
    record(sets, seconds, settings)


def _separate(gathered: Mapping[str, Gathered], sets: Mapping[str, DataDir]) -> None:
    """Append a problem for each utterance, or sound of another name, that is in an earlier set of PRECEDENCE too."""
    order = [name for name in PRECEDENCE if name in sets]
    where = {(name, item.key): item for name in order for item in gathered[name].found}
    for (name, key), (other, as_key) in in_several_sets({name: sets[name] for name in order}).items():
        item = where[name, key]
        under = "" if as_key == key else f" as {as_key}"
        message = f"its sound is in {other} too{under} and is kept only there"
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
    """Return the three sets; cuts those that are missing from train. lost: receives what this leaves out."""
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
    return {part: sets[part] for part in SETS}


def _say_leaks(sets: Mapping[str, DataDir]) -> None:
    """Warn of a dev or test set whose sentences are in train: the language model looks better than it is."""
    known = set(sets["train"].text.values())
    for name in ("dev", "test"):
        seen = sum(text in known for text in sets[name].text.values())
        if seen > 0.1 * len(sets[name].text):
            share = f"{seen} of {len(sets[name].text)} sentences of {name}"
            warn(f"{share} are in train too: the language model knows them")
