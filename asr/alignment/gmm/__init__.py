"""Alignments from scratch: Gaussian mixtures of phones, trained by realignment, and the tree of their contexts."""
