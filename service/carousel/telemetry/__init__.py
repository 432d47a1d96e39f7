"""What is counted, copied, and shown to Prometheus."""
