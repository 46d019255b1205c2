"""Fixtures of the corpus tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus_samples import data_dir


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return data_dir(
        tmp_path / "train", {"s1u1": "今天天气很好", "s1u2": "打开空调", "s2u1": "明天去北京", "s2u2": "谢谢"}
    )


@pytest.fixture
def sounds(data: Path) -> Path:
    return data.parent / "train_sounds"
