"""Class priors from alignment counts, as Kaldi's nnet1 takes them (pdf-prior.cc)."""

from __future__ import annotations

import numpy as np

#: a pdf rarer than this is switched off: its log-likelihood becomes hopeless, as in Kaldi
PRIOR_FLOOR = 1e-10
DISABLED = 1e10


def log_priors(counts: np.ndarray) -> np.ndarray:
    """Natural-log priors; a pdf below PRIOR_FLOOR gets +DISABLED, so that subtracting it switches the pdf off."""
    share = counts / counts.sum()
    return np.where(share > PRIOR_FLOOR, np.log(np.maximum(share, PRIOR_FLOOR)), DISABLED)
