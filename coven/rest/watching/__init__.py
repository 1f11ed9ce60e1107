"""What is told of running VNFs: `metrics.py` figures, `traces.py` and `captures.py` packets, `bottlenecks.py` what
limits a chain, `chain.py` the chain itself, for who draws it."""
