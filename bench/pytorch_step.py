#!/usr/bin/env python3
"""The same training step in PyTorch: the demo's model, texts of 20 to 66 tokens, forward, backward, clip, AdamW.

Needs torch; `make bench` runs it where that is installed. On a GPU if torch finds one, in fp32 without TF32, with 192
texts, as our benchmark of a GPU has; else on the CPU with 48. Prints tokens a second. The model is written
as a PyTorch user would write it: fused attention, torch's RMSNorm and AdamW (foreach), experts gathered by index as in
transformers' DeepSeek-V3. Texts are padded to the longest, as PyTorch's batches are; only real tokens are counted.
"""
import os
import sys
import time

os.environ.pop("OPENBLAS_CORETYPE", None)  # some machines preset it, and it halves the speed
import torch
import torch.nn.functional as F

V, C, L, H, Q, KV, NOPE, ROPE, VD, E, K, FE, FD = 448, 128, 4, 4, 64, 48, 16, 16, 32, 8, 2, 64, 256


class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        linear = lambda i, o: torch.nn.Linear(i, o, bias=False)
        self.q_a, self.q_norm, self.q_b = linear(C, Q), torch.nn.RMSNorm(Q), linear(Q, H * (NOPE + ROPE))
        self.kv_a, self.kv_norm, self.kv_b = linear(C, KV + ROPE), torch.nn.RMSNorm(KV), linear(KV, H * (NOPE + VD))
        self.o = linear(H * VD, C)

    def forward(self, x, rotation):
        B, T, _ = x.shape
        q = self.q_b(self.q_norm(self.q_a(x))).view(B, T, H, NOPE + ROPE).transpose(1, 2)
        c, k_rope = self.kv_a(x).split([KV, ROPE], -1)
        kv = self.kv_b(self.kv_norm(c)).view(B, T, H, NOPE + VD).transpose(1, 2)
        k_nope, v = kv.split([NOPE, VD], -1)
        q_nope, q_rope = q.split([NOPE, ROPE], -1)
        rotate = lambda t: torch.view_as_real(torch.view_as_complex(t.reshape(*t.shape[:-1], -1, 2)) * rotation[:T]).flatten(-2)
        q = torch.cat([q_nope, rotate(q_rope)], -1)
        k = torch.cat([k_nope, rotate(k_rope.unsqueeze(1)).expand(B, H, T, ROPE)], -1)
        out = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(out.transpose(1, 2).reshape(B, T, H * VD))


class Swiglu(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.gate_up, self.down = torch.nn.Linear(C, 2 * hidden, bias=False), torch.nn.Linear(hidden, C, bias=False)

    def forward(self, x):
        gate, up = self.gate_up(x).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Experts(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.router, self.shared = torch.nn.Linear(C, E, bias=False), Swiglu(FE)
        self.experts = torch.nn.ModuleList(Swiglu(FE) for _ in range(E))

    def forward(self, x):
        flat = x.reshape(-1, C)
        score = self.router(flat).sigmoid()
        chosen = score.topk(K, -1).indices
        gate = score.gather(1, chosen)
        gate = gate / gate.sum(-1, keepdim=True)
        out = torch.zeros_like(flat)
        for e, expert in enumerate(self.experts):
            token, slot = (chosen == e).nonzero(as_tuple=True)
            out = out.index_add(0, token, expert(flat[token]) * gate[token, slot, None])
        return (out + self.shared(flat)).view_as(x)


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding, self.head = torch.nn.Embedding(V, C), torch.nn.Linear(C, V, bias=False)
        norms = lambda n: torch.nn.ModuleList(torch.nn.RMSNorm(C) for _ in range(n))
        self.norm1, self.norm2, self.norm = norms(L), norms(L), torch.nn.RMSNorm(C)
        self.attention = torch.nn.ModuleList(Attention() for _ in range(L))
        self.ffn = torch.nn.ModuleList(Swiglu(FD) if i == 0 else Experts() for i in range(L))
        angle = torch.outer(torch.arange(512.0), 10000.0 ** (-torch.arange(0, ROPE, 2) / ROPE))
        self.rotation = torch.polar(torch.ones_like(angle), angle)

    def forward(self, tokens):
        x = self.embedding(tokens)
        for norm1, attention, norm2, ffn in zip(self.norm1, self.attention, self.norm2, self.ffn):
            x = x + attention(norm1(x), self.rotation)
            x = x + ffn(norm2(x))
        return self.head(self.norm(x))


def main():
    torch.manual_seed(0)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    gpu = torch.cuda.is_available()
    texts = 192 if gpu else 48
    lengths = [20 + int(i) for i in torch.randint(0, 47, (texts,))]
    tokens = torch.zeros(texts, max(lengths), dtype=torch.long)
    for row, n in zip(tokens, lengths):
        row[:n] = torch.randint(0, 440, (n,))
    target = tokens[:, 1:].clone()
    for row, n in zip(target, lengths):
        row[n - 1:] = -100
    model = Model()
    if gpu:
        model, tokens, target = model.cuda(), tokens.cuda(), target.cuda()
        model.rotation = model.rotation.cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.95), weight_decay=0.05)
    best = float("inf")
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 30):
        begin = time.perf_counter()
        loss = F.cross_entropy(model(tokens[:, :-1]).flatten(0, 1), target.flatten(), ignore_index=-100)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if gpu:
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - begin)
    where = torch.cuda.get_device_name() if gpu else f"{torch.get_num_threads()} threads"
    print(f"PyTorch {torch.__version__}, {where}: {sum(n - 1 for n in lengths) / best:.0f} tokens/s")


main()
