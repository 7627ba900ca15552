"""Options of algorithms whose model answers prompts while it trains, under upstream's names.

The trainers of TRL that generate share these arguments; each takes those that its class has.
"""

import difflib
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field, JsonValue

from recipe_runner.components.algorithm import Conflict
from recipe_runner.components.base import Spec

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Drawing(Spec):
    """How the next token is drawn."""

    temperature: Positive = 1.0
    """Randomness of the answers: 1 draws from the model's own distribution, less is more greedy."""
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Draw among the likeliest tokens that together have this probability; 1 draws among all."""
    top_k: Annotated[int, Field(ge=0)] = 0
    """Draw among this many of the likeliest tokens; 0 draws among all."""


class Penalties(Spec):
    """Which tokens become less likely before one is drawn."""

    min_p: Share | None = None
    """Leave out tokens less likely than this fraction of the likeliest one; 0.01 to 0.2 is usual."""
    repetition_penalty: Positive = 1.0
    """Above 1, tokens that stand in the prompt or the answer already become less likely."""


class Sampling(Penalties, Drawing):
    """How tokens of an answer are drawn, and how many."""

    max_completion_length: Count = 512
    """Longest answer, in tokens; longer ones break off there."""


_OF_AN_ADDRESS = frozenset({"vllm_server_host", "vllm_server_port"})
_OF_A_SERVER = _OF_AN_ADDRESS | {"vllm_server_base_url", "vllm_server_timeout", "vllm_group_port"}
_OF_SHARED_GPUS = frozenset({"vllm_enable_sleep_mode", "vllm_gpu_memory_utilization"})


class Vllm(Spec):
    """vLLM as the one that answers, where it is installed."""

    use_vllm: bool = False
    """Generate with vLLM, several times faster on GPUs; a server is started where none is named."""
    vllm_mode: Literal["colocate", "server"] = "colocate"
    """`colocate` shares the training's GPUs, `server` has GPUs of its own."""
    vllm_model_impl: Literal["vllm", "transformers"] = "vllm"
    """Whose model code vLLM runs."""
    vllm_gpu_memory_utilization: Annotated[float, Field(gt=0, le=1)] = 0.3
    """Share of a GPU's memory that vLLM takes, with `colocate`."""
    vllm_tensor_parallel_size: Count = 1
    """GPUs over which vLLM splits the model."""
    vllm_enable_sleep_mode: bool = False
    """Let vLLM free its memory while the model trains, with `colocate`."""
    vllm_server_base_url: str | None = None
    """Address of a server that runs already (`http://host:8000`); null starts one on this machine."""
    vllm_server_host: str = "127.0.0.1"
    """Host of the server, where no address is given."""
    vllm_server_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """Port of the server."""
    vllm_server_timeout: Positive = 240.0
    """Seconds to wait for the server."""
    vllm_group_port: Annotated[int, Field(ge=1, le=65535)] = 51216
    """Port over which new weights reach the server."""

    def generation_conflicts(self) -> Iterator[Conflict]:
        """Options of vLLM that stand without it, and options of the other way to run it."""
        fields = type(self).model_fields
        for name in sorted(name for name in fields if name.startswith("vllm_")):
            if getattr(self, name) == fields[name].default:
                continue
            if not self.use_vllm:
                message = f"`algorithm.{name}` has no effect without `algorithm.use_vllm`"
                yield Conflict(name, message, "set `use_vllm: true`, or remove it", "warning")
            elif name in (_OF_A_SERVER if self.vllm_mode == "colocate" else _OF_SHARED_GPUS):
                other = "server" if self.vllm_mode == "colocate" else "colocate"
                message = f"`algorithm.{name}` has no effect with `vllm_mode: {self.vllm_mode}`"
                yield Conflict(name, message, f"set `vllm_mode: {other}`, or remove it", "warning")
            elif self.vllm_server_base_url is not None and name in _OF_AN_ADDRESS:
                message = f"`algorithm.{name}` has no effect with `algorithm.vllm_server_base_url`"
                yield Conflict(name, message, "remove one of them", "warning")


class VllmContext(Spec):
    """The longest text that vLLM makes room for."""

    vllm_max_model_length: Count | None = None
    """Longest prompt with its answer in vLLM, in tokens; null is the model's context."""


class VllmPattern(Spec):
    """Answers of one form, with vLLM."""

    vllm_structured_outputs_regex: str | None = None
    """Regular expression that every answer of vLLM has to match."""


