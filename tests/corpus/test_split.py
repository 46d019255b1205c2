from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from corpus_samples import data_dir
from repository import ROOT

from asr.cli import main
from asr.corpus.datadir import DataDir
from asr.corpus.split import split
from asr.errors import InputError

HAN = [chr(0x4E00 + number) for number in range(2000)]


def corpus(speakers: int, each: int, *, shared_sentences: int = 0) -> DataDir:
    """Return a directory with `each` utterances a speaker. All speakers share the first `shared_sentences`."""
    rng = random.Random(0)
    prompts = ["".join(rng.sample(HAN, 8)) for _ in range(shared_sentences)]
    text = {}
    for speaker in range(speakers):
        for place in range(each):
            own = "".join(rng.sample(HAN, 8))
            text[f"s{speaker:03}u{place:03}"] = prompts[place] if place < shared_sentences else own
    return DataDir({key: f"/{key}.wav" for key in text}, text, {key: key[:4] for key in text})


def sentences(data: DataDir) -> set[str]:
    return set(data.text.values())


def test_whole_speakers_where_there_are_enough() -> None:
    rest, part = split(corpus(20, 10), fraction=0.1)
    assert (len(part.spk2utt), len(part.keys), len(rest.keys)) == (2, 20, 180)
    assert not rest.spk2utt.keys() & part.spk2utt.keys()


def test_few_common_sentences_are_left_out_of_the_part() -> None:
    rest, part = split(corpus(20, 20, shared_sentences=1), fraction=0.1)
    assert (len(part.spk2utt), len(part.keys), len(rest.keys)) == (2, 38, 360)
    assert not sentences(rest) & sentences(part)


def test_prompts_common_to_all_are_divided_instead() -> None:
    data = corpus(20, 20, shared_sentences=20)
    rest, part = split(data, fraction=0.1)
    assert (len(part.spk2utt), len(part.keys), len(rest.keys)) == (20, 40, 360)
    assert not sentences(rest) & sentences(part)


def test_every_speaker_in_proportion_where_there_are_few() -> None:
    data = corpus(3, 60)
    big = data.restricted(key for key in data.keys if key < "s002u030")
    rest, part = split(big, count=15)
    assert Counter(part.utt2spk.values()) == {"s000": 6, "s001": 6, "s002": 3}
    assert len(rest.keys) == 135 and not sentences(rest) & sentences(part)


def test_sentences_are_compared_as_they_are_spoken() -> None:
    texts = {
        f"s0u{n}": text for n, text in enumerate(["你好，世界", "你好世界！", "再见", "再 见。", "谢谢", "谢谢"])
    }
    data = DataDir({key: "/x.wav" for key in texts}, texts, {key: "s0" for key in texts})
    for seed in range(5):
        _, part = split(data, count=2, seed=seed)
        assert {key[-1] for key in part.keys} in ({"0", "1"}, {"2", "3"}, {"4", "5"})


def test_seed_decides_and_order_does_not() -> None:
    data = corpus(12, 10)
    backwards = DataDir(data.recordings, data.text, dict(reversed(data.utt2spk.items())))
    assert split(data, seed=3)[1].keys == split(backwards, seed=3)[1].keys
    assert len({tuple(split(data, seed=seed)[1].keys) for seed in range(5)}) > 1


@pytest.mark.parametrize("options", [{"count": 0}, {"count": 120}, {"fraction": 0.0}, {"fraction": 1.0}])
def test_nothing_to_cut(options: dict) -> None:
    with pytest.raises(InputError):
        split(corpus(12, 10), **options)


def test_one_sentence_only() -> None:
    data = corpus(1, 4)
    with pytest.raises(InputError, match="data/x: cannot cut a part out"):
        split(data.with_text({key: "一样" for key in data.keys}), count=1, name="data/x")


def test_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = data_dir(tmp_path / "all", {f"s{n % 2}u{n}": HAN[n] * 3 for n in range(8)})
    rest, part = tmp_path / "rest", tmp_path / "part"
    arguments = ["split", "--data", str(data), "--rest", str(rest), "--part", str(part), "--count", "2"]
    assert main(arguments) == 0
    both = [*DataDir.read(rest).keys, *DataDir.read(part).keys]
    assert sorted(both) == DataDir.read(data).keys
    assert main([*arguments[:5], "--part", str(rest)]) == 2
    assert main([*arguments[:3], "--rest", str(rest), "--part", str(data)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_does_not_depend_on_the_hash_seed(aishell_sample: Path, tmp_path: Path) -> None:
    written = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        command = [sys.executable, "-m", "asr", "split", "--data", str(aishell_sample / "data" / "train")]
        command += ["--rest", str(folder / "rest"), "--part", str(folder / "part")]
        subprocess.run(command, check=True, cwd=ROOT, env={"PYTHONHASHSEED": seed}, stdout=subprocess.DEVNULL)
        written.append({path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()})
    assert written[0] == written[1] and len(written[0]) == 8
