"""A Ray cluster of two nodes on this machine: the same bytes, also when a node is lost, and refusals by name.

The tests stand in an order: the last one loses a node.
"""

import sys
from functools import partial

import numpy as np
import pytest
from safetensors.numpy import load_file

from iad.engine import connected
from iad.errors import IadError
from iad.features import Backbone
from iad.features.backbone import build_backbone
from iad.features.embedder import Embedder
from iad.io import new_array, open_array
from iad.pipeline.embedding_there import embed_there
from tests.engine.workers import NODE, Numbers, RefuseFrom, Slowly
from tests.helpers import ROOT

ray = pytest.importorskip("ray", reason="the extra iad[ray] is not installed")
from iad.engine.cluster import Cluster  # noqa: E402  # it needs Ray

PICTURES, SIDE = 48, 32
STORE = 100 << 20
SOON_MISSED = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "iad.engine.cluster", raising=False)
    with pytest.raises(IadError, match=r"Ray is not installed here; run pip install 'iad\[ray\]'"), connected("ray"):
        pass


def test_without_a_cluster_none_is_started(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with (
        pytest.raises(IadError, match=r"no Ray cluster to connect to; start one with `ray start --head`"),
        connected("ray"),
    ):
        pass
    assert not ray.is_initialized()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere"])
def test_a_cluster_that_does_not_answer_is_refused_at_once(address, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with (
        pytest.raises(IadError, match=rf"cannot connect to the cluster at {address} \(.+\); start it, correct RAY_A"),
        connected("ray"),
    ):
        pass


def test_a_client_of_a_cluster_is_refused(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "ray://head:10001")
    with pytest.raises(IadError, match=r"^RAY_ADDRESS = ray://head:10001: a client"), connected("ray"):
        pass


@pytest.fixture(scope="module")
def nodes():
    """A cluster of two nodes with a core each, which find this package where the tests do."""
    from ray.cluster_utils import Cluster as TestCluster

    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", str(ROOT))
        options = {"num_cpus": 1, "object_store_memory": STORE}
        head = options | {"node_name": "left", "include_dashboard": False, "_system_config": SOON_MISSED}
        cluster = TestCluster(initialize_head=True, head_node_args=head)
        try:
            second = cluster.add_node(**options, node_name="right")
            patched.setenv("RAY_ADDRESS", cluster.address)
            yield cluster, second
        finally:
            cluster.shutdown()


@pytest.fixture(scope="module")
def engine(nodes):
    with connected("ray", threads=1) as found:
        yield found


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("iad.engine.cluster.BLOCKS_PER_WORKER", 12)


def test_blocks_come_in_their_order_and_the_first_that_is_refused_is_told(engine, small_blocks):
    rows, numbers = [], []

    def collect():
        for places, block in engine.map(partial(RefuseFrom, 20), Numbers(50), title="numbers", each=8):
            rows.extend(places.tolist())
            numbers.extend(block["number"].tolist())

    with pytest.raises(IadError, match=r"^number 20: too large; take a smaller one$"):
        collect()
    assert rows == list(range(10))
    assert numbers == [2 * row for row in rows]


def test_more_threads_than_a_node_has_are_refused(engine):
    with pytest.raises(IadError, match=r"^compute\.threads = 5: no node .* offers so many cores \((left|right) "):
        Cluster(engine.nodes, 5)


def test_a_card_that_no_node_has_is_refused(engine):
    with pytest.raises(IadError, match=r"no node of the Ray cluster offers a card"):
        list(engine.map(dict, Numbers(5), title="numbers", each=8, cards=1))


def test_a_node_with_another_version_is_refused_by_its_name(engine, nodes, tmp_path):
    """It finds an older package first, with a version and nothing else of what this one has."""
    (tmp_path / "iad").mkdir()
    (tmp_path / "iad/__init__.py").write_text('"""An older one."""\n')
    (tmp_path / "iad-0.0.9.dist-info").mkdir()
    (tmp_path / "iad-0.0.9.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: iad\nVersion: 0.0.9\n")
    cluster, _ = nodes
    old = cluster.add_node(num_cpus=1, node_name="attic", env_vars={"PYTHONPATH": str(tmp_path)})
    try:
        with (
            pytest.raises(IadError, match=r"node attic \([\d.]+\) has iad 0\.0\.9, and here it is \d"),
            connected("ray", threads=1),
        ):
            pass
    finally:
        cluster.remove_node(old)


class LosesANode:
    """An engine whose second node is ended, with all that it holds, as soon as it has done a block."""

    threads = 1

    def __init__(self, engine, nodes):
        self.engine, (self.cluster, self.second) = engine, nodes
        self.lost, self.after = None, []

    def map(self, make, source, **options):
        for rows, found in self.engine.map(partial(Slowly, make, 0.3), source, **options):
            node = found.pop(NODE)[0]
            if self.lost is None and node == self.second.node_id:
                self.lost = int(rows[0])
                self.cluster.remove_node(self.second, allow_graceful=False)
            self.after += [] if self.lost is None else [node]
            yield rows, found


def test_embeddings_are_complete_and_the_same_when_a_node_is_lost(
    engine, nodes, small_blocks, tiny_weights, tmp_path, one_thread
):
    with new_array(tmp_path / "images.npy", (PICTURES, SIDE, SIDE, 3), np.uint8) as images:
        images[:] = np.random.default_rng(0).integers(0, 256, images.shape)
    images = open_array(tmp_path / "images.npy")
    options = Backbone(model="test_vit", weights=f"file:{tiny_weights['test_vit']}", patches={"layers": [2, 4]})
    weights = load_file(tiny_weights["test_vit"])
    embedder = Embedder(options, SIDE, backbone=build_backbone(options, SIDE, weights=weights), batch_size=2)
    alone = embedder.embed(images)
    arrays = {part: np.zeros_like(alone[part]) for part in embedder.parts}
    breaking = LosesANode(engine, nodes)
    embed_there(breaking, embedder, images, arrays)
    assert breaking.lost is not None
    assert breaking.lost < PICTURES / 2
    assert set(breaking.after[-5:]) == {nodes[0].head_node.node_id}
    for part, array in arrays.items():
        assert array.tobytes() == alone[part].tobytes()
