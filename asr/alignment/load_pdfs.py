"""Take over text pdf-ids, with the system that they belong to if it is available.

Several states and phones share a pdf, so transition-ids cannot be recovered from pdf-ids. Therefore no ali.N.gz is
written: training reads the pdf-ids themselves.

    load_pdfs(Path("pdf.txt.gz"), Path("tri1_ali"), request)
"""

from __future__ import annotations

from pathlib import Path

from asr.alignment.load import LoadRequest, write_targets
from asr.console import warn
from asr.errors import InputError
from asr.kaldi.alignments import remove_alignments
from asr.kaldi.pdf_text import read_pdfs
from asr.kaldi.system import SYSTEM_FILES, copy_system, read_system
from asr.kaldi.transition_model import Ints
from asr.tables import read_symbols


def load_pdfs(source: Path, model_dir: Path | None, request: LoadRequest) -> list[Path]:
    """Write what training reads and copy the system of `model_dir`; return the files that were written.

    Without `model_dir` the number of pdfs is one more than the highest pdf-id.
    Raises InputError on a malformed source or system, and on a pdf-id that the system lacks.
    """
    num_pdfs = None
    if model_dir is None:
        warn("pdf-ids without --ali-model: a network can be trained, but no graph can be made and nothing decoded")
    else:
        num_pdfs = read_system(model_dir).model.num_pdfs
        read_symbols(model_dir / "phones.txt")
    pdfs = _read(source, num_pdfs)
    if num_pdfs is None:
        num_pdfs = 1 + max(int(row.max()) for row in pdfs.values())
    written = write_targets(pdfs.items(), num_pdfs, request)
    remove_alignments(request.out)
    if model_dir is not None:
        return [*written, *copy_system(model_dir, request.out)]
    for name in SYSTEM_FILES:  # of an earlier run
        (request.out / name).unlink(missing_ok=True)
    return written


def _read(source: Path, num_pdfs: int | None) -> dict[str, Ints]:
    """Return {utterance: pdf-ids}, all of them below `num_pdfs` if it is given."""
    pdfs = dict(read_pdfs(source))
    for utterance, row in pdfs.items():
        if num_pdfs is not None and (highest := int(row.max())) >= num_pdfs:
            message = f"pdf-id {highest}, but final.mdl has 0 to {num_pdfs - 1}: not this system's"
            raise InputError(message, file=source, key=utterance)
    return pdfs