TRANSFORMERS_OPTIONS = frozenset(
    {
        "assistant_confidence_threshold",
        "assistant_early_exit",
        "assistant_ensemble_weight",
        "assistant_lookbehind",
        "bad_words_ids",
        "begin_suppress_tokens",
        "bos_token_id",
        "cache_config",
        "cache_implementation",
        "constraints",
        "decoder_start_token_id",
        "diversity_penalty",
        "do_sample",
        "dola_layers",
        "early_stopping",
        "encoder_no_repeat_ngram_size",
        "encoder_repetition_penalty",
        "eos_token_id",
        "epsilon_cutoff",
        "eta_cutoff",
        "exponential_decay_length_penalty",
        "force_words_ids",
        "forced_bos_token_id",
        "forced_eos_token_id",
        "guidance_scale",
        "is_assistant",
        "length_penalty",
        "low_memory",
        "max_cache_len",
        "max_length",
        "max_matching_ngram_size",
        "max_new_tokens",
        "max_time",
        "min_length",
        "min_new_tokens",
        "min_p",
        "no_repeat_ngram_size",
        "num_assistant_tokens",
        "num_assistant_tokens_schedule",
        "num_beam_groups",
        "num_beams",
        "num_return_sequences",
        "output_attentions",
        "output_hidden_states",
        "output_logits",
        "output_scores",
        "pad_token_id",
        "penalty_alpha",
        "prefill_chunk_size",
        "prompt_lookup_num_tokens",
        "remove_invalid_values",
        "renormalize_logits",
        "repetition_penalty",
        "return_dict_in_generate",
        "sequence_bias",
        "speculation_type",
        "stop_strings",
        "suppress_tokens",
        "target_lookbehind",
        "temperature",
        "token_healing",
        "top_h",
        "top_k",
        "top_p",
        "typical_p",
        "use_cache",
        "use_mtp",
        "watermarking_config",
    }
)
"""What `transformers.GenerationConfig` 5.23 takes as plain values."""

BATCHING_OPTIONS = frozenset(
    {
        "allow_block_sharing",
        "auto_switch_to_flash",
        "block_size",
        "cpu_group_timeout",
        "cpu_offload_space",
        "cpu_offload_space_safety_threshold",
        "default_compile_level",
        "disable_nccl_graph_mixing",
        "drop_unsupported_processors",
        "kv_padding_interval_size",
        "max_batch_tokens",
        "max_blocks_per_request",
        "max_cached_graphs",
        "max_memory_percent",
        "max_queue_size",
        "max_requests_per_batch",
        "num_blocks",
        "page_size",
        "per_request_processors",
        "q_padding_interval_size",
        "return_logprobs",
        "safety_margin",
        "scheduler_type",
        "seed",
        "use_async_batching",
        "use_cuda_graph",
        "use_default_compile_configs",
    }
)
"""What `transformers.generation.ContinuousBatchingConfig` 5.23 takes as plain values."""

_LENGTHS = frozenset({"max_length", "max_new_tokens", "max_tokens"})
_OF_THE_TRAINER = frozenset(
    {
        "compile_config",
        "detokenize",
        "disable_compile",
        "logprobs",
        "n",
        "num_return_sequences",
        "output_attentions",
        "output_hidden_states",
        "output_logits",
        "output_scores",
        "return_dict_in_generate",
    }
)
"""Options that decide the form of what comes back, which the trainers of TRL count on."""

Cache = Literal["static", "offloaded_static", "dynamic", "offloaded"]
"""Kinds of cache that transformers 5.23 has, without deprecated names and those that want a package."""


class Generator(Vllm):
    """Who answers: transformers on any device, or vLLM."""

    generation_kwargs: dict[str, JsonValue] | None = None
    """Further options of generation, by transformers' or vLLM's names; those that are fields here stay there."""
    cache_implementation: Cache | None = None
    """Kind of key-value cache of transformers; null leaves its choice, the offloaded ones need a GPU."""
    ds3_gather_for_generation: bool = True
    """With DeepSpeed ZeRO-3, gather the weights to generate: faster, but the model has to fit one GPU."""

    def generation_conflicts(self) -> Iterator[Conflict]:
        """Options of transformers' generation beside vLLM's."""
        yield from super().generation_conflicts()
        if self.use_vllm and self.cache_implementation is not None:
            message = "`algorithm.cache_implementation` has no effect with `algorithm.use_vllm`"
            yield Conflict("cache_implementation", message, "remove one of them", "warning")
        if self.use_vllm and not self.ds3_gather_for_generation:
            message = "`algorithm.use_vllm` needs the weights that `ds3_gather_for_generation: false` keeps apart"
            yield Conflict("ds3_gather_for_generation", message, "remove one of them")
        yield from self._option_conflicts()

    def _option_conflicts(self) -> Iterator[Conflict]:
        """Names in `generation_kwargs` that nobody knows, and those that are decided elsewhere."""
        fields = type(self).model_fields
        length = "max_new_tokens" if "max_new_tokens" in fields else "max_completion_length"
        for name in self.generation_kwargs or ():
            said = length if name in _LENGTHS else name
            what, help_text = f"`algorithm.generation_kwargs.{name}`", "remove it"
            if said in fields:
                message, help_text = f"{what} is decided by `algorithm.{said}`", "use that key"
            elif name in _OF_THE_TRAINER:
                message = f"{what} is decided by the trainer"
            elif self.use_vllm and name in TRANSFORMERS_OPTIONS:
                message = f"{what} is an option of transformers, and vLLM answers"
            elif not self.use_vllm and name not in TRANSFORMERS_OPTIONS:
                message = f"{what} is no option of transformers' generation"
                help_text = _near(name, TRANSFORMERS_OPTIONS)
            else:
                continue
            yield Conflict("generation_kwargs", message, help_text)


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"did you mean `{near[0]}`?" if near else "remove it"


