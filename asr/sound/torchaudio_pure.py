"""torchaudio without its compiled part; everything that this project uses of it is plain torch.

The torchaudio wheel loads `_torchaudio.so` when it is imported, and that library needs the CUDA build of the
very torch it was made with: beside a CPU build `import torchaudio` ends in an OSError. The library holds only
faster loops for `lfilter` and `overdrive` (torchaudio falls back to torch code without them), RNN-T loss and
CTC alignment, none of which is used here. So `torchaudio._extension`, the module that loads it, is replaced by a
stand-in that says "not available". The stand-in is used with every build, so that results never depend on it.

    from asr.sound.torchaudio_pure import torchaudio
    torchaudio.compliance.kaldi.fbank(...); torchaudio.functional.resample(...)

Import torchaudio nowhere else. When something else has imported the real one before, that one is used as it is.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

EXTENSION = "torchaudio._extension"


def _no_library(name: str) -> bool:
    """Stands for torchaudio's loader of compiled libraries: there is none."""
    return False


def _unavailable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Stands for torchaudio's `fail_if_no_align`: the decorated function refuses to be called."""

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError(f"{function.__name__} needs torchaudio's compiled part, which is left out here")

    refuse.__name__, refuse.__doc__ = function.__name__, function.__doc__
    return refuse


def _stand_in() -> types.ModuleType:
    module = types.ModuleType(EXTENSION, "Stand-in: torchaudio's compiled part is left out.")
    module.__dict__.update(
        _IS_TORCHAUDIO_EXT_AVAILABLE=False,
        _IS_ALIGN_AVAILABLE=False,
        _load_lib=_no_library,
        _check_cuda_version=lambda: None,
        fail_if_no_align=_unavailable,
    )
    return module


def _import_torchaudio() -> types.ModuleType:
    if "torchaudio" not in sys.modules:
        sys.modules[EXTENSION] = _stand_in()
    import torchaudio
    import torchaudio.compliance.kaldi
    import torchaudio.functional

    return torchaudio


torchaudio: Any = _import_torchaudio()
