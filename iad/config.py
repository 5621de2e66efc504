"""Every knob of the project: `params.yaml` as frozen models that refuse unknown keys and values out of range.

Sections that belong to a detector, a source or a backbone are declared beside its code: a detector is found by its
folder in `iad/detectors`, a source by its file in `iad/data/sources`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError, create_model, model_validator
from pydantic_core import PydanticCustomError

from iad.data import Preprocess
from iad.data.sources import source_options
from iad.decision import Threshold
from iad.detectors import autoencoder, detector_names, hybrid, options_of, section_of
from iad.errors import IadError, close_to, rule_of, unknown
from iad.features import Backbone, CnnBackbone, VitBackbone
from iad.options import Count, Name, Section, Share
from iad.paths import PARAMS
from iad.report import Costs, Evaluate
from iad.words import and_more

if TYPE_CHECKING:
    from ruamel.yaml.error import YAMLError

Key = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]

RENAMED = {
    "coreset": "coreset_sampling_ratio", "top_places": "top_patches", "turns": "rotations", "mirror": "flip",
}  # fmt: skip


class Compute(Section):
    """Where and how numbers are computed; `auto` is resolved at run time and recorded with the result."""

    engine: Literal["local", "ray"] = Field("local", description="local | ray: on a Ray cluster; docs/cluster.md")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="auto | cpu | cuda | mps")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="auto: bf16 where the hardware has it, else fp32"
    )
    threads: Annotated[int, Field(ge=0)] = Field(0, description="0: all cores")
    batch_size: Count = Field(32, description="pictures per forward pass")


SOURCES = source_options()


class _AnyData(Section):
    """The pictures, apart from the options of each source."""

    source: Name = Field("elpv", description=" | ".join(SOURCES))
    category: Name = Field(
        "mono", description="; ".join(f"{name}: {options.categories}" for name, options in SOURCES.items())
    )
    allow_shared: bool = Field(default=False, description="true: accept the same picture in training and test")
    max_megapixels: Annotated[float, Field(gt=0)] = Field(
        100, description="larger pictures are refused before they are decoded"
    )

    @model_validator(mode="after")
    def _source_is_known(self) -> _AnyData:
        if self.source not in SOURCES:
            raise _in_words(str(unknown("source", self.source, SOURCES)))
        return self


def _sections_of(models: Mapping[str, type[Section]]) -> dict[str, Any]:
    """Fields for `create_model`: a section with its defaults for each name; names with a dot share their first part."""
    fields: dict[str, Any] = {}
    groups: dict[str, dict[str, type[Section]]] = {}
    for name, model in models.items():
        first, _, rest = name.partition(".")
        if rest:
            groups.setdefault(first, {})[rest] = model
        else:
            fields[first] = (model, model())
    for first, inside in groups.items():
        group: type[Section] = create_model(first.capitalize(), __base__=Section, **_sections_of(inside))
        fields[first] = (group, group())
    return fields


class Data(create_model("Sources", __base__=_AnyData, **_sections_of(SOURCES))):  # type: ignore[misc]
    """The pictures: which source, which category, and each source's own options."""


class Losses(Section):
    """Losses, as shares: of AUROC and AP (`ranking`); of F1, of misses and of false alarms (`verdicts`)."""

    ranking: Share = Field(description="of AUROC and AP")
    verdicts: Share = Field(description="of F1, and of the share of pictures missed or falsely rejected")


class Gate(Section):
    """When `iad gate` calls a difference from another revision a regression."""

    significance: Share = Field(0.05, description="chance that noise alone fails it: all tests of all methods share it")
    tolerated: Losses = Losses(ranking=0.01, verdicts=0.02)
    limit: Losses = Losses(ranking=0.05, verdicts=0.10)
    common: Share = Field(
        0.8, description="share of the revision's test pictures that must be here, with the same label"
    )


class MethodSpec(Section):
    """A method: its detector, the stage whose output it reads, and the section of `params.yaml` that tunes it."""

    detector: Name
    reads: Name
    params: Name


class _Sections(Section):
    """The sections that are no detector's."""

    seed: Annotated[int, Field(ge=0, lt=2**32)] = Field(
        0, description="splits, augmentation, initial weights, bootstrap"
    )
    compute: Compute = Compute()
    data: Data = Data()
    preprocess: Preprocess = Preprocess()
    ae: autoencoder.Training = autoencoder.Training()
    resnet: CnnBackbone = CnnBackbone()
    vit: VitBackbone = VitBackbone()
    backbones: dict[Key, Backbone] = Field(
        default_factory=dict,
        description="further backbones by name, each with the keys of vit; docs/backbones.md",
    )
    threshold: Threshold = Threshold()
    costs: Costs = Costs()
    evaluate: Evaluate = Evaluate()
    gate: Gate = Gate()
    methods: Annotated[dict[Key, MethodSpec], Field(min_length=1)]
    hybrids: dict[Key, hybrid.Options] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _methods_fit_together(self) -> _Sections:
        for name, hybrid_options in self.hybrids.items():
            if absent := [member for member in hybrid_options.members if member not in self.methods]:
                raise _in_words(
                    f"hybrids.{name}: its member '{absent[0]}' is not among methods; switch the hybrid off too, "
                    f"-S '~hybrids.{name}' -S '~methods.{name}', or give it others, -S 'hybrids.{name}.members=[...]'"
                )
        for name, spec in self.methods.items():
            if spec.detector not in detector_names():
                raise _in_words(f"methods.{name}: {unknown('detector', spec.detector, detector_names())}")
            section = section_of(spec.detector)
            if spec.params != section and not (section.endswith("*") and spec.params.startswith(section[:-1])):
                raise _in_words(
                    f"methods.{name}.params = {spec.params}: {spec.detector} is tuned by {section}; name that"
                )
        return self

    def options(self, section: str) -> Section:
        """The options at a dotted name, such as "method" or "classical.lof".

        Raises:
            IadError: if there is no such section.
        """
        found: Any = self
        for part in section.split("."):
            within = found if isinstance(found, Mapping) else dict(found)
            if part not in within:
                raise unknown("section of params.yaml", section, [*dict(self)])
            found = within[part]
        chosen: Section = found
        return chosen


