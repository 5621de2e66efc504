"""What turns numbers into anomaly scores. Higher means more anomalous."""
