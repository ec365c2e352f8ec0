"""Writes golden/mtp.json: multi-token prediction of DeepSeek-V3 (report, eq. 21-25) in float64.
Needs what make_golden_hf.py needs; weights are its function of name and index, and so are the four values of a tensor.

    python make_golden_mtp.py

Module k = 1 ... D has its tensors at model.layers.{num_hidden_layers + k - 1}. on disk: enorm.weight, hnorm.weight,
eh_proj.weight (d, 2 d), shared_head.norm.weight, and a whole MoE layer's (also where first_k_dense_replace would make it
dense). Embedding and output are the main model's; a module's own copies of them are not on disk here. For row i

    u_i^k = eh_proj [enorm(embedding(t_{i+k})) ; hnorm(h_i^{k-1})]       the paper's eq. 21 has the other order
    b^k   = the layer over u_0^k ... u_{T-1-k}^k, causal, row i rotated as position i
    p_i^k = softmax(output shared_head.norm(b_i^k)), predicts t_{i+k+1}
    h_i^0 = the main model's hidden state after its final norm;  h_i^k = see "chain"
    CE_k  = mean of -log p_i^k(t_{i+k+1}) over the rows i = 0 ... T-2-k of all sequences (eq. 24 divides by T)
    loss  = main + lambda / D * sum_k CE_k,   main = mean of -log p(t_{i+1}) over the rows 0 ... T-2 of all sequences

Norms have eps rms_norm_eps; the routers' biases get no gradient; there is no auxiliary loss. Cases, one a line:

    name, config, tensors (name: shape)
    chain       "before_norm": h^k = b^k (vLLM);  "after_norm": h^k = shared_head.norm(b^k) (transformers 5.23). The same
                for D = 1
    lambda      0.3
    sequences   tokens; every one as long as the others
    main, ce    the losses; loss
    logprobs    of the first sequence: [main's T - 1 numbers, module 1's T - 2, ...]
    gap         as in huggingface.json
    gradients   of loss: {name: {"norm", "values"}} of every tensor but the routers' biases
"""
import torch.nn.functional as F

from make_golden_hf import *

LAMBDA = 0.3
BASE = {**V3, "vocab_size": 43, "hidden_size": 24, "num_hidden_layers": 2, "n_routed_experts": 6, "n_group": 3, **rope()}
MTP = [("one module, after a MoE layer", "before_norm", {**BASE, "num_nextn_predict_layers": 1}),
       ("one module, the main model dense, YaRN, biases, tied", "before_norm",
        {**BASE, "num_nextn_predict_layers": 1, "first_k_dense_replace": 2, "num_hidden_layers": 1,
         "attention_bias": True, "tie_word_embeddings": True, **yarn(mscale=1.0, mscale_all_dim=1.0)}),
       ("two modules, chained before the norm", "before_norm", {**BASE, "num_nextn_predict_layers": 2}),
       ("two modules, chained after the norm", "after_norm", {**BASE, "num_nextn_predict_layers": 2})]


class Modules(torch.nn.Module):
    """The main model and its D modules; layers come from transformers, the rest is written out."""

    def __init__(self, config):
        super().__init__()
        self.main = build(config, torch.float64)
        c = self.main.config
        depth, first = c.num_nextn_predict_layers, c.num_hidden_layers
        layer = sys.modules["transformers.models.deepseek_v3.modeling_deepseek_v3"].DeepseekV3DecoderLayer
        sparse = AutoConfig.for_model(**{**config, "first_k_dense_replace": 0})
        sparse._attn_implementation = sparse._experts_implementation = "eager"
        self.layers = torch.nn.ModuleList(layer(sparse, first + k).double() for k in range(depth))
        self.extra = torch.nn.ParameterDict()
        d, self.prefixes, self.disk = c.hidden_size, [], dict(on_disk(self.main))
        for k in range(depth):
            prefix = f"model.layers.{first + k}."
            self.prefixes.append(prefix)
            self.layers[k].config = c
            self.disk.update({prefix + n: v for n, v in on_disk(self.layers[k]).items()})
            for n, shape in (("enorm.weight", (d,)), ("hnorm.weight", (d,)), ("eh_proj.weight", (d, 2 * d)),
                             ("shared_head.norm.weight", (d,))):
                p = torch.nn.Parameter(torch.empty(shape, dtype=torch.float64))
                self.extra[(prefix + n).replace(".", "/")] = p
                self.disk[prefix + n] = (p, lambda t: t)
        with torch.no_grad():
            for n, (t, part) in self.disk.items():
                part(t).copy_(weight(n, part(t).shape))
        self.disk = dict(sorted(self.disk.items()))

    def norm(self, x, k, name):
        x = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.main.config.rms_norm_eps)
        return x * self.own(k, name + ".weight")

    def own(self, k, name):
        return self.extra[(self.prefixes[k - 1] + name).replace(".", "/")]

    def forward(self, tokens, chain):
        """Logits (batch, T, V) of the main model and (batch, T - k, V) of module k."""
        body, out, length = self.main.model, self.main.lm_head, tokens.shape[1]
        h = body(tokens).last_hidden_state
        logits = [out(h)]
        for k in range(1, len(self.layers) + 1):
            rows = length - k
            e = body.embed_tokens(tokens[:, k:])
            u = F.linear(torch.cat([self.norm(e, k, "enorm"), self.norm(h[:, :rows], k, "hnorm")], -1),
                         self.own(k, "eh_proj.weight"))
            mask = torch.full((rows, rows), -math.inf).triu(1)[None, None]
            angles = body.rotary_emb(u, torch.arange(rows)[None])
            b = self.layers[k - 1](u, attention_mask=mask, position_embeddings=angles)
            n = self.norm(b, k, "shared_head.norm")
            logits.append(out(n))
            h = b if chain == "before_norm" else n
        return logits


