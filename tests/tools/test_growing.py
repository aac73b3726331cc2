"""The cache gives what no cache gives."""

import torch

from engine.model import LoadedModel
from tools.distil.growing import GrowingCache


def test_reading_in_pieces_is_reading_at_once_and_rows_can_leave(teacher: LoadedModel) -> None:
    ids = torch.randint(0, 256, (4, 12), generator=torch.Generator().manual_seed(0))
    whole = teacher.hidden_states(ids)
    body, cache = teacher.network.base_model, GrowingCache(1, capacity=12)
    pieces = [ids[:, :5], ids[:, 5:6], ids[:, 6:7]]
    with torch.inference_mode():
        read = [body(input_ids=piece, past_key_values=cache, use_cache=True).last_hidden_state for piece in pieces]
        torch.testing.assert_close(torch.cat(read, dim=1), whole[:, :7])
        left = torch.tensor([3, 1])
        cache.keep_rows(left)
        last = [body(input_ids=ids[left, i : i + 1], past_key_values=cache).last_hidden_state for i in range(7, 12)]
    torch.testing.assert_close(torch.cat(last, dim=1), whole[left, 7:])
    assert cache.get_seq_length() == 12


def test_the_memory_is_taken_once(teacher: LoadedModel) -> None:
    cache = GrowingCache(1, capacity=8)
    places = set()
    with torch.inference_mode():
        for _ in range(8):
            teacher.network.base_model(input_ids=torch.tensor([[1]]), past_key_values=cache)
            places.add(cache.layers[0].keys.data_ptr())
    assert len(places) == 1
