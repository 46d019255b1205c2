"""Damaged bytes for tests of readers: a reader must return a whole object or raise an InputError of one line."""

from collections.abc import Callable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from asr.errors import InputError


def fuzzing(examples: int = 150) -> settings:
    """Return hypothesis settings for tests that write files: the same examples every time, without a time limit."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """Draw `data` with up to four bytes changed and perhaps a piece removed, doubled or cut off."""
    result = bytearray(data)
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), max_size=4)):
        result[place] = value
    start, size = draw(st.integers(0, len(data))), draw(st.integers(0, 40))
    what = draw(st.sampled_from(["whole", "without", "twice", "cut"]))
    if what == "without":
        del result[start : start + size]
    elif what == "twice":
        result[start:start] = result[start : start + size]
    elif what == "cut":
        del result[start:]
    return bytes(result)


def read_or_none(read: Callable, path):
    """Return what `read` returns for a file, None for an InputError of one line that names the file."""
    try:
        return read(path)
    except InputError as error:
        assert path.name in str(error) and "\n" not in str(error)
        return None
