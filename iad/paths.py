"""Every artefact's name and place, relative to the repository's top folder. Constants only."""

from pathlib import Path

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
PRESETS = Path("presets")
DATA = Path("data")
STAGES = Path("stages")
METRICS = Path("metrics")
PLOTS = Path("plots")
BUNDLES = Path("bundles")

DOWNLOAD = STAGES / "download"
ORIGINALS = DOWNLOAD / "images.zip"
RAW_MANIFEST = DOWNLOAD / "manifest.parquet"
RAW_REGION = DOWNLOAD / "roi.png"  # where there is a region of interest, at the size that it was drawn at

PREPROCESS = STAGES / "preprocess"
IMAGES = PREPROCESS / "images.npy"
MASKS = PREPROCESS / "masks.npy"
MANIFEST = PREPROCESS / "manifest.parquet"
REGION = PREPROCESS / "roi.npy"  # where there is a region of interest: bool (H, W), True where a pixel counts
DATA_REPORT = PREPROCESS / "data_report.json"

TRAIN_AE = STAGES / "train_ae"
AE_MODEL = TRAIN_AE / "model.safetensors"
AE_HISTORY = TRAIN_AE / "history.csv"
AE_HELD_OUT = TRAIN_AE / "held_out.parquet"
AE_RECORD = TRAIN_AE / "autoencoder.json"

EXTRACT_RESNET = STAGES / "extract_resnet"
EXTRACT_VIT = STAGES / "extract_vit"
EXTRACT = STAGES / "extract"  # one folder per entry of `backbones`
FEATURES = "features.npy"  # in the folder of an extract stage: pooled embeddings, float32 (N, D)
PATCHES = "patches.npy"  # in the folder of an extract stage, if it keeps any: float16 (N, h, w, D)
AUGMENTED = "augmented.npy"  # there too, of rotated and flipped copies: float16 (training pictures, copies, h, w, D)
CONTRIBUTIONS = "contributions.npy"  # in the folder of an extract stage, with attribution: float16 (N, h, w, D)
BACKBONE_RECORD = "backbone.json"  # in the folder of an extract stage

SCORE = STAGES / "score"
DETECTOR = "detector.safetensors"  # in SCORE / method: the method as it was fitted
CALIBRATION_SCORES = "calibration.parquet"  # in SCORE / method
TEST_SCORES = "test.parquet"  # in SCORE / method
CALIBRATION_MAPS = "calibration_maps.npy"  # in SCORE / method, where a method says where: float32 (K, h, w)
TEST_MAPS = "test_maps.npy"  # in SCORE / method: float32 (test pictures, h, w), higher = more anomalous
PROVENANCE = "provenance.json"  # in SCORE / method: what was computed, by what, on what

ALIGN = STAGES / "align"  # files as in SCORE / method, by hybrid; maps have one more side, the members
EVIDENCE = "evidence."  # before the name of each member, in the columns of its scores
ALIGNMENT = "alignment.json"  # in ALIGN / hybrid: each member's scale and provenance

THRESHOLD = STAGES / "threshold"
THRESHOLD_FILE = "threshold.json"  # in THRESHOLD / method

REPORT = PLOTS / "report.json"
DATA_REPORT_COPY = PLOTS / "data_report.json"  # in git, unlike its original
SCORES_CSV = PLOTS / "scores"  # one CSV per method
PR_CURVES = PLOTS / "precision_recall.csv"
ROC_CURVES = PLOTS / "roc.csv"
LOSS_CURVE = PLOTS / "loss.csv"
COMPARISON = PLOTS / "comparison.csv"
COST_CURVES = PLOTS / "costs.csv"
COSTS = PLOTS / "costs.png"
OVERVIEW = PLOTS / "overview.png"
HISTOGRAMS = PLOTS / "histograms"  # one PNG per method
CONFUSION = PLOTS / "confusion"  # one PNG per method
MISSES = PLOTS / "misses"  # one PNG per method
FALSE_ALARMS = PLOTS / "false_alarms"  # one PNG per method
GALLERIES = PLOTS / "galleries"  # one PNG per method with anomaly maps

PAGE = STAGES / "report" / "report.html"
