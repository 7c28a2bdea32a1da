"""What the service counts, as Prometheus scrapes it."""

from collections import Counter

from prometheus_client.parser import text_string_to_metric_families

COUNTS = ("hits_total", "misses_total", "store_total", "invalidations_total", "errors_total")


class Samples:
    """One scrape of /metrics."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Sum the samples of a name whose labels include `labels`."""
        return sum(
            sample.value for sample in self._samples if sample.name == name and labels.items() <= sample.labels.items()
        )

    def labels_of(self, name: str) -> set[tuple[str, ...]]:
        """Return the label values of each child of a name."""
        return {tuple(sample.labels.values()) for sample in self._samples if sample.name == name}

    def names_with(self, prefix: str) -> set[str]:
        """Return the names that begin so."""
        return {sample.name for sample in self._samples if sample.name.startswith(prefix)}

    def cache_counts(self) -> Counter[str]:
        """Return the cache's counters, such as `hits_total list`."""
        return Counter(
            {
                f"{name} {' '.join(sample.labels.values())}": int(sample.value)
                for sample in self._samples
                for name in COUNTS
                if sample.name == f"backend_procedure_cache_{name}"
            }
        )
