"""Distance of patch embeddings to a memory bank of those of good pictures (PatchCore, AnomalyDINO)."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iad.options import Count, DetectorOptions


class Options(DetectorOptions):
    """The memory bank that every patch method shares."""

    section: ClassVar[str] = "patch"

    k: Count = Field(1, description="nearest patches of the bank whose mean distance counts (num_neighbors)")
    coreset_sampling_ratio: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the patches that the bank keeps; below 1 by greedy k-centre, as PatchCore does"
    )
    aggregate: Literal["max", "top", "reweighted"] = Field(
        "top",
        description="max: the worst patch; top: mean of the worst patches; reweighted: max, as PatchCore weighs it",
    )
    top_patches: Count = Field(3, description="top: how many patches count as worst")
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
