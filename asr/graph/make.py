"""Make the decoding graph HCLG of a tree, a transition model, a lexicon and a language model.

HCLG = min(det(H o C o min(det(L o G)))) with self-loops, a transducer from transition-ids to words, in the steps of
Kaldi's utils/mkgraph.sh. C is the tree's context (one phone, three, any), H the states of its phones. The costs equal
Kaldi's to the last bit or two, since they are on the same arcs at every step that rounds them.

reads   LANG/L_disambig.fst G.fst words.txt phones.txt phones/disambig.int [lexicon.txt phones/optional_silence.txt];
        MODEL/final.mdl tree [phones.txt]
writes  OUT/HCLG.fst (const, as Kaldi's) words.txt phones.txt num_pdfs disambig_tid.int graph.json; for word times
        also lexicon.txt and the files of phones/ that Kaldi's mkgraph.sh copies, if LANG has them

    python -m asr graph --lang exp/mini/lang --model-dir exp/mini/ali --out exp/mini/net/graph
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asr.console import duration, progress, say
from asr.errors import InputError
from asr.files import atomic, copy_whole, write_json
from asr.graph.memory import STATES_PER_MB, estimate, in_bytes, limit_mb, peak_mb, refuse_large_file, refuse_too_large
from asr.kaldi.fst import Fst, from_kaldifst, read_fst, write_const
from asr.settings import option
from asr.stamp import Stamp
from asr.tables import is_count, read_lines, read_symbols

STATE_GROWTH = 10  # a determinisation that multiplies the states by more does not end
STATES_ALWAYS_ALLOWED = 1_000_000
STEPS = 9
#: other files of LANG in a graph folder: for word times, here and in Kaldi, whose mkgraph.sh copies them
FOR_TIMES = (
    "lexicon.txt",
    *(f"phones/optional_silence.{kind}" for kind in ("txt", "int", "csl")),
    *(f"phones/{name}.{kind}" for name in ("word_boundary", "align_lexicon", "disambig") for kind in ("txt", "int")),
    "phones/silence.csl",
)

#: incremented when the same inputs lead to other results; older results are then made again
REVISION = 1


@dataclass(frozen=True)
class Settings:
    lang: Path = option(help="lang directory with L_disambig.fst and G.fst")
    model_dir: Path = option(help="folder with final.mdl and tree, as exp/<recipe>/ali")
    out: Path = option(help="graph folder to write", writes="folder", makes=("HCLG.fst", "words.txt", "phones.txt"))
    transition_scale: float = option(
        1.0, help="weight of the transition probabilities between states", least=0, most=1000
    )
    self_loop_scale: float = option(
        0.1, help="weight of the self-loops' transition probabilities", least=0, most=1000
    )
    g: Path | None = option(None, help="another G.fst than LANG's, over the same words.txt")
    max_memory_gb: float = option(
        0.0, help="most memory that may be used; 0: the free memory", least=0, affects=False
    )


def run(settings: Settings) -> None:
    """Run the stage `graph`."""
    lang, model, out = settings.lang, settings.model_dir, settings.out
    grammar = settings.g or lang / "G.fst"
    inputs = [lang / "L_disambig.fst", grammar, lang / "words.txt", lang / "phones.txt", lang / "phones/disambig.int"]
    copied = ["words.txt", "phones.txt", *(name for name in FOR_TIMES if (lang / name).is_file())]
    inputs += [lang / name for name in copied[2:]]
    inputs += [model / "final.mdl", model / "tree", *(path for path in [model / "phones.txt"] if path.is_file())]
    stamp = Stamp(out / ".done.graph.json", "graph", settings, inputs, revision=REVISION)
    if stamp.fresh():
        return
    started = time.monotonic()
    states_per_phone = check_phones(lang, model)
    graph, facts, disambiguation = build(settings, grammar, states_per_phone)
    _check_words(graph, lang / "words.txt", grammar)
    for name in FOR_TIMES:
        (out / name).unlink(missing_ok=True)
    for name in copied:
        copy_whole(lang / name, out / name)
    for name, numbers in (("num_pdfs", [facts["num_pdfs"]]), ("disambig_tid.int", disambiguation)):
        with atomic(out / name) as handle:
            handle.write("\n".join(map(str, numbers)) + "\n")
    write_json(out / "graph.json", facts)
    write_const(out / "HCLG.fst", graph)
    stamp.record(out / n for n in ("HCLG.fst", *copied, "num_pdfs", "disambig_tid.int", "graph.json"))
    peak = f" and {peak_mb()} MB" if peak_mb() else ""
    say(
        f"graph: {graph.num_states:,} states, {graph.num_arcs:,} arcs, {facts['num_pdfs']} pdfs, "
        f"in {time.monotonic() - started:.1f} s{peak}"
    )


def check_phones(lang: Path, model: Path) -> float:
    """Return the mean number of emitting states per phone. Raises InputError if LANG has other phones than the model.

    Compares phones.txt of both (disambiguation symbols may differ) if the model's folder has one, and LANG's phones
    with the topology in final.mdl.
    """
    from asr.kaldi.transition_model import read_transition_model

    ours = _real_phones(lang / "phones.txt")
    if (model / "phones.txt").is_file():
        theirs = _real_phones(model / "phones.txt")
        if ours != theirs:
            odd = sorted(set(ours.items()) ^ set(theirs.items()), key=lambda item: (item[1], item[0]))[0][0]
            raise InputError(
                f"is not the phone table of {model / 'phones.txt'} (see phone {odd}); train and decode with one lang",
                file=lang / "phones.txt",
            )
    topology = read_transition_model(model / "final.mdl").topology
    if lacking := sorted(name for name, number in ours.items() if number not in set(topology.phones)):
        raise InputError(f"phone {lacking[0]} is not in the model {model / 'final.mdl'}", file=lang / "phones.txt")
    return sum(state.emits for phone in topology.phones for state in topology.states_of(phone)) / len(topology.phones)


def _real_phones(path: Path) -> dict[str, int]:
    return {name: number for name, number in read_symbols(path).items() if number and not name.startswith("#")}


def _check_words(graph: Fst, words: Path, grammar: Path) -> None:
    highest = int(graph.arcs["olabel"].max(initial=0))
    if highest > max(read_symbols(words).values()):
        raise InputError(f"word {highest} is not in {words}; both must have the same words", file=grammar)


def build(settings: Settings, grammar: Path, states_per_phone: float) -> tuple[Fst, dict[str, Any], list[int]]:
    """Return the graph (input labels are transition-ids), the content of graph.json, the disambiguation labels of H.

    Prints an estimate of its size first. Raises InputError if there is not enough memory for it.
    """
    allowed_mb = limit_mb(settings.max_memory_gb)
    refuse_large_file(grammar, allowed_mb)
    work: dict[str, Any] = {"lexicon": read_fst(settings.lang / "L_disambig.fst"), "language": read_fst(grammar)}
    size = estimate(work["lexicon"], work["language"], states_per_phone)
    say(
        f"graph: about {size.arcs:,} arcs, {duration(size.seconds)} and {in_bytes(size.memory_mb)} are expected; "
        f"{in_bytes(allowed_mb)} may be used"
    )
    refuse_too_large(size.memory_mb, allowed_mb, grammar)
    for _ in progress(_steps(settings, grammar, work, allowed_mb), STEPS, "graph"):
        pass
    graph, model, tree = work["graph"], work["model"], work["tree"]
    facts = {
        "states": graph.num_states,
        "arcs": graph.num_arcs,
        "num_pdfs": tree.num_pdfs,
        "num_transition_ids": model.num_transition_ids,
        "context_width": tree.context_width,
        "central_position": tree.central_position,
        "transition_scale": settings.transition_scale,
        "self_loop_scale": settings.self_loop_scale,
        "grammar": str(grammar),
    }
    return graph, facts, work["disambiguation"]


def _steps(settings: Settings, grammar: Path, work: dict[str, Any], allowed_mb: float) -> Iterator[str]:
    """Build the graph in `work`, yielding after each of STEPS steps; intermediate results are freed at once."""
    import kaldi_hmm_gmm
    import kaldifst

    from asr.graph.steps import without_symbols
    from asr.kaldi.wheel_bridge import to_khg_transition_model, to_khg_tree

    tree = work["tree"] = to_khg_tree(settings.model_dir / "tree")
    model = work["model"] = to_khg_transition_model(settings.model_dir / "final.mdl")
    if tree.num_pdfs != model.num_pdfs:
        raise InputError(
            f"has {tree.num_pdfs} pdfs, final.mdl beside it has {model.num_pdfs}: another model",
            file=settings.model_dir / "tree",
        )
    lexicon_path = settings.lang / "L_disambig.fst"
    lg = yield from _lexicon_and_grammar(lexicon_path, grammar, work, allowed_mb)
    disambiguation = _integers(settings.lang / "phones" / "disambig.int")
    clg, windows = kaldifst.compose_context(disambiguation, tree.context_width, tree.central_position, lg)
    del lg
    kaldifst.arcsort(clg, "ilabel")
    yield "C o L o G"
    options = kaldi_hmm_gmm.HTransducerConfig()
    options.transition_scale = settings.transition_scale
    h, work["disambiguation"] = kaldi_hmm_gmm.get_h_transducer(windows, tree, model, options)
    kaldifst.arcsort(h, "olabel")
    hclg = _composed(h, clg, f"{settings.model_dir} has no states for the phones of {lexicon_path}")
    del h, clg
    yield "H o C o L o G"
    _determinise(hclg, allowed_mb, lexicon_path, "H o C o L o G has no end")
    yield "det(H o C o L o G)"
    hclg = without_symbols(hclg, work["disambiguation"])
    kaldifst.minimize_encoded(hclg)
    yield "min(det(H o C o L o G))"
    with_loops = kaldi_hmm_gmm.add_self_loops(
        trans_model=model, ifst=hclg, self_loop_scale=settings.self_loop_scale, disambig_syms=[], reorder=True
    )
    del hclg
    work["graph"] = from_kaldifst(with_loops)
    yield "self-loops"


def _lexicon_and_grammar(
    lexicon_path: Path, grammar: Path, work: dict[str, Any], allowed_mb: float
) -> Generator[str, None, Any]:
    """Return min(det(L o G)), pushed, a kaldifst.StdVectorFst; yield after each step."""
    import kaldifst

    from asr.graph.steps import pushed

    lexicon, language = (work.pop(name).to_kaldifst() for name in ("lexicon", "language"))
    kaldifst.arcsort(lexicon, "olabel")
    yield "L, G"
    lg = _composed(lexicon, language, f"{lexicon_path} and {grammar} have no word sequence in common")
    del lexicon, language
    yield "L o G"
    advice = "a pronunciation that equals or begins another one needs a symbol #1, #2, ..."
    _determinise(lg, allowed_mb, lexicon_path, advice)
    yield "det(L o G)"
    kaldifst.minimize_encoded(lg)
    lg = pushed(from_kaldifst(lg)).to_kaldifst()
    kaldifst.arcsort(lg, "ilabel")
    yield "min(det(L o G))"
    return lg


def _composed(left: Any, right: Any, when_empty: str) -> Any:
    import kaldifst

    result = kaldifst.StdVectorFst(kaldifst.compose(left, right))
    if result.num_states == 0:
        raise InputError(when_empty)
    return result


def _determinise(fst: Any, allowed_mb: float, source: Path, advice: str) -> None:
    """Determinise in the log semiring, in place. The bound stops a determinisation that does not end."""
    import kaldifst

    limit = int(min(max(STATES_ALWAYS_ALLOWED, STATE_GROWTH * fst.num_states), STATES_PER_MB * allowed_mb, 2**31 - 1))
    try:
        kaldifst.determinize_star(fst, use_log=True, max_states=limit)
    except RuntimeError as error:  # one input has two outputs, or the limit is exceeded: see the end of its message
        reason = (str(error).partition("[E] ")[2] or str(error)).splitlines()[0]
        raise InputError(f"cannot be determinised ({reason}); {advice}", file=source) from error


def _integers(path: Path) -> list[int]:
    result = []
    for number, line in read_lines(path):
        if not is_count(line.strip()):
            raise InputError("is not one integer a line", file=path, line=number)
        result.append(int(line))
    return result
