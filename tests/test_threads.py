"""Library calls from many threads at once, in a host with settings of its own: these stay, and so do the results."""

import numpy as np
import timm
import torch

from iad.detectors.autoencoder.network import build_autoencoder
from iad.detectors.patch.coreset import greedy_coreset
from iad.features import Backbone
from iad.features.backbone import build_backbone
from iad.features.embedder import Embedder
from iad.neighbors.exact import ExactSearch
from tests.concurrency import run_together

RNG = np.random.default_rng(0)
BANK, QUERIES = (RNG.standard_normal((rows, 48), dtype=np.float32) for rows in (3000, 300))
IMAGES = RNG.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
VIT = Backbone(model="test_vit", pooling="cls", patches={"layers": [2, 4]})
ROUNDS = 4


def jobs():
    """Calls of the library, each of which gives arrays."""
    state = timm.create_model("test_vit", pretrained=False, num_classes=0).state_dict()
    searched = ExactSearch(BANK)
    shared = Embedder(VIT, 64, backbone=build_backbone(VIT, 64, weights=state), batch_size=2)

    def build():
        own = Embedder(VIT, 64, backbone=build_backbone(VIT, 64, weights=state), batch_size=3)
        return own.embed(IMAGES)["contributions"]

    return [
        lambda: searched.search(QUERIES, 5),
        lambda: ExactSearch(BANK).search(QUERIES, 3, hidden=np.array([[10, 90]])),
        lambda: greedy_coreset(BANK, 40),
        lambda: [part for part in shared.embed(IMAGES).values() if isinstance(part, np.ndarray)],
        build,
        lambda: [tensor.numpy() for tensor in build_autoencoder(4, 4, image_size=32, seed=3).state_dict().values()],
    ]


def flat(arrays):
    return [arrays] if isinstance(arrays, np.ndarray) else list(arrays)


def test_everything_at_once_leaves_the_process_alone_and_gives_the_same_to_the_bit():
    one_thread, every = torch.get_num_threads(), jobs()
    torch.set_num_threads(1)
    expected = [flat(job()) for job in every]
    torch.manual_seed(11)
    found = run_together(every, rounds=ROUNDS)
    torch.set_num_threads(one_thread)
    assert set(found) == set(range(len(every)))
    for number, rounds in found.items():
        for arrays in rounds:
            for one, other in zip(flat(arrays), expected[number], strict=True):
                np.testing.assert_array_equal(one, other, err_msg=f"job {number}")