class Generating(VllmPattern, VllmContext, Generator, Sampling):
    """All of it, as the trainers of TRL's stable part have it."""

    reads_head: ClassVar[bool] = True


class Batching(Generating):
    """Continuous batching of transformers, for the trainers that have it."""

    use_transformers_continuous_batching: bool = False
    """Generate with transformers' continuous batching: finished answers make room at once."""
    transformers_continuous_batching_config: dict[str, JsonValue] | None = None
    """Its options, such as `max_memory_percent`."""

    def generation_conflicts(self) -> Iterator[Conflict]:
        """Ways to generate that exclude each other, and options of one that is off."""
        yield from super().generation_conflicts()
        if self.use_vllm and self.use_transformers_continuous_batching:
            message = "`algorithm.use_vllm` and `algorithm.use_transformers_continuous_batching` are both on"
            yield Conflict("use_transformers_continuous_batching", message, "turn one of them off")
        if (
            self.transformers_continuous_batching_config
            and not self.use_transformers_continuous_batching
        ):
            name = "transformers_continuous_batching_config"
            message = (
                f"`algorithm.{name}` has no effect without `use_transformers_continuous_batching`"
            )
            yield Conflict(name, message, "turn continuous batching on, or remove it", "warning")
        for option in self.transformers_continuous_batching_config or ():
            if option not in BATCHING_OPTIONS:
                name = "transformers_continuous_batching_config"
                message = f"`algorithm.{name}.{option}` is no option of continuous batching"
                yield Conflict(name, message, _near(option, BATCHING_OPTIONS))


GENERATION_MANAGED = frozenset(
    {
        "model_init_kwargs",
        "trust_remote_code",
        "remove_unused_columns",
        "shuffle_dataset",
        "chat_template_kwargs",
        "reward_weights",
        "log_completions",
        "log_multimodal",
        "num_completions_to_print",
        "log_unique_prompts",
        "log_completions_hub_repo",
        "use_transformers_paged",
    }
)
"""Arguments of generating trainers that other sections decide, or that a run writes on its own."""


class Groups(Spec):
    """Several answers to each prompt, which are compared with each other."""

    num_generations: Annotated[int, Field(ge=2)] = 8
    """Answers to each prompt; more make the comparison steadier, and a step slower."""
    num_generations_eval: Count | None = None
    """Answers to each prompt when evaluating; null is `num_generations`."""
    steps_per_generation: Count | None = None
    """Forward passes that share one round of answers; null is the accumulation steps, so each step has its own."""
    num_iterations: Count = 1
    """How often each round of answers is trained on (mu in arXiv 2402.03300)."""

    @property
    def sequences_per_row(self) -> int:
        """Answers to each prompt."""
        return self.num_generations

    @property
    def updates_per_row(self) -> int:
        """Passes over each round of answers."""
        return self.num_iterations


class ReferenceSync(Spec):
    """A reference model that follows the trained one (TR-DPO, arXiv 2404.09656)."""

    sync_ref_model: bool = False
    """Move the reference model towards the trained one every `ref_model_sync_steps` steps."""
    ref_model_mixup_alpha: Share = 0.6
    """Share of the trained model in the new reference."""
    ref_model_sync_steps: Count = 512
    """Optimizer steps between two moves."""

    def sync_conflicts(self) -> Iterable[Conflict]:
        """Options of the synchronisation without it."""
        if self.sync_ref_model:
            return
        for name in ("ref_model_mixup_alpha", "ref_model_sync_steps"):
            if getattr(self, name) != type(self).model_fields[name].default:
                message = f"`algorithm.{name}` has no effect without `algorithm.sync_ref_model`"
                yield Conflict(name, message, "set `sync_ref_model: true`, or remove it", "warning")
