"""The buffers of the loss: of TRL's tiled head, of our own, or of whole logits.

Source: `trl.kernels.chunked_logprob` of TRL 1.16: tiles of 4,096 tokens and 32,768 words, which
Triton folds in place, and which plain torch, on a CPU, writes out in float32 several times.
`execute/speed/loss_head.py` is our own: tiles of a few tokens and all words, of which it has the
gradient before it goes on.
"""

from recipe_runner.compiler.estimate.activations import FLOAT32
from recipe_runner.compiler.estimate.run import Run

TOKENS, WORDS = 4096, 32768
"""Sides of a tile."""

ONCE, KEPT = 8 * 2**20, 64 * 2**20
"""Logits of our own head that are there at once, and those whose gradients are kept at most."""

_FOLDED = 3 * FLOAT32
"""Bytes per number of a tile in plain torch's forward pass: scores, their distances, powers."""

_UNFOLDED = 5 * FLOAT32 + 1 + 2 * FLOAT32
"""The same in its backward pass: five stages of the scores, the mask of targets, two products."""

_AGAIN = 2.5
"""Tiles of our own head, as a multiple of the first time, where logits are made a second time."""

_WHOLE = 3 * FLOAT32
"""Bytes per logit of a loss that has them all, besides the logits: in float32, as probabilities, their gradient.

`tests/unit/compiler/test_published.py` has measurements of others.
"""


def in_forward(run: Run) -> float:
    """Bytes while the loss is computed."""
    if run.once:
        return _hidden(run) + _flows(run) + _once(run) + _summed(run) + _kept(run)
    return _hidden(run) + (_tile(run, _FOLDED) if run.tiled else _logits(run))


def in_backward(run: Run) -> float:
    """Bytes while its gradient is."""
    if not run.tiled:
        return _hidden(run) + _logits(run)
    if run.once:
        again = 0.0
        if weight_gradient(run) and not run.sums_up:
            # Scaled by the factor of each token, or made again.
            many = run.scored * _words(run) > KEPT
            again = max(_once(run) + _kept(run), _AGAIN * _once(run) if many else 0.0)
        weights = _summed(run) + weight_gradient(run)
        return _hidden(run) + 2 * _flows(run) + again + weights
    flows = FLOAT32 * run.scored * _width(run)
    return _hidden(run) + flows + _tile(run, _UNFOLDED) + weight_gradient(run)


def weight_gradient(run: Run) -> float:
    """The gradient of the head's weights, which is summed up in float32."""
    head = _head(run)
    return FLOAT32 * head if run.trained.parameters & _names(run) else 0.0


def _once(run: Run) -> float:
    """A tile of our own head: products and chances, in 16 bits also the scores and their gradient."""
    forward, words = run.forward, _words(run)
    if not words:
        return 0.0
    tokens = min(run.scored, max(16, ONCE // words))
    narrow = forward.compute != FLOAT32
    each = forward.compute + FLOAT32 + (FLOAT32 + forward.compute if narrow else 0)
    cast = forward.compute * _head(run) if forward.stream != forward.compute else 0
    return each * tokens * words + cast


def _flows(run: Run) -> float:
    """Gradients of the states that are scored."""
    return run.forward.compute * run.scored * _width(run) if _words(run) else 0.0


def _summed(run: Run) -> float:
    """The sum of the gradients of the head's weights, and what is added to it in 16 bits."""
    if not run.sums_up or not weight_gradient(run):
        return 0.0
    narrow = run.forward.compute != FLOAT32
    return weight_gradient(run) + (run.forward.compute * _head(run) if narrow else 0)


def _kept(run: Run) -> float:
    """Gradients of logits that wait for the factor of their token in the loss.

    Those of more tokens are made again; but a pass may have fewer labels than tokens.
    """
    if run.sums_up or not weight_gradient(run):
        return 0.0
    return run.forward.compute * min(run.scored * _words(run), KEPT)


def _names(run: Run) -> set[str]:
    architecture = run.architecture
    own = f"{architecture.head}.weight"
    return {own, architecture.tied.get(own, own)}


def _head(run: Run) -> int:
    """Numbers of the head's weights; 0 where the model writes no tokens."""
    architecture = run.architecture
    return architecture.by_name[architecture.head].size if architecture.head else 0


def _words(run: Run) -> int:
    architecture = run.architecture
    return architecture.by_name[architecture.head].outputs if architecture.head else 0


def _width(run: Run) -> int:
    return run.architecture.hidden_size


def _hidden(run: Run) -> float:
    """The states that are scored, which are copied, and a few numbers for each."""
    return (run.forward.stream * _width(run) + 12 * FLOAT32) * run.scored if _words(run) else 0.0


def _tile(run: Run, stages: int) -> float:
    forward, words = run.forward, _words(run)
    if not words:
        return 0.0
    tokens = min(run.scored, TOKENS)
    columns = min(words, WORDS)
    # Pages of a tile that nobody writes to take no memory on a CPU.
    held = forward.compute * tokens * (columns if forward.cpu else WORDS)
    cast = forward.compute * columns * _width(run) if forward.stream != forward.compute else 0
    return held + cast + (stages * tokens * columns if forward.cpu else 0)


def _logits(run: Run) -> float:
    return (_WHOLE + run.forward.compute) * run.scored * _words(run)
