"""Several detectors fused into one."""
