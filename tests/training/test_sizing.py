"""Settings by the hours of speech: the stated rules by hand, and what a training says before it begins."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from asr.acoustic.network import NetworkConfig, build, flatten
from asr.cli import main
from asr.training import costs as costing
from asr.training.costs import Costs, bytes_in_memory, estimate, lines, multiply_adds, num_weights
from asr.training.sizing import Suited, suit

GB = 1e9


@pytest.mark.parametrize(
    ("hours", "seen", "suited"),
    [
        (0.0, 0.0, Suited(4, 512, 64, 0.0, 0.1)),
        (0.85, 0.85, Suited(4, 512, 64, 0.0, 0.1)),
        (0.85, 4.25, Suited(4, 512, 64, 0.2, 0.1)),  # copies do not change the minibatch
        (3.0, 3.0, Suited(4, 512, 128, 0.0, 0.14)),  # 64 √3 = 111
        (3.0, 5.9, Suited(4, 512, 128, 0.0, 0.14)),
        (10.0, 30.0, Suited(5, 704, 256, 0.0, 0.2)),  # 512 (10/3)^0.3 = 735, 11 steps of 64; 64 √10 = 202
        (150.0, 150.0, Suited(6, 1664, 512, 0.0, 0.28)),  # 512 · 50^0.3 = 1656
        (10_000.0, 30_000.0, Suited(6, 2048, 512, 0.0, 0.28)),
    ],
)
def test_the_rules(hours, seen, suited):
    assert suit(hours, seen) == suited


@pytest.mark.parametrize("layer_norm", [True, False])
def test_weights_and_multiply_adds(layer_norm):
    shape = NetworkConfig(feature_dim=3, num_pdfs=7, layers=3, width=10, context=1, layer_norm=layer_norm)
    assert num_weights(shape) == flatten(build(shape, 1)).numel()
    assert multiply_adds(shape) == 3 * (9 * 10 + 2 * 10 * 10 + 10 * 7)


def test_what_a_pass_takes(monkeypatch):
    shape = NetworkConfig(feature_dim=40, num_pdfs=100, layers=2, width=64, context=0)
    monkeypatch.setattr(costing, "frames_a_second", lambda *_: 1000.0)
    few = estimate(shape, 360_000, 64, workers=2, precision="float32", store_bytes=1e7)
    pushes = 5625 * num_weights(shape) * costing.PUSH_S
    assert few.seconds == pytest.approx(costing.START_S + 360 / (2 * costing.EFFICIENCY) + pushes)
    many = estimate(shape, 36_000_000, 64, workers=2, precision="float32", store_bytes=1e9)
    assert many.seconds - costing.START_S == pytest.approx(100 * (few.seconds - costing.START_S))
    assert many.memory_bytes - few.memory_bytes == pytest.approx(1e9 - 1e7), "the processes share one store"
    vectors = 4 * num_weights(shape) * (costing.SERVER_VECTORS + 2 * costing.WORKER_VECTORS)
    assert few.memory_bytes == pytest.approx(3 * costing.PROCESS_BYTES + vectors + 1e7)


@pytest.mark.parametrize(
    ("block_frames", "together", "share"),
    [(10_000, True, 1.0), (1_000, True, 0.2), (1_000, False, 0.8), (4_000, False, 1.0)],
)
def test_the_part_of_the_store_that_is_in_memory(block_frames, together, share):
    """The blocks that four workers are at, or the one that all are at, and as many that are read ahead."""
    store = SimpleNamespace(bytes=450_000)
    data = SimpleNamespace(store=store, frames=10_000, block_frames=block_frames, together=together)
    assert bytes_in_memory(data, workers=4) == pytest.approx(share * 450_000)


def test_the_rate_is_measured():
    small = NetworkConfig(feature_dim=20, num_pdfs=50, layers=2, width=16, context=2)
    rates = [costing.frames_a_second(shape, 64, "float32") for shape in (small, replace(small, width=1024))]
    assert rates[0] > rates[1] > 0  # several hundred times the work a frame


def test_lines():
    def said(distinct_hours: float, hours: float, given: set[str], dropout: str) -> list[str]:
        settings = SimpleNamespace(layers=4, width=512, minibatch=64, dropout=dropout)
        plan = SimpleNamespace(settings=settings, given=given, dropout=float(dropout), workers=2)
        costs = Costs(2_340_000, 7_000_000, 93.0, 1.26 * GB)
        return lines(plan, costs, int(distinct_hours * 360_000), int(hours * 360_000))

    assert said(0.85, 2.55, {"width"}, "0.2") == [
        "train: for 0.85 h of speech, 2.55 with copies: 4 × 512 (given), minibatch 64, dropout 0.2",
        "train: 2.34 M weights; about 1 min 33 s with 2 workers, and 1.3 GB of memory",
    ]
    assert said(0.85, 0.85, set(), "0")[0].endswith("h of speech: 4 × 512, minibatch 64")
    assert said(0.85, 2.55, {"dropout"}, "0")[0].endswith("4 × 512, minibatch 64, dropout 0 (given)")


def without(argv: list[str], *options: str) -> list[str]:
    for option in options:
        if option in argv:
            place = argv.index(option)
            argv = [*argv[:place], *argv[place + 2 :]]
    return argv


def test_a_training_says_its_sizes_first_and_what_is_given_stays(problem, capsys, monkeypatch):
    folder, argv = problem
    monkeypatch.setattr("asr.training.costs.free_bytes", lambda: 1e6)
    argv = [*without(argv, "--layers", "--width", "--minibatch"), "--workers", "1"]
    assert main([*argv, "--width", "16"]) == 0
    said = capsys.readouterr()
    first, second, third = said.out.splitlines()[:3]
    assert first == "train: for 0.03 h of speech: 4 × 16 (given), minibatch 64"
    assert second.startswith("train: 0.00 M weights; about ") and second.endswith(" GB of memory")
    assert third.endswith(" in a store of 0.00 GB, 8 bits a feature: shuffled in 4 blocks of random utterances")
    assert "that is more than the 0.0 GB that are free; a smaller --block-frames needs less" in said.err
    config = json.loads((folder / "model" / "config.json").read_text())
    assert (config["network"]["layers"], config["network"]["width"]) == (4, 16)
    assert main([*argv, "--width", "16", "--layers", "4", "--minibatch", "64"]) == 0
    assert capsys.readouterr().out == "train: up to date\n"  # the rule's own sizes, given
