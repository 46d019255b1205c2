"""recipes/compare: the grid, the rows and the figures of a log by hand; the smallest comparison on real speech."""

from __future__ import annotations

import math
import re
import subprocess
import sys

import pytest
from repository import ROOT

COMPARE = ROOT / "recipes" / "compare"
sys.path.insert(0, str(COMPARE))

import groups  # noqa: E402
import measure  # noqa: E402
import rows  # noqa: E402
import summary  # noqa: E402
from cells import Cell, Results  # noqa: E402
from page import publish  # noqa: E402
from systems import NETWORKS, SYSTEMS, System  # noqa: E402
from tune import tune  # noqa: E402

from asr.training.methods import METHODS  # noqa: E402


def bowl(best: float):
    """Return a judge whose best eta0 is `best`, from 3.2 on infinite; momentum 0.9 is better than 0.5."""

    def judge(options: dict[str, str]) -> float:
        if "eta0" in options and float(options["eta0"]) >= 3.2:
            return math.inf
        return abs(math.log2(float(options.get("eta0", "1")) / best)) + (options.get("momentum") == "0.5")

    return judge


@pytest.mark.parametrize(
    ("first", "best", "tried"),
    [
        (0.2, 0.2, ["0.2", "0.4", "0.1"]),
        (0.2, 0.8, ["0.2", "0.4", "0.8", "1.6"]),
        (0.2, 0.05, ["0.2", "0.4", "0.1", "0.05", "0.025"]),
        (3.2, 1.6, ["3.2", "1.6", "0.8"]),  # diverges
    ],
)
def test_eta0_is_never_at_an_end(first, best, tried):
    chosen, trials = tune(System("one", "One", "async-asgd", eta0=first), bowl(best))
    assert chosen == {"eta0": f"{best:g}"}
    assert [trial["options"]["eta0"] for trial in trials] == tried


def test_other_options_are_tried_at_the_best_eta0():
    system = System("one", "One", "async-asgd", eta0=0.2, grid={"momentum": ("0.5", "0.9")})
    chosen, trials = tune(system, bowl(0.4))
    assert chosen == {"eta0": "0.4", "momentum": "0.9"}
    assert [trial["ce"] for trial in trials] == pytest.approx([2, 1, 2, 0])
    assert tune(System("two", "Two", "lbfgs", eta0=None), bowl(1.0))[0] == {}


def test_every_method_is_a_system_and_every_group_has_cells():
    assert {system.method for system in SYSTEMS.values()} == set(METHODS)
    for size in groups.SIZES.values():
        for group in size.groups:
            cells = groups.cells(group, size)
            assert cells and len(set(cells)) == len(cells)
            assert {cell.network for cell in cells} <= set(NETWORKS)


