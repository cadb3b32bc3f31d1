"""Decode speed of transformers with eager attention in float32 and attention outputs: the peer of our recorded decode.

Usage: transformers-eager.py MODEL.gguf CONTEXT TOKENS; prints {"msPerToken": median}.
"""
import json
import statistics
import sys
import time
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

path, context, tokens = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
model = AutoModelForCausalLM.from_pretrained(
    path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
).eval()
ids = [100 + (i * 7919) % 48952 for i in range(context + tokens)]
times = []
with torch.no_grad():
    out = model(torch.tensor([ids[:context]]), use_cache=True, output_attentions=True)
    for token in ids[context:]:
        start = time.perf_counter()
        out = model(torch.tensor([[token]]), past_key_values=out.past_key_values, use_cache=True, output_attentions=True)
        out.logits[0, -1].argmax().item()
        times.append(1000 * (time.perf_counter() - start))
print(json.dumps({"msPerToken": statistics.median(times)}))
