"""RePlay's SASRec, read at given minutes of training; run by the Python of RePlay's environment.

    python sasrec_replay.py FOLDER DIM LENGTH MINUTES ...

Reads FOLDER/log.npz (items and row pointers of all users, oldest first), writes FOLDER/0.npz ... with the ten
best unseen items of each user, and prints a line of JSON. The clock stands still while nothing is trained.
"""

import json
import sys
import time
from copy import deepcopy
from importlib.metadata import version
from pathlib import Path

import lightning as L
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from replay.data import FeatureHint, FeatureSource, FeatureType
from replay.data.nn import TensorFeatureInfo, TensorFeatureSource, TensorSchema
from replay.data.nn.parquet import ParquetModule
from replay.nn.lightning import LightningModule
from replay.nn.lightning.optimizer import OptimizerFactory
from replay.nn.sequential import SasRec
from replay.nn.transform.template.sasrec import make_default_sasrec_transforms

folder, dim, length, minutes = (
    Path(sys.argv[1]),
    int(sys.argv[2]),
    int(sys.argv[3]),
    [float(x) for x in sys.argv[4:]],
)


class Moments(L.Callback):
    """Keeps the parameters at each moment, and ends the training after the last."""

    def __init__(self):
        self.kept, self.spent, self.epochs, self.began = [], 0.0, 0, 0.0

    def on_train_epoch_start(self, trainer, module):
        self.began = time.perf_counter()

    def on_train_batch_end(self, trainer, module, outputs, batch, place):
        now = time.perf_counter()
        self.spent, self.began = self.spent + now - self.began, now
        if len(self.kept) < len(minutes) and self.spent >= 60 * minutes[len(self.kept)]:
            epochs = self.epochs + (place + 1) / steps
            self.kept.append((self.spent / 60, epochs, deepcopy(module.state_dict())))
            trainer.should_stop = len(self.kept) == len(minutes)
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer, module):
        self.epochs += 1


class Best(L.Callback):
    """The ten best items of each user that the user has not had."""

    def __init__(self):
        self.users, self.items = [], []

    def on_predict_batch_end(self, trainer, module, outputs, batch, place, loader=0):
        users, scores = batch["user_id"].numpy(), outputs["logits"][:, :n_items].clone()
        for row, user in enumerate(users):
            scores[row, log_items[indptr[user] : indptr[user + 1]]] = -torch.inf
        self.users.append(users)
        self.items.append(scores.topk(10).indices.numpy())


log = np.load(folder / "log.npz")
log_items, indptr, n_items = torch.from_numpy(log["items"]).long(), log["indptr"], int(log["n_items"])
rows = pa.ListArray.from_arrays(indptr.astype(np.int32), log["items"].astype(np.int64))
pq.write_table(pa.table({"user_id": pa.array(np.arange(len(rows))), "item_id": rows}), folder / "log.parquet")
schema = TensorSchema(
    [
        TensorFeatureInfo(
            "item_id",
            feature_type=FeatureType.CATEGORICAL,
            is_seq=True,
            feature_hint=FeatureHint.ITEM_ID,
            feature_sources=[TensorFeatureSource(FeatureSource.INTERACTIONS, "item_id")],
            cardinality=n_items,
            padding_value=n_items,
            embedding_dim=dim,
        )
    ]
)
shape = {"user_id": {}, "item_id": {"shape": length, "padding": n_items}}
batch = 128
steps = -(-len(rows) // batch)
module = ParquetModule(
    batch_size={"train": batch, "predict": 1024},
    transforms=make_default_sasrec_transforms(schema),
    metadata={"train": shape, "predict": shape},
    config=None,
    train_path=str(folder / "log.parquet"),
    predict_path=str(folder / "log.parquet"),
)
L.seed_everything(0)
options = {"embedding_dim": dim, "num_heads": 2, "num_blocks": 2, "max_sequence_length": length}
options |= {"dropout": 0.2, "hidden_dim": 4 * dim}
net = LightningModule(
    SasRec.from_params(schema, **options), optimizer_factory=OptimizerFactory(learning_rate=0.001)
)
quiet = {"logger": False, "enable_progress_bar": False, "accelerator": "cpu", "enable_model_summary": False}
moments = Moments()
trainer = L.Trainer(
    max_epochs=100_000, enable_checkpointing=False, limit_val_batches=0, callbacks=[moments], **quiet
)
trainer.fit(net, datamodule=module)
for at, (_, _, state) in enumerate(moments.kept):
    net.load_state_dict(state)
    best = Best()
    L.Trainer(callbacks=[best], **quiet).predict(net, datamodule=module, return_predictions=False)
    np.savez(folder / f"{at}.npz", users=np.concatenate(best.users), items=np.concatenate(best.items))
told = [{"minutes": round(spent, 2), "epochs": round(epochs, 2)} for spent, epochs, _ in moments.kept]
print(json.dumps({"replay": version("replay-rec"), **options, "batch_size": batch, "moments": told}))
