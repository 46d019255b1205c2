"""Cut and altered files for the readers' fuzzing: each must give a result or an InputError, and nothing else."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

#: for tests that take a folder of pytest's beside hypothesis' examples
fuzzing = settings(
    max_examples=150, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def damaged(draw, data: bytes) -> bytes:
    """`data` with up to four bytes changed, perhaps a piece left out or doubled, perhaps cut."""
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