def _in_words(line: str) -> PydanticCustomError:
    return PydanticCustomError("in_words", "{line}", {"line": line})


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


DETECTORS = {section_of(name): options_of(name) for name in detector_names() if not section_of(name).endswith("*")}


class Params(create_model("Detectors", __base__=_Sections, **_sections_of(DETECTORS))):  # type: ignore[misc]
    """The whole of `params.yaml`."""


def default_params() -> Params:
    """Every parameter at its default, for a folder without `params.yaml`; it has no methods."""
    params: Params = Params.model_construct(methods={})
    return params


def load_params(path: Path = PARAMS) -> Params:
    """Read and check `params.yaml`.

    Raises:
        IadError: naming the key, the value and the rule, if the file is missing, not YAML, out of range or incomplete.
    """
    from ruamel.yaml import YAML  # here, since a line computer imports options and has no file of parameters
    from ruamel.yaml.error import YAMLError

    try:
        # the parser in C, where it is installed, has other words for what is wrong
        values = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise IadError(f"{path}: missing here ({Path.cwd()}); run this from the repository's top folder") from None
    except UnicodeDecodeError:
        raise IadError(f"{path}: not UTF-8 text; save it as UTF-8") from None
    except YAMLError as error:
        raise IadError(f"{path}: not valid YAML ({yaml_problem(error)})") from None
    return parse_params(values, str(path))


def parse_params(values: Any, origin: str) -> Params:
    """Check a mapping of parameters that came from `origin`; every one must be given, so that DVC sees it.

    Raises:
        IadError: naming the key, the value and the rule.

    >>> parse_params({"sed": 1}, "params.yaml")
    Traceback (most recent call last):
    iad.errors.IadError: params.yaml: unknown parameter 'sed'; did you mean 'seed'? (and 1 more)
    """
    try:
        params: Params = Params.model_validate(values)
    except ValidationError as error:
        raise IadError(f"{origin}: {first_problem(error)}") from None
    missing = list(_left_out(params))
    if missing:
        others = and_more(len(missing) - 1)
        raise IadError(f"{origin}: '{missing[0]}' is missing; add it (every parameter must be given){others}")
    return params


def yaml_problem(error: YAMLError) -> str:
    """What is wrong with a YAML text, and in which line, without the lines around it."""
    from ruamel.yaml.error import MarkedYAMLError

    if isinstance(error, MarkedYAMLError) and error.problem and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def first_problem(error: ValidationError, model: type[BaseModel] | None = None) -> str:
    """Which key is wrong, what it holds, and the rule it breaks.

    Args:
        error: what pydantic found.
        model: which was given such values, to name what it knows; None: all parameters.
    """
    # an unknown key is the likelier cause of a missing one, so it is told first
    problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
    first, others = problems[0], len(problems) - 1
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        text = f"unknown parameter '{key}'{_suggestion(first['loc'], model or Params)}"
    elif first["type"] == "missing":
        text = f"'{key}' is missing; add it (every parameter must be given)"
    elif first["type"] == "in_words":
        text = first["msg"]
    elif first["type"] in {"model_type", "dict_type"}:
        held = "nothing" if first["input"] is None else repr(first["input"])
        text = f"{key or 'the file'} must hold parameters; it holds {held}"
    else:
        text = f"{key} = {first['input']!r}: {rule_of(first)}"
    return text + and_more(others)


def _left_out(model: BaseModel, key: str = "") -> Iterator[str]:
    """Dotted names of what a file leaves to the defaults, but for entries of `backbones`, which may be short."""
    for name in type(model).model_fields:
        here = f"{key}.{name}" if key else name
        if name not in model.model_fields_set:
            yield here
            continue
        value = getattr(model, name)
        inside = value.items() if isinstance(value, Mapping) and here != "backbones" else ()
        for entry, section in [("", value)] if isinstance(value, Section) else inside:
            if isinstance(section, Section):
                yield from _left_out(section, f"{here}.{entry}" if entry else here)


def _suggestion(location: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known, given = _known_keys(location[:-1], model), str(location[-1])
    if RENAMED.get(given) in known:
        return f"; it is called '{RENAMED[given]}' now"
    return close_to(given, known) or f"; known here: {', '.join(known) or 'none'}"


def _known_keys(location: tuple[int | str, ...], model: type[BaseModel]) -> list[str]:
    for part in location:
        field = model.model_fields.get(str(part))
        if field is None:  # a name that the user chose, inside a mapping
            continue
        inside = [field.annotation, *getattr(field.annotation, "__args__", ())]
        model = next((found for found in inside if _is_section(found)), model)
    return list(model.model_fields)
