"""RecTools' SASRec, read at given minutes of training; run by the Python of RecTools' environment.

    python sasrec_rectools.py FOLDER DIM LENGTH MINUTES ...

Reads FOLDER/log.npz (items and row pointers of all users, oldest first), writes FOLDER/0.npz ... with the ten
best unseen items of each user, and prints a line of JSON. The clock stands still while nothing is trained.
"""

import json
import sys
import time
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytorch_lightning as pl
from rectools import Columns, models
from rectools.dataset import Dataset

folder, dim, length, minutes = (
    Path(sys.argv[1]),
    int(sys.argv[2]),
    int(sys.argv[3]),
    [float(x) for x in sys.argv[4:]],
)


class Moments(pl.Callback):
    """Keeps the parameters at each moment, and ends the training after the last."""

    def __init__(self):
        self.kept, self.spent, self.epochs, self.began = [], 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer, module):
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer, module, outputs, batch, place):
        now = time.perf_counter()
        self.spent, self.began = self.spent + now - self.began, now
        if len(self.kept) < len(minutes) and self.spent >= 60 * minutes[len(self.kept)]:
            epochs = self.epochs + (place + 1) / trainer.num_training_batches
            self.kept.append((self.spent / 60, epochs, deepcopy(module.state_dict())))
            trainer.should_stop = len(self.kept) == len(minutes)
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer, module):
        self.epochs += 1


log = np.load(folder / "log.npz")
counts = np.diff(log["indptr"])
users = np.repeat(np.arange(len(counts)), counts)
place = np.arange(len(users)) - log["indptr"][users]
frame = pd.DataFrame(
    {
        Columns.User: users,
        Columns.Item: log["items"],
        Columns.Weight: 1.0,
        Columns.Datetime: pd.Timestamp("2020-01-01") + pd.to_timedelta(place, unit="s"),
    }
)
pl.seed_everything(0)
moments = Moments()
options = {"n_blocks": 2, "n_heads": 2, "n_factors": dim, "session_max_len": length, "loss": "softmax"}
options |= {"lr": 0.001, "batch_size": 128}
model = models.SASRecModel(
    **options,
    item_net_block_types=(models.nn.item_net.IdEmbeddingsItemNet,),
    recommend_batch_size=1024,
    get_trainer_func=lambda: pl.Trainer(
        max_epochs=100_000,
        enable_progress_bar=False,
        enable_model_summary=False,
        logger=False,
        enable_checkpointing=False,
        accelerator="cpu",
        devices=1,
        callbacks=[moments],
    ),
)
data = Dataset.construct(frame)
model.fit(data)
kept = model.fit_trainer.callbacks if hasattr(model, "fit_trainer") else []
moments = next((callback for callback in kept if isinstance(callback, Moments)), moments)
known = np.flatnonzero(counts >= 2)
for at, (_, _, state) in enumerate(moments.kept):
    model.lightning_model.load_state_dict(state)
    found = model.recommend(users=known, dataset=data, k=10, filter_viewed=True)
    found = found.sort_values([Columns.User, Columns.Rank])
    ranked = found.groupby(Columns.User)[Columns.Item].apply(list)
    items = np.array([row + [-1] * (10 - len(row)) for row in ranked])
    np.savez(folder / f"{at}.npz", users=ranked.index.to_numpy(), items=items)
told = [{"minutes": round(spent, 2), "epochs": round(epochs, 2)} for spent, epochs, _ in moments.kept]
print(json.dumps({"rectools": version("rectools"), **options, "moments": told}))