def check_transformers(model, tokens, logits):
    """Against transformers' own MtpModel (its layers one after the other; it chains after the norm)."""
    from transformers.cache_utils import MtpCache
    from transformers.modeling_layers import MtpModel
    depth, first = len(model.layers), model.main.config.num_hidden_layers
    with torch.no_grad():
        peer = MtpModel(model.main, depth).double().eval()
        for k, layer in enumerate(peer.layers):
            for name, mine in (("enorm", "enorm"), ("hnorm", "hnorm"), ("eh_proj", "eh_proj"),
                               ("post_norm", "shared_head.norm")):
                getattr(layer, name).weight.copy_(model.own(k + 1, mine + ".weight"))
            layer.mtp_block.load_state_dict(model.layers[k].state_dict())
        h = model.main.model(tokens).last_hidden_state
        cache = MtpCache(config=model.main.config.get_mtp_config())
        for k in range(1, depth + 1):
            rows = tokens.shape[1] - k
            h = peer.forward_layer(k - 1, h[:, :rows], torch.arange(k, rows + k)[None], cache, input_ids=tokens[:, k:])
            worst = (peer._project_to_logits(h) - logits[k]).abs().max().item()
            assert worst < 1e-9, worst
    return worst


def mtp_case(name, chain, config):
    with float64():
        model = Modules(config)
        found = gaps(model)
        for seed in range(200):
            sequences = [draw_tokens(f"mtp {seed} {i}", 13, config["vocab_size"]) for i in range(2)]
            found.clear()
            tokens = torch.tensor(sequences)
            logits = model(tokens, chain)
            if min(found) > GAP:
                break
        else:
            raise SystemExit(f"{name}: near ties in the router whatever the tokens")
        logp = [x.log_softmax(-1)[:, :-1].gather(-1, tokens[:, k + 1:, None])[..., 0] for k, x in enumerate(logits)]
        losses = [-p.mean() for p in logp]
        loss = losses[0] + LAMBDA / len(model.layers) * sum(losses[1:])
        loss.backward()
        peer = None
        if len(model.layers) == 1 or chain == "after_norm":
            peer = check_transformers(model, tokens, logits)
    gradients = {}
    for n, (t, part) in model.disk.items():
        if not n.endswith("e_score_correction_bias"):
            g = part(t.grad)
            assert g.abs().max() > 0 or ".experts." in n, n
            gradients[n] = dict(norm=rounded(g.norm().item(), 12), values=[
                rounded(g.flatten()[j * (g.numel() - 1) // 3].item()) for j in range(4)])
    print(f"{name:55s} seed {seed:3d}  gap {min(found):.1e}  main {losses[0]:.4f}  ce "
          + " ".join(f"{x:.4f}" for x in losses[1:]) + f"  transformers' module: {peer}")
    config = model.main.config.to_dict()
    config.update(architectures=["DeepseekV3ForCausalLM"], dtype="float32")
    return dict(name=name, config={k: v for k, v in sorted(config.items()) if k in KEYS}, chain=chain,
                **{"lambda": LAMBDA}, tensors={n: list(part(t).shape) for n, (t, part) in model.disk.items()},
                sequences=sequences, main=rounded(losses[0].item(), 12), ce=rounded([x.item() for x in losses[1:]], 12),
                loss=rounded(loss.item(), 12), logprobs=[rounded(p[0]) for p in logp], gap=rounded(min(found), 3),
                gradients=gradients)


with tempfile.TemporaryDirectory() as _d:
    build(MTP[0][2]).save_pretrained(_d)
    with open(_d + "/config.json") as _f:
        KEYS = json.load(_f)

if __name__ == "__main__":
    write("mtp.json", [mtp_case(*c) for c in MTP], "make_golden_mtp.py")
