"""The rules of Kaldi's checks, utils/validate_lang.pl and utils/validate_data_dir.sh, without Kaldi.

Each function returns the faults that the script would report, [] for a folder that it accepts.
"""

from __future__ import annotations

import re
from pathlib import Path

DISAMBIGUATION = re.compile(r"#\d+")


def rows(path: Path) -> list[list[str]]:
    """Return the fields of each line. As in Kaldi, a file that does not end in a line break is an error."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n"), path
    return [line.split() for line in text.split("\n")[:-1]]


def symbols(path: Path) -> dict[str, int]:
    table = {name: int(number) for name, number in rows(path)}
    assert len(set(table.values())) == len(table) == len(rows(path)), path
    return table


def lang_faults(lang: Path) -> list[str]:
    """Return the faults of the text files of a lang directory: symbol tables, phones/*.{txt,int,csl}, topo, oov."""
    faults: list[str] = []
    phones, words = symbols(lang / "phones.txt"), symbols(lang / "words.txt")
    if phones.get("<eps>") != 0 or words.get("<eps>") != 0 or not {"#0", "<s>", "</s>"} <= words.keys():
        faults.append("<eps>, #0, <s> or </s>")
    folder = lang / "phones"
    lists: dict[str, list[str]] = {}
    for name in ("silence", "nonsilence", "disambig", "optional_silence", "context_indep"):
        lists[name] = [row[0] for row in rows(folder / f"{name}.txt") if len(row) == 1]
        numbers = [str(phones[phone]) for phone in lists[name]]
        if not lists[name] or [row[0] for row in rows(folder / f"{name}.int")] != numbers:
            faults.append(f"{name}.int is not {name}.txt")
        if (folder / f"{name}.csl").read_text() != ":".join(numbers) + "\n":
            faults.append(f"{name}.csl is not {name}.txt")
    if len(lists["optional_silence"]) != 1:
        faults.append("optional_silence is not one phone")
    real = {phone for phone, number in phones.items() if number and not DISAMBIGUATION.fullmatch(phone)}
    silence, nonsilence = set(lists["silence"]), set(lists["nonsilence"])
    if silence & nonsilence or silence | nonsilence != real:
        faults.append("silence and nonsilence are not all phones, each once")
    if set(lists["disambig"]) != {phone for phone in phones if DISAMBIGUATION.fullmatch(phone)}:
        faults.append("disambig is not all of #0, #1, ...")
    for name, lead in (("sets", 0), ("roots", 2), ("extra_questions", 0)):
        texts, numbers = rows(folder / f"{name}.txt"), rows(folder / f"{name}.int")
        if [row[:lead] + [str(phones[phone]) for phone in row[lead:]] for row in texts] != numbers:
            faults.append(f"{name}.int is not {name}.txt")
        members = [phone for row in texts for phone in row[lead:]]
        if name != "extra_questions" and sorted(members) != sorted(real):
            faults.append(f"{name} is not all phones, each once")
        if not all(len(row) > lead for row in texts):
            faults.append(f"{name} has an empty line")
    faults += _word_faults(lang, phones, words, real)
    topology = (lang / "topo").read_text()
    listed = " ".join(re.findall(r"<ForPhones>([^<]*)</ForPhones>", topology)).split()
    if sorted(map(int, listed)) != sorted(phones[phone] for phone in real):
        faults.append("topo is not for all phones, each once")
    return faults


def _word_faults(lang: Path, phones: dict[str, int], words: dict[str, int], real: set[str]) -> list[str]:
    faults: list[str] = []
    folder = lang / "phones"
    (oov,) = rows(lang / "oov.txt")
    if rows(lang / "oov.int") != [[str(words[oov[0]])]]:
        faults.append("oov.int is not oov.txt")
    if rows(folder / "wdisambig.txt") != [["#0"]] or rows(folder / "wdisambig_words.int") != [[str(words["#0"])]]:
        faults.append("wdisambig")
    if rows(folder / "wdisambig_phones.int") != [[str(phones["#0"])]]:
        faults.append("wdisambig_phones")
    positions = any(phone.endswith("_I") for phone in real)
    if positions != (folder / "word_boundary.txt").is_file() or positions != (folder / "word_boundary.int").is_file():
        faults.append("word_boundary goes with position-dependent phones")
    if positions:
        kinds = {phone: kind for phone, kind in rows(folder / "word_boundary.txt")}
        wanted = {"B": "begin", "E": "end", "I": "internal", "S": "singleton"}
        if kinds != {phone: wanted.get(phone[-1] if phone[-2] == "_" else "", "nonword") for phone in real}:
            faults.append("word_boundary.txt")
        if [[str(phones[phone]), kind] for phone, kind in kinds.items()] != rows(folder / "word_boundary.int"):
            faults.append("word_boundary.int is not word_boundary.txt")
    entries = rows(folder / "align_lexicon.txt")
    numbers = [[str(words[one]), str(words[two]), *(str(phones[p]) for p in sounds)] for one, two, *sounds in entries]
    if numbers != rows(folder / "align_lexicon.int") or len({tuple(row) for row in entries}) != len(entries):
        faults.append("align_lexicon.int is not align_lexicon.txt, or a line is there twice")
    if ["<eps>", "<eps>", *(folder / "optional_silence.txt").read_text().split()] not in entries:
        faults.append("align_lexicon has no silence between words")
    spoken = {row[0] for row in entries}
    if spoken != words.keys() - {"#0", "<s>", "</s>"}:
        faults.append("align_lexicon is not of all words")
    return faults


def _table_faults(data: Path, name: str, *, least_fields: int = 2) -> list[str]:
    keys = [row[0] for row in rows(data / name)]
    faults = [] if keys == sorted(set(keys), key=str.encode) else [f"{name} is not sorted and unique"]
    if any(len(row) < least_fields for row in rows(data / name)):
        faults.append(f"{name} has a line of too few fields")
    return faults


def data_faults(data: Path, *, features: bool) -> list[str]:
    """Return the faults that utils/validate_data_dir.sh reports; `features`: without --no-feats."""
    faults: list[str] = []
    for name in ("utt2spk", "spk2utt", "wav.scp", "text"):
        faults += _table_faults(data, name, least_fields=1 if name == "text" else 2)
    utt2spk = rows(data / "utt2spk")
    speakers = [row[1] for row in utt2spk]
    if speakers != sorted(speakers, key=str.encode):
        faults.append("utt2spk is not sorted by speaker: speakers are no prefixes of utterances")
    grouped = [[utterance, row[0]] for row in rows(data / "spk2utt") for utterance in row[1:]]
    if grouped != utt2spk:
        faults.append("spk2utt is not utt2spk")
    utterances = [row[0] for row in utt2spk]
    recordings = [row[0] for row in rows(data / "wav.scp")]
    if (data / "segments").is_file():
        segments = rows(data / "segments")
        faults += _table_faults(data, "segments", least_fields=4)
        if any(len(row) != 4 or float(row[2]) >= float(row[3]) > 0 for row in segments):
            faults.append("segments is not `utterance recording start end`")
        if sorted({row[1] for row in segments}, key=str.encode) != recordings:
            faults.append("segments and wav.scp have other recordings")
        if [row[0] for row in segments] != utterances:
            faults.append("segments and utt2spk have other utterances")
        channels = rows(data / "reco2file_and_channel")
        if [row[0] for row in channels] != recordings or any(len(row) != 3 or row[2] not in "AB" for row in channels):
            faults.append("reco2file_and_channel")
    elif recordings != utterances:
        faults.append("wav.scp and utt2spk have other utterances")
    others = ["text", *(name for name in ("utt2dur", "utt2num_frames", "utt2uniq") if (data / name).is_file())]
    others += ["feats.scp"] if features else []
    for name in others:
        if [row[0] for row in rows(data / name)] != utterances:
            faults.append(f"{name} and utt2spk have other utterances")
    if features and [row[0] for row in rows(data / "cmvn.scp")] != [row[0] for row in rows(data / "spk2utt")]:
        faults.append("cmvn.scp and spk2utt have other speakers")
    return faults
