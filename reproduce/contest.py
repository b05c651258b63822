"""Schemes side by side on one backbone: each tuned on a validation part, then trained with several seeds.

A study's cells are, in this order, one for every point that a scheme may take, one for every scheme and seed
at the scheme's best point, and `paired`, which compares each scheme with the base over users and seeds.
Where there are candidates, `claims` compares each of them with every rival, at a level for all of them.
Points are chosen on validation with seed 0; give every scheme as many of them as the others.
The figures of single users, which `paired` needs, lie beside the results and are not kept in the repository:
it takes the seeds that were run here for both of a pair, and names them.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reproduce.cells import finished
from reproduce.pairs import Setting, Work
from tacit.api import fit
from tacit.data.interactions import Interactions
from tacit.data.split import Split
from tacit.evaluation.compare import compare
from tacit.evaluation.evaluate import evaluate
from tacit.evaluation.report import Report
from tacit.events import Callback
from tacit.spectra import SpectrumTrace
from tacit.storage import write_parquet

VALUES = Path(__file__).parent / "values"
RESAMPLES = 10_000  # so that p can be small where many schemes are corrected for


@dataclass(frozen=True)
class Contest:
    """One backbone on one split: the points of each scheme, the first scheme being the base."""

    study: str
    name: str  # of data and backbone, before the cells' names
    split: Callable[[], Split]
    schemes: Mapping[str, Sequence[Any]]  # settings, or one reference model
    seeds: Sequence[int]
    measures: Sequence[str] = ("recall", "ndcg")
    ks: Sequence[int] = (10, 20, 50)
    spectrum: bool = True  # follow the effective rank; the backbone has vectors
    chosen_by: str = "ndcg@20"  # on validation, among points
    points_of: str | None = None  # the contest that has chosen the points already; nothing: this one does
    points_by: str | None = None  # the scheme whose points choose for all of them; nothing: each its own
    candidates: Sequence[str] = ()  # schemes of which more is claimed
    rivals: Sequence[str] = ()  # what each of them must beat

    def cells(self) -> dict[str, Work]:
        """All cells by name, in the order in which they can run."""
        points = {
            f"{self.name}-{scheme}-point-{place}": partial(self.point, scheme, place)
            for scheme, settings in self.schemes.items()
            for place in range(len(settings))
            if len(settings) > 1 and self.points_of is None and self.points_by in (None, scheme)
        }
        seeds = {
            f"{self.name}-{scheme}-seed-{seed}": partial(self.seeded, scheme, seed)
            for seed in self.seeds
            for scheme in self.schemes
        }
        claims = {f"{self.name}-claims": self.claims} if self.candidates else {}
        return {**points, **seeds, f"{self.name}-paired": self.paired, **claims}

    def point(self, scheme: str, place: int) -> dict[str, Any]:
        """Best validation figures of one point."""
        run, seconds = self._run(self.schemes[scheme][place], seed=0, refit=False)
        chosen = run.config.pop("chosen")
        best = next(entry for entry in chosen["history"] if entry["epoch"] == chosen["epoch"])
        figures = {name: best[name] for name in ("recall@20", "ndcg@20")}
        return {"fit_seconds": seconds, "epoch": chosen["epoch"], "validation": figures, "config": run.config}

    def best(self, scheme: str) -> int:
        """The place of the scheme's best point. Ends the program where one is missing."""
        settings = self.schemes[scheme]
        if len(settings) == 1:
            return 0
        cells = {cell["cell"]: cell for cell in finished(self.study)}
        chooses = f"{self.points_of or self.name}-{self.points_by or scheme}"
        names = [f"{chooses}-point-{place}" for place in range(len(settings))]
        missing = [name for name in names if name not in cells]
        if missing:
            sys.exit(f"run these cells first: {' '.join(missing)}")
        figures = [cells[name]["validation"][self.chosen_by] for name in names]
        return figures.index(max(figures))

    def seeded(self, scheme: str, seed: int) -> dict[str, Any]:
        """Trained on the whole of train at the best point, test read once."""
        place = self.best(scheme)
        entry = self.schemes[scheme][place]
        split = self.split()
        assert split.test is not None
        began = time.perf_counter()
        details: dict[str, Any] = {}
        if isinstance(entry, Setting):
            trace = SpectrumTrace(known(split).positives, every=5)
            watching = [*([trace] if self.spectrum else []), *self.watchers(seed)]
            run, _ = self._run(entry, seed, refit=True, callbacks=watching)
            model: Any = run.recommender
            details["epoch"] = run.config.pop("chosen")["epoch"]
            details |= {"effective_rank": _ranks(trace), "config": run.config, **self.told(watching)}
        else:
            model = entry.fit(known(split))
            details["config"] = asdict(entry)
        seconds = round(time.perf_counter() - began, 1)
        report = evaluate(
            model,
            truth=split.test.positives,
            seen=known(split).positives,
            ks=tuple(self.ks),
            metrics=list(self.measures),
        )
        self.keep(scheme, seed, report)
        metrics = {name: asdict(value) for name, value in report.metrics.items()}
        head = {"scheme": scheme, "seed": seed, "point": place, "fit_seconds": seconds, "users": report.users}
        return {**head, **metrics, **details}

    def watchers(self, seed: int) -> list[Callback]:
        """More callbacks of a seed's training."""
        return []

    def told(self, watching: Sequence[Callback]) -> dict[str, Any]:
        """What they found, for the cell."""
        return {}

    def keep(self, scheme: str, seed: int, report: Report) -> None:
        """Put the figures of single users aside for `paired`."""
        path = self._values(scheme, seed)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_parquet(path, pa.table({"row": report.rows, **report.values}))

    def paired(self) -> dict[str, Any]:
        """Every scheme less the base, over users and the seeds that were run here for both."""
        base, *others = self.schemes
        seeds = {scheme: self._whole(base, scheme) for scheme in others}
        pairs = {
            scheme: compare(
                *([self._report(one, seed) for seed in seeds[scheme]] for one in (scheme, base)),
                resamples=RESAMPLES,
            ).to_dict()
            for scheme in others
        }
        return {"base": base, "seeds": seeds, "less_base": pairs}

    def claims(self) -> dict[str, Any]:
        """Every candidate less every rival, in intervals that hold together for all candidates."""
        level, seeds = 1 - 0.05 / len(self.candidates), self._whole(*self.candidates, *self.rivals)
        found = {
            candidate: {
                rival: compare(
                    [self._report(candidate, seed) for seed in seeds],
                    [self._report(rival, seed) for seed in seeds],
                    level=level,
                    resamples=RESAMPLES,
                ).to_dict()
                for rival in self.rivals
                if rival != candidate
            }
            for candidate in self.candidates
        }
        return {"level": level, "seeds": seeds, "less_rival": found}

    def _run(
        self, setting: Setting, seed: int, *, refit: bool, callbacks: Sequence[Callback] = ()
    ) -> tuple[Any, float]:
        began = time.perf_counter()
        split = self.split()
        run = fit(
            split.train,
            valid=split.valid,
            backbone=setting.backbone,
            scheme=setting.scheme,
            optimizer=setting.optimizer,
            training=replace(setting.training, refit=refit),
            start=setting.start,
            seed=seed,
            callbacks=callbacks,
        )
        return run, round(time.perf_counter() - began, 1)

    def _values(self, scheme: str, seed: int) -> Path:
        return VALUES / self.study / f"{self.name}-{scheme}-seed-{seed}.parquet"

    def _whole(self, *schemes: str) -> list[int]:
        """Seeds with the figures of single users for these schemes. Ends the program where there is none."""
        found = [s for s in self.seeds if all(self._values(scheme, s).exists() for scheme in schemes)]
        if not found:
            sys.exit(
                f"no seed of {self.study}, {self.name} was run here for all of {', '.join(schemes)}: remove "
                "the JSON files of one seed and run its cells again"
            )
        return found

    def _report(self, scheme: str, seed: int) -> Report:
        held = pq.read_table(self._values(scheme, seed))
        values = {name: held[name].to_numpy() for name in held.column_names}
        rows = values.pop("row")
        return Report(users=len(rows), metrics={}, rows=rows, values=values)


def known(split: Split) -> Interactions:
    """What a model may know when test is ranked: train, and the validation part where there is one."""
    return split.train if split.valid is None else split.train.concat(split.valid)


def _ranks(trace: SpectrumTrace) -> list[list[float]]:
    """Effective rank of both tables by epoch, of the last phase of training."""
    found: list[list[float]] = []
    for entry in trace.entries:
        if found and entry["epoch"] <= found[-1][0]:
            found.clear()
        found.append([entry["epoch"], round(entry["spectrum"]["both"]["raw"]["effective_rank"], 3)])
    return found
