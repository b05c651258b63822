"""All benchmarks, one after the other."""

from benchmarks import catalogues, evaluation, ingest, overheads, requests, sequences, training


def main() -> None:
    """Every table that the datasets and peers on this machine allow."""
    training.main()
    overheads.main()
    evaluation.main()
    requests.main()
    ingest.main()
    sequences.main()
    catalogues.main()


if __name__ == "__main__":
    main()
