"""Many utterances: the same results with any number of processes; a fault affects one utterance only."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT
from toy_graph import NUM_PDFS

from asr.decoding.beam.search import Beams
from asr.decoding.pool import SearchPool
from asr.decoding.utterance import SearchSetup, SearchTask
from asr.errors import InputError

DEADLY = 12345.0


class FragileSetup(SearchSetup):
    """A setup whose decoder ends the process on a matrix that begins with DEADLY."""

    def searcher(self):
        searcher = super().searcher()
        search = searcher.decoder.lattice

        def lattice(loglikes):
            if loglikes[0, 0] == DEADLY:
                os._exit(9)
            return search(loglikes)

        searcher.decoder.lattice = lattice
        return searcher


@pytest.fixture
def graph(write_graph, tmp_path, toy_model):
    """Return the setup of a graph of any sequence of 甲 (pdf 4) and 乙 (pdf 10), a frame each."""
    folder = write_graph(tmp_path / "graph", [[(18, 2, 0.5, 0), (30, 3, 0.5, 0)]], {0: 0.0})
    return SearchSetup(folder, toy_model / "final.mdl", Beams(20.0, 100))


def matrices(count: int) -> dict[str, np.ndarray]:
    numbers = np.random.default_rng(3)
    return {f"utt{place:02}": numbers.normal(0, 9, (1 + place % 7, NUM_PDFS)).astype("f") for place in range(count)}


def expected_words(matrix: np.ndarray) -> tuple[str, ...]:
    return tuple("甲" if row[4] > row[10] else "乙" for row in matrix)


def decode(pool, entries, source=None, **more):
    return pool.decode(list(entries), source or entries.__getitem__, SearchTask(10.0, **more), what="test")


def stripped(results):
    return {
        key: (o.words, o.frames, o.hypothesis and o.hypothesis.cost, o.reached_final, o.fault)
        for key, o in results.items()
    }


def test_one_and_two_processes_give_the_same(graph):
    entries = matrices(30)
    with SearchPool(graph, 1) as one, SearchPool(graph, 2) as two:
        for penalty in (0.0, 0.5):
            first, second = (decode(pool, entries, penalty=penalty) for pool in (one, two))
            assert stripped(first) == stripped(second)
            assert list(first) == list(second) == list(entries)
            assert all(first[key].words == expected_words(matrix) for key, matrix in entries.items())


@pytest.mark.parametrize("nj", [1, 2])
def test_an_utterance_without_likelihoods_is_its_own_fault(graph, nj):
    entries = matrices(5)

    def source(utterance):
        if utterance == "utt02":
            raise InputError("has no features", file="feats.scp", key=utterance)
        return entries[utterance][:, :-1] if utterance == "utt03" else entries[utterance]

    with SearchPool(graph, nj) as pool:
        results = decode(pool, entries, source)
    assert results["utt02"].fault == "feats.scp: utt02: has no features"
    assert "10 columns" in results["utt03"].fault and results["utt03"].words == ()
    assert [key for key, result in results.items() if result.fault] == ["utt02", "utt03"]
    assert results["utt04"].words == expected_words(entries["utt04"])


def test_an_utterance_with_no_frames_has_a_fault(graph):
    with SearchPool(graph, 1) as pool:
        results = decode(pool, {"none": np.zeros((0, NUM_PDFS), np.float32)})
    assert results["none"].fault == "has no frames"


def test_a_killed_searcher_is_named_and_its_utterances_are_searched_again(graph, capsys):
    entries, killed = matrices(24), []
    with SearchPool(graph, 2) as pool:

        def source(utterance):
            if utterance == "utt10" and not killed:
                killed.append(next(iter(pool._pool.workers.processes)))
                os.kill(killed[0], signal.SIGKILL)
                pool._pool.workers.processes[killed[0]].join(10)
            return entries[utterance]

        results = decode(pool, entries, source)
    said = capsys.readouterr().err
    assert f"warning: decode: process {killed[0]} was killed by SIGKILL (out of memory?)" in said
    assert "searching the unfinished utterances again" in said
    assert all(results[key].words == expected_words(matrix) for key, matrix in entries.items())


def test_an_utterance_that_kills_its_searcher_is_named(graph):
    entries = matrices(12)
    entries["utt04"][0, 0] = DEADLY
    fragile = FragileSetup(graph.graph_dir, graph.transition_model, graph.beams)
    with SearchPool(fragile, 2) as pool:
        results = decode(pool, entries)
    assert "process died" in results["utt04"].fault
    assert [key for key, result in results.items() if result.fault] == ["utt04"]
    others = {key: matrix for key, matrix in entries.items() if key != "utt04"}
    assert all(results[key].words == expected_words(matrix) for key, matrix in others.items())


def test_a_bad_graph_is_refused_before_any_process_starts(graph):
    (graph.graph_dir / "HCLG.fst").write_bytes(b"no graph")
    with pytest.raises(InputError, match="not a binary OpenFst file"), SearchPool(graph, 2):
        pass


def test_no_searcher_outlives_a_killed_parent(graph, tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        textwrap.dedent(f"""
        import time
        from pathlib import Path
        import numpy as np
        from asr.decoding.pool import SearchPool
        from asr.decoding.utterance import SearchSetup, SearchTask
        from asr.decoding.beam.search import Beams
        if __name__ == "__main__":
            paths = Path({str(graph.graph_dir)!r}), Path({str(graph.transition_model)!r})
            with SearchPool(SearchSetup(*paths, Beams(20.0, 100)), 2) as pool:
                entries = {{str(n): np.zeros((3, {NUM_PDFS}), np.float32) for n in range(8)}}
                pool.decode(list(entries), entries.__getitem__, SearchTask(10.0), what="test")
                print(*pool._pool.workers.processes, flush=True)
                time.sleep(60)
        """)
    )
    parent = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    searchers = [int(number) for number in parent.stdout.readline().split()]
    assert len(searchers) == 2 and all(alive(number) for number in searchers)
    parent.kill()
    parent.communicate()
    for _ in range(100):
        if not any(alive(number) for number in searchers):
            return
        time.sleep(0.1)
    pytest.fail(f"searchers {searchers} still run ten seconds after their parent was killed")


def alive(number: int) -> bool:
    """Return whether the process runs; a zombie does not."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
