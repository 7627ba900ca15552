"""Writes a model folder as a GGUF file, and reads it back beside the folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recipe_runner.execute.codes.exports import (
    ARCHITECTURE_NOT_EXPORTABLE,
    EXPORT_DIFFERS,
    TOO_LARGE_FOR_TYPE,
)
from recipe_runner.execute.exports.gguf_file.architectures import (
    ARCHITECTURES,
    Architecture,
    arranged,
    obstacles,
    rope_factors,
    write_numbers,
)
from recipe_runner.execute.exports.gguf_file.form import (
    bytes_of,
    code_of,
    code_of_file,
    farthest,
    kept,
    type_of_file,
    type_of_tensor,
)
from recipe_runner.execute.exports.gguf_file.vocabulary import read_vocabulary
from recipe_runner.execute.exports.target import Job
from recipe_runner.execute.exports.weights import Weights, demand_finite
from recipe_runner.execute.fault import fault
from recipe_runner.plan import digest

_FREQUENCIES = "rope_freqs.weight"
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Entry:
    """One tensor: its name in the file and in the folder, its size, and the type it is kept in."""

    name: str
    source: str
    size: tuple[int, ...]
    kind: str


def write_file(job: Job, path: Path) -> None:
    """Write the model of `job` to `path`, one tensor in memory at a time.

    Reports RR703 for weights that are not finite, RR737 for a model that llama.cpp cannot run
    as it is, RR738 for a tokenizer that it cannot be told, RR740 for weights that 16-bit
    numbers cannot hold.
    """
    import gguf

    config = _config(job.source)
    architecture = _architecture(job.source, config)
    vocabulary = read_vocabulary(job.source, config.vocab_size)
    with Weights(job.source) as weights:
        file_type, entries = _entries(job, architecture, config, weights)
        writer = gguf.GGUFWriter(path, architecture.name)
        try:
            _describe(writer, job)
            writer.add_file_type(code_of_file(file_type))
            writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
            write_numbers(writer, architecture, config)
            vocabulary.write(writer)
            factors = rope_factors(config)
            if factors is not None:
                writer.add_tensor_info(
                    _FREQUENCIES, factors.shape, factors.dtype, factors.nbytes, code_of("f32")
                )
            for entry in entries:
                size = bytes_of(entry.size, entry.kind)
                code = code_of(entry.kind)
                writer.add_tensor_info(entry.name, entry.size, np.dtype("float32"), size, code)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_ti_data_to_file()
            if factors is not None:
                writer.write_tensor_data(factors)
            for number, entry in enumerate(entries, start=1):
                value = arranged(architecture, config, entry.source, weights.read(entry.source))
                demand_finite(job.source, entry.source, value)
                _demand_small(job, entry, value)
                writer.write_tensor_data(kept(value, entry.kind))
                job.meter(number, len(entries))
        finally:
            writer.close()


def type_written(job: Job) -> str:
    """The type that the weights of the file mostly have."""
    with Weights(job.source) as weights:
        return type_of_file(job.type, _dtypes(weights))


def compare_file(job: Job, path: Path) -> str:
    """Read `path` and compare every tensor with the folder. Reports RR739 where one differs."""
    from gguf import GGUFReader
    from gguf.quants import dequantize

    config = _config(job.source)
    architecture = _architecture(job.source, config)
    read = {tensor.name: tensor for tensor in GGUFReader(path).tensors}
    with Weights(job.source) as weights:
        _, entries = _entries(job, architecture, config, weights)
        expected = {entry.name for entry in entries}
        extra = set(read) - expected - {_FREQUENCIES}
        if expected - set(read) or extra:
            raise _differs(path, f"it lacks {sorted(expected - set(read))}, or has {sorted(extra)}")
        worst = 0.0
        for number, entry in enumerate(entries, start=1):
            tensor = read[entry.name]
            found = dequantize(tensor.data, tensor.tensor_type).reshape(entry.size)
            value = arranged(architecture, config, entry.source, weights.read(entry.source))
            away = farthest(value, found, entry.kind)
            # NaN is not at most 1, and `max` would pass over it.
            if not away <= 1:
                raise _differs(path, f"{entry.name} is not what was written")
            worst = max(worst, away)
            job.meter(number, len(entries))
    exact = worst == 0
    how = "equal to" if exact else "as near as their types allow to"
    return f"{len(entries)} tensors read back are {how} those of the model"


def _config(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(str(folder))


def _architecture(folder: Path, config: Any) -> Architecture:
    known = ARCHITECTURES.get(config.model_type)
    if known is None:
        raise fault(
            ARCHITECTURE_NOT_EXPORTABLE,
            folder,
            f"a {config.model_type} model has no known form in a GGUF file",
            f"those that have are {', '.join(ARCHITECTURES)}; llama.cpp's "
            "convert_hf_to_gguf.py knows more",
        )
    made = (config.architectures or [""])[0]
    if made and not made.endswith("ForCausalLM"):
        raise fault(
            ARCHITECTURE_NOT_EXPORTABLE,
            folder,
            f"a {made} answers in no words, and a GGUF file here holds models that do",
            "export to another target, or serve the model with transformers",
        )
    found = list(obstacles(known, config))
    if found:
        raise fault(
            ARCHITECTURE_NOT_EXPORTABLE,
            folder,
            f"this {config.model_type} model has no form in a GGUF file: {', '.join(found)}",
            "export to another target, or serve the model with vLLM or transformers",
        )
    return known


def _entries(
    job: Job, architecture: Architecture, config: Any, weights: Weights
) -> tuple[str, list[Entry]]:
    """The type of the file and its tensors. Reports RR737 for a tensor without a name."""
    names = dict(_named(job, architecture, config, weights))
    shapes = {name: weights.shape(name) for name in names}
    file_type = type_of_file(job.type, _dtypes(weights))
    return file_type, [
        Entry(new, old, shapes[old].size, type_of_tensor(new, shapes[old].size, file_type))
        for old, new in names.items()
    ]


def _dtypes(weights: Weights) -> set[str]:
    shapes = (weights.shape(name) for name in weights)
    return {shape.dtype for shape in shapes if len(shape.size) > 1}


def _named(
    job: Job, architecture: Architecture, config: Any, weights: Weights
) -> Iterator[tuple[str, str]]:
    """Each tensor of the folder with its name in the file."""
    import gguf

    arch = next(each for each, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture.name)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for old in weights:
        # The embeddings are the head as well, and stand in the file once.
        if old == "lm_head.weight" and config.tie_word_embeddings:
            continue
        new = names.get_name(old, try_suffixes=(".weight", ".bias"))
        if new is None:
            raise fault(
                ARCHITECTURE_NOT_EXPORTABLE,
                job.source,
                f"the tensor {old} has no place in a GGUF file of {architecture.name}",
                "merge the adapter first, or export to another target",
            )
        yield old, new


def _describe(writer: Any, job: Job) -> None:
    """What people want to know of a file; nothing of the machine that it was made on."""
    plan = job.plan
    writer.add_name(plan.name)
    if plan.description:
        writer.add_description(plan.description)
    if plan.tags:
        writer.add_tags(list(plan.tags))
    writer.add_string("recipe_runner.plan", digest(plan))


def _demand_small(job: Job, entry: Entry, value: Any) -> None:
    if entry.kind == "f16" and np.abs(value).max(initial=0.0) > _LARGEST:
        raise fault(
            TOO_LARGE_FOR_TYPE,
            job.source,
            f"{entry.source} is above {_LARGEST:,.0f}, the largest number of f16",
            "export with --type bf16 or f32",
        )


def _differs(path: Path, what: str) -> Exception:
    return fault(
        EXPORT_DIFFERS,
        path.name,
        f"the file is not the model: {what}",
        "nothing was kept; export again, and report it where it happens twice",
    )