def log(frames: int, ce: float) -> list[dict]:
    heldout = [(0, 0.0, 5.0), (frames // 2, 10.0, ce + 1), (frames, 20.0, ce)]
    start = {"layers": 4, "width": 64, "minibatch": 64, "eta0": 0.2, "workers": 2, "weights": 10}
    done = {
        "ce": ce,
        "accuracy": 0.5,
        "frames_seen": frames,
        "passes": 1,
        "pushes": 100,
        "seconds": 40.0,
        "cpu_s": 60.0,
        "staleness_histogram": [1, 3],
    }
    spent = {"eta0": {"seconds": 8.0, "cpu_s": 6.0}, "windows": {"seconds": 4.0, "cpu_s": 4.0}}
    curve = [{"event": "heldout", "frames": n, "seconds": s, "ce_average": c, "ce_raw": 9.0} for n, s, c in heldout]
    return [{"event": "start", **start}, *curve, {"event": "done", **done, "spent": spent}]


@pytest.fixture
def results(tmp_path):
    """Return results of two seeds of one pass and one of newbob, on two speakers with 100 characters each."""
    results = Results(tmp_path / "by_hand")
    speakers = {"a": [10, 100], "b": [30, 100]}, {"a": [20, 100], "b": [40, 100]}
    many = measure.figures(log(1000, 1.5)) | {"cpu_s": 510.0, "dev": speakers[1], "test": speakers[1]}
    for seed, (ce, test) in enumerate([(1.4, speakers[0]), (1.6, speakers[1])], 1):
        one = measure.figures(log(1000, ce)) | {"dev": speakers[0], "test": test}
        results.write(Cell("one-pass", "default", "1", seed), one)
    results.write(Cell("newbob", "default", "1", 1), many)
    results.write_hours(8.808)
    return results


def test_the_rows_by_hand(results):
    cells = [Cell(name, "default", "1", seed) for seed in (1, 2, 3) for name in ("one-pass", "newbob")]
    found = rows.measured(results, cells)
    one, other = (dict(zip(rows.HEADS, row, strict=True)) for row in rows.table(found, "newbob"))
    assert (one["seeds"], other["seeds"]) == ("2", "1")
    assert (one["held-out CE"], one["dev CER"]) == ("1.5000", "20.00")
    assert one["staleness"] == "0.8"  # one push of 0 and three of 1
    # seeds: 20 and 30 % of 200 characters; two speakers drawn: from a twice (15 %) to b twice (35 %)
    assert one["test CER, 95 %"] == "25.00 (15.00 to 35.00)"
    assert one["against the baseline, 95 %"] == "-5.00 (-5.00 to -5.00)"
    assert (one["CPU s"], one["of it steps"], one["ratio of CPU s"]) == ("60", "50", "10.0")  # 500 to 50
    assert one["s to the baseline's CE, + 1 %, + 2 %"] == "never, never, never", "the second seed ends at 1.6"
    assert rows.table(rows.measured(results, [Cell("one-pass", "half", "1", 1)]), "newbob") == []
    first = rows.Measured("one-pass", [results.read(cells[0])])
    assert [first.reached_after(ce) for ce in (2.4, 1.5, 1.3)] == [10.0, 20.0, None]


def test_the_result_in_a_sentence_and_the_gap(results):
    wanted = [Cell(name, "default", "1", seed) for seed in (1, 2) for name in ("one-pass", "newbob")]
    found = rows.measured(results, wanted)
    assert summary.sentence(found, "1 h of x") == (
        "On 1 h of x, one pass gives 25.00 % character errors on test, and the strongest system with many passes "
        "(many passes, newbob (async-sgd)) 30.00 %: a difference of -5.00 points (-5.00 to -5.00), in 0.10 of its "
        "CPU seconds."
    )
    assert summary.gap_row("1", found) == [
        *("1", "25.00", "many passes, newbob (async-sgd)", "30.00", "-5.00 (-5.00 to -5.00)", "10.0")
    ]
    assert summary.sentence({"one-pass": found["one-pass"]}, "1 h of x") is None


def test_the_page_needs_no_other_file_and_names_what_was_tried(results):
    trials = [{"options": {"eta0": "0.2"}, "ce": 1.25}, {"options": {"eta0": "0.4"}, "ce": None}]
    results.write_tuned("one-pass", "default", {"hours": "0.5", "chosen": {"eta0": "0.2"}, "trials": trials})
    lines = publish(results, groups.SIZES["evening"], ["main", "hours"])
    assert lines == (results.folder / "RESULTS.md").read_text("utf-8").splitlines()
    tried = "eta0 0.2: 1.2500; eta0 0.4: diverged"
    assert f"| one pass, averaged (async-asgd) | default | 0.5 | eta0 0.2 | {tried} |" in lines
    html = (results.folder / "index.html").read_text("utf-8")
    assert lines[2] in html and tried in html and html.count('<svg class="chart"') == 4
    assert not re.search(r"(src|href)=.http|@import|url\(http", html)
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(set(ids)) == len(ids)


def test_slices_are_smaller_than_the_training_set(results):
    size = groups.SIZES["full"].within(results.hours())
    assert results.hours() == 8.81 and size.hours == ("1", "3", "all")
    assert groups.SIZES["full"].within(50.0).hours == ("1", "3", "10", "30", "all")


def test_simulated_workers_take_the_options_of_one_pass():
    stale = groups.cells("staleness", groups.SIZES["full"])
    assert [SYSTEMS[cell.system].fixed["workers"] for cell in stale[:7]] == ["1", "2", "4", "8", "16", "32", "64"]
    assert {SYSTEMS[cell.system].like for cell in stale} == {"one-pass"}


@pytest.mark.slow
def test_the_smallest_comparison_runs(tmp_path):
    """--ci in full, in a folder of its own: prepares, tunes, trains, decodes and writes the page."""
    command = [str(COMPARE / "run.sh"), "--ci", "--exp", str(tmp_path / "exp"), "--results", str(tmp_path / "mini")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "\n# One pass against many: mini\n\nOn 0.05 h of mini, one pass gives " in done.stdout
    assert (tmp_path / "mini/index.html").is_file()
    again = subprocess.run([*command, "--show"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.endswith(again.stdout)
