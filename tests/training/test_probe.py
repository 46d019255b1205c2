"""The search for eta0: the walk over rates by hand, and probes on real speech."""

from __future__ import annotations

import math

import pytest

from asr.acoustic.network import build, flatten
from asr.errors import InputError
from asr.training.probe import Probe, search

INF = math.inf


@pytest.mark.parametrize(
    ("judged", "found", "tried"),
    [
        ({0.1: 3.0, 0.2: 2.0, 0.4: 2.5}, 0.2, [0.1, 0.2, 0.4]),
        ({0.1: 3.0, 0.2: 2.0, 0.4: 1.5, 0.8: INF}, 0.4, [0.1, 0.2, 0.4, 0.8]),
        ({0.1: 3.0, 0.2: math.nan, 0.05: 2.0, 0.025: 2.1}, 0.05, [0.1, 0.2, 0.05, 0.025]),
        ({0.1: math.nan, 0.05: 4.0, 0.025: 4.5}, 0.05, [0.1, 0.05, 0.025]),
        ({0.1: INF, 0.05: INF, 0.025: 4.0, 0.0125: 3.0, 0.00625: 3.5}, 0.0125, [0.1, 0.05, 0.025, 0.0125, 0.00625]),
    ],
)
def test_doubles_or_halves_while_that_helps(judged, found, tried):
    eta0, rates = search(judged.__getitem__, 0.1)
    assert eta0 == found
    assert [rate.eta0 for rate in rates] == tried


@pytest.fixture
def probe(speech_plan, speech) -> Probe:
    return Probe(speech_plan, speech, flatten(build(speech.shape, 1)))


def test_a_rate_at_which_the_weights_blow_up_is_too_high_and_does_not_end_the_run(probe, capsys):
    assert probe(1e30) == INF
    assert "train: eta0 1e+30: too high, 20 gradients in a row were not finite" in capsys.readouterr().out
    assert probe(0.1) < 6.2  # untrained: 6.27


def test_a_start_that_is_not_finite_is_said_not_halved_for_ever(probe):
    probe.start.fill_(math.nan)
    with pytest.raises(InputError, match="were not finite; the last ones among"):
        search(probe, probe.first)
