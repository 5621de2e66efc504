"""Sections that tune a method: what turns numbers into anomaly scores."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from iad.params.base import Count, Name, Section, ShareCountOrNone, ShareOrCount


class Reconstruction(Section):
    """How an error map becomes one score."""

    cell: Annotated[int, Field(ge=1, le=64)]
    normalize: bool
    aggregate: Literal["mean", "top"]
    top_share: Annotated[float, Field(gt=0, le=1)]


class Method(Section):
    """The nearest-neighbour search that every kNN method shares."""

    k: Count
    metric: Literal["euclidean", "cosine"]
    standardize: bool
    aggregate: Literal["mean", "kth"]
    pca: ShareCountOrNone
    index: Literal["exact", "hnsw", "ivfpq"]


class Patch(Section):
    """The memory bank that every patch method shares."""

    k: Count
    coreset: Annotated[float, Field(gt=0, le=1)]
    aggregate: Literal["max", "top", "reweighted"]
    top_places: Count
    subtract_median: Annotated[float, Field(ge=0, le=1)]
    map_above: Annotated[float, Field(ge=0, lt=1)]
    foreground: Literal["none", "pca"]
    calibration: Annotated[int, Field(ge=0)]


def _distinct(members: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(members)) < len(members):
        raise ValueError("name each member once")
    return members


class Hybrid(Section):
    """Methods whose scores are fused, and how; no weights means equal ones."""

    members: Annotated[tuple[Name, ...], Field(min_length=2, max_length=4), AfterValidator(_distinct)]
    how: Literal["mean", "max"]
    weights: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]

    @field_validator("weights")
    @classmethod
    def _fit_members(cls, weights: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        members = info.data.get("members", ())
        if weights and (len(weights) != len(members) or not any(weights)):
            raise ValueError(f"give one weight to each of {', '.join(members)}, not all 0; or [], which means equal")
        return weights


class Refitted(Section):
    """A detector that is fitted anew for each fold of good pictures."""

    folds: Annotated[int, Field(ge=2, le=1000)]


class Scaled(Refitted):
    """One that may scale the features first."""

    standardize: bool


class ZScore(Refitted):
    """Deviations from the mean."""

    aggregate: Literal["max", "mean"]


class PrincipalComponents(Scaled):
    """Distance to a subspace."""

    components: ShareOrCount


class KMeans(Scaled):
    """Distance to the nearest centre."""

    clusters: Count


class GaussianMixture(Scaled):
    """Negative log likelihood."""

    components: Count
    covariance: Literal["full", "tied", "diag", "spherical"]
    pca: ShareCountOrNone
    regularization: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class OneClassSvm(Scaled):
    """Side of a boundary."""

    nu: Annotated[float, Field(gt=0, le=1)]
    gamma: Annotated[float, Field(gt=0, allow_inf_nan=False)]


class IsolationForest(Scaled):
    """Number of random cuts."""

    trees: Count


class LocalOutlierFactor(Scaled):
    """Ratio of densities."""

    n_neighbors: Count


class Classical(Section):
    """One sub-section per detector of `iad/detectors/classical`, each of which can tune methods."""

    zscore: ZScore
    pca: PrincipalComponents
    kmeans: KMeans
    gmm: GaussianMixture
    mahalanobis: Scaled
    ocsvm: OneClassSvm
    isolation_forest: IsolationForest
    lof: LocalOutlierFactor
