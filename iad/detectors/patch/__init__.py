"""Distance of patch embeddings to a memory bank of those of good pictures (PatchCore, AnomalyDINO)."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from iad.options import Count, DetectorOptions

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _share_or_auto(value: Any) -> Any:
    try:
        share = 1.0 if value == "auto" else float(value)
    except (TypeError, ValueError):
        share = 0.0
    if not 0 < share <= 1:
        raise ValueError("should be a share above 0 and up to 1, or auto")
    return value


ShareOrAuto = Annotated[float | Literal["auto"], BeforeValidator(_share_or_auto)]


class Options(DetectorOptions):
    """The memory bank that every patch method shares."""

    section: ClassVar[str] = "patch"

    k: Count = Field(1, description="nearest patches of the bank whose mean distance counts (num_neighbors)")
    coreset_sampling_ratio: ShareOrAuto = Field(
        "auto", description="share of the patches that the bank keeps, by greedy k-centre; auto: all that budgets allow"
    )
    max_bank_gib: Positive = Field(2.0, description="auto: memory of the bank")
    max_search_minutes: Positive = Field(
        90.0, description="auto: time to choose the bank and to compare as many pictures with it; docs/patches.md"
    )
    aggregate: Literal["max", "top", "reweighted"] = Field(
        "top",
        description="max: the worst patch; top: mean of the worst patches; reweighted: max, as PatchCore weighs it",
    )
    top_patches: Count = Field(3, description="top: how many patches count as worst, at least")
    top_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.011, description="top: share of the patches that counts as worst, where that is more"
    )
    subtract_median: Annotated[float, Field(ge=0, le=1)] = Field(
        0.25, description="share of the picture's median distance taken off: what is odd all over counts less"
    )
    map_above: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.25, description="maps show what is above this quantile of the picture's own distances; 0: all of them"
    )
    foreground: Literal["none", "pca"] = Field(
        "none", description="patches that count: none: all; pca: those that show the object, learned from good pictures"
    )
    calibration: Annotated[int, Field(ge=0)] = Field(
        200, description="good pictures scored without their own patches, at most; drawn at random; 0: all"
    )
