"""Speed and memory as ratios against a peer or a floor, each in one run: `python -m benchmarks`."""
