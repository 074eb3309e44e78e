"""Speeds of cards in sampling and training: data sheets, and shares of them fitted to public measurements."""

# Peak bf16 FLOP/s without sparsity, memory bandwidth (bytes/s), memory (bytes): the makers' data sheets (SXM). fp8: how
# many times as fast 8-bit weights are multiplied, of 2 in the data sheet; an A100 has no such unit.
CARDS = {
    "A100-80": {"flops": 312e12, "bandwidth": 2.04e12, "memory": 80e9, "fp8": 1.0},
    "H100": {"flops": 989e12, "bandwidth": 3.35e12, "memory": 80e9, "fp8": 1.5},
    "H200": {"flops": 989e12, "bandwidth": 4.80e12, "memory": 141e9, "fp8": 1.5},
}
READING = 0.5  # share of the peak FLOP/s when prompts are read (assumed)
# Share of the bandwidth when tokens are written one by one. Public figures of an 8B model, output tokens/s of a card:
# 6,583 in 30.9 s on ShareGPT with 229,711 tokens to read and a batch that fills and drains (vLLM pull request 18566,
# card not named); 10,815 with 128 at once and short contexts, 0.46 of an H100's bandwidth (SGLang issue 1008); 5,777
# with fp8 on long inputs (Red Hat, MLPerf Inference 5.1, H100). 0.35 gives 8.7 thousand on the first, reading left out.
WRITING = 0.35
# Share of the peak FLOP/s in training, recomputed activations counted. TorchTitan's FSDP2 trains Llama 3 8B with 57 %
# of 64 A100s' peak on 8,192 tokens at a time with compiled layers (its docs/performance.md). Our pairs have about
# 1,100 tokens. On an H100 that is 0.19 s of arithmetic at half the peak, and gathering 48 GB of weights and scattering
# 32 GB of gradients over NVLink (450e9 bytes/s each way, 0.7 of it) takes 0.22 s.
TRAINING = 0.22
AT_ONCE = 256  # sequences that the engine writes at once, where engine.max_num_seqs is null
# Seconds of an engine's start with warm caches: imports and weights 40, kernels from the cache 10 (vLLM pull request
# 16848), profiling and CUDA graphs 35 (issue 20264). Compiling adds 67 for an 8B model (vLLM pull request 11078).
ENGINE_START, COLD_START = 85, 67
DISK = 1e9  # bytes/s at which a checkpoint is written to a shared disk (assumed)


def writing_step(parameters: float, kv: float, context: float, card: dict, engine: dict) -> tuple[float, float]:
    """Return (sequences at once, seconds of a step), a step being one token of each sequence.

    A step reads the weights and all keys and values, ``kv`` bytes a token, or multiplies, whichever takes longer.
    """
    fp8 = engine.get("quantization") == "fp8"
    weights = (1 if fp8 else 2) * parameters
    room = max(1, (0.9 * card["memory"] - weights) / (context * kv))
    at_once = min(engine.get("max_num_seqs") or AT_ONCE, room)
    reading = (weights + at_once * context * kv) / (WRITING * card["bandwidth"])
    return at_once, max(reading, 2 * parameters * at_once / reading_rate(card, engine))


def reading_rate(card: dict, engine: dict) -> float:
    """Return the FLOP/s at which prompts are read."""
    return READING * card["flops"] * (card["fp8"] if engine.get("quantization") == "fp8" else 1)


def training_flop(recipe: dict, reference: bool) -> int:
    """Return the FLOP of training for each parameter and token.

    Forward 2, backward 4 (2 where only an adapter learns, as the weights need no gradient), forward again where
    activations are not kept; the reference reads once.
    """
    return 6 - 2 * bool(recipe.get("use_peft")) + 2 * bool(recipe.get("gradient_checkpointing")) + 2 * reference
