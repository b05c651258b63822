"""All benchmarks, one after the other."""

from benchmarks import training


def main() -> None:
    """Every table that the datasets and peers on this machine allow."""
    training.main()


if __name__ == "__main__":
    main()
