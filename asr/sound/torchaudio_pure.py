"""Import torchaudio without its compiled part. This project uses only functions that are plain torch.

The torchaudio wheel loads `_torchaudio.so` on import. That library needs the CUDA build of the torch that it was
built with: beside a CPU build `import torchaudio` raises OSError. The library holds only faster loops for `lfilter`
and `overdrive` (torchaudio has torch code for both), RNN-T loss and CTC alignment, none of which is used here. So a
stand-in that reports "not available" replaces `torchaudio._extension`, the module that loads the library. It does so
with every build, so that results never depend on the build.

    from asr.sound.torchaudio_pure import torchaudio
    torchaudio.compliance.kaldi.fbank(...); torchaudio.functional.resample(...)

Import torchaudio nowhere else. If other code has imported torchaudio before, that module is used.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Callable
from typing import Any

EXTENSION = "torchaudio._extension"


def _no_library(name: str) -> bool:
    """Replace torchaudio's loader of compiled libraries: report that there is none."""
    return False


def _unavailable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Replace torchaudio's `fail_if_no_align`: the decorated function raises RuntimeError."""

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


def _import_torchaudio() -> Any:
    if "torchaudio" not in sys.modules:
        sys.modules[EXTENSION] = _stand_in()
    import torchaudio
    import torchaudio.compliance.kaldi
    import torchaudio.functional

    return torchaudio


torchaudio: Any = _import_torchaudio()
