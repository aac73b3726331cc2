"""Forward passes that corpus evaluations need beside `ScoringModel.hidden_states`."""

import torch

from engine import head
from engine.model import LoadedModel, ScoringModel


def takes_masks(model: ScoringModel) -> bool:
    """Whether `masked_hidden_states` works: the model is a transformers network, not a closed-form one."""
    return isinstance(model, LoadedModel)


@torch.inference_mode()
def masked_hidden_states(
    model: ScoringModel, token_ids: torch.Tensor, visible: torch.Tensor, positions: torch.Tensor
) -> torch.Tensor:
    """Last hidden states (rows, n, width) where each token sees exactly the tokens `visible` says.

    Parameters
    ----------
    token_ids, positions
        (rows, n) int64.
    visible
        (rows, n, n) bool, true where the token of the second axis sees the token of the last.
    """
    if not isinstance(model, LoadedModel):
        raise TypeError(f"{model.title} takes no masks")
    dtype = next(model.network.parameters()).dtype
    dtype = dtype if dtype.is_floating_point else torch.float32
    # Additive, since only that form works with every attention implementation.
    bias = torch.zeros(visible.shape, dtype=dtype).masked_fill_(~visible, torch.finfo(dtype).min)[:, None]
    found = model.network.base_model(
        input_ids=token_ids.to(model.device),
        attention_mask=bias.to(model.device),
        position_ids=positions.to(model.device),
        use_cache=False,
    )
    hidden: torch.Tensor = found.last_hidden_state
    return hidden


@torch.inference_mode()
def target_log_probs(model: ScoringModel, hidden: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Log-probabilities (n,) in nats, float32 on the CPU, that hidden states (n, width) give to `targets` (n,)."""
    found = torch.empty(len(targets))
    rows = head.head_rows(model.vocab_size, hidden.device)
    for start in range(0, len(targets), rows):
        part = slice(start, start + rows)
        values = model.logits(hidden[part]).float()
        chosen = values.gather(1, targets[part].to(values.device)[:, None])[:, 0]
        found[part] = (chosen - values.logsumexp(dim=1)).cpu()
    return found
