"""Distance of the pooled embedding to the nearest good pictures."""

from typing import ClassVar, Literal

from pydantic import Field

from iad.options import Count, DetectorOptions, ShareCountOrNone


class Options(DetectorOptions):
    """The nearest-neighbour search that every kNN method shares."""

    section: ClassVar[str] = "method"

    k: Count = Field(5, description="nearest good pictures that make the score (num_neighbors)")
    metric: Literal["euclidean", "cosine"] = Field("euclidean", description="euclidean | cosine")
    standardize: bool = Field(
        default=False, description="scale every feature by its mean and deviation over the training pictures"
    )
    aggregate: Literal["mean", "kth"] = Field("mean", description="mean of the k nearest distances | kth")
    pca: ShareCountOrNone = Field(
        0,
        description="principal components to search in: a share of the variance or their number; 0: all features",
    )
    index: Literal["exact", "hnsw", "ivfpq"] = Field(
        "exact", description="exact | hnsw | ivfpq (approximate; these need the extra iad[faiss])"
    )
