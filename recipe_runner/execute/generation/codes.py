"""What can stand in the way of a generation server, and what can go wrong with it."""

from __future__ import annotations

from recipe_runner.diagnostics import Code

GENERATION_SERVER = Code(
    "RR616",
    "generation-server",
    """
    ## What it means
    The plan generates with vLLM, and this machine cannot do it as the plan says: it has no GPU
    for vLLM or too few, a port is taken, or the server could not hold the plan's model.

    ## Why it matters
    The server would be started and the model loaded first, and the run would fail minutes later.

    ## Example
    ```text
    recipe.yaml: RR616 generation-server: port 8000 of 127.0.0.1, for the vLLM server, is in use
    ```

    ## Instead
    Do what the message says.
    A server of your own takes the place of the one that the run starts: give its address as
    `algorithm.vllm_server_base_url`.
    `algorithm.vllm_mode: colocate` needs no server, and `algorithm.use_vllm: false` no vLLM.
    """,
)

GENERATION_SERVER_FAILED = Code(
    "RR720",
    "generation-server-failed",
    """
    ## What it means
    The vLLM server that the run started has ended, or did not answer in time.

    ## Why it matters
    Nobody answers the prompts, and the run cannot go on.

    ## Example
    ```text
    recipe.yaml: RR720 generation-server-failed: the vLLM server ended with exit code 1 before it answered
    ```

    ## Instead
    The message shows the end of `vllm-server.log` in the run directory, where the cause is.
    A large model may need more than `algorithm.vllm_server_timeout` seconds to start, or more
    GPUs (`algorithm.vllm_tensor_parallel_size`); a smaller `algorithm.vllm_max_model_length`
    needs less memory.
    """,
)

CODES = (GENERATION_SERVER, GENERATION_SERVER_FAILED)
"""The codes of this package, in order."""
