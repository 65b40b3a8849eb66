"""Lines as the field's programs print them, and what they tell; and lines that tell nothing."""
# ruff: noqa: E501, RUF001

from __future__ import annotations

Values = dict[str, float]

TOLD: list[tuple[str, int | None, Values]] = [
    # plain scripts
    ("step 12/100 loss 1.84", 12, {"loss": 1.84}),
    ("step=12 loss=1.84 lr=2.9e-05 grad_norm=0.71", 12, {"loss": 1.84, "lr": 2.9e-5, "grad_norm": 0.71}),
    ("step: 12, loss: 1.84, tok/s: 11.2k", 12, {"loss": 1.84, "tok/s": 11200.0}),
    ("[rank17] step 1839 loss 1.851 lr 2.9e-5", 1839, {"loss": 1.851, "lr": 2.9e-5}),
    ("Step 10 | loss: 2.5 | norm: 0.9 | dt: 120.5ms | tok/sec: 12345.6", 10,
     {"loss": 2.5, "norm": 0.9, "dt": 0.1205, "tok/sec": 12345.6}),
    ("iter 10: loss 2.1234, time 123.00ms, mfu 12.10%", 10, {"loss": 2.1234, "time": 0.123, "mfu": 12.1}),
    ("step 1000: train loss 2.1, val loss 2.3", 1000, {"train_loss": 2.1, "val_loss": 2.3}),
    ("global_step: 1,200 reward=-12.5 kl: 0.03", 1200, {"reward": -12.5, "kl": 0.03}),
    ("step 5 loss 1.0 1,234 tokens/s", 5, {"loss": 1.0, "tokens/s": 1234.0}),
    ("step 5 loss 1.0 samples/s=81.5 mem 12.5GB", 5, {"loss": 1.0, "samples/s": 81.5, "mem": 12.5e9}),
    ("step 7 loss 0.5 aux_thing 0.25", 7, {"loss": 0.5, "aux_thing": 0.25}),
    ("training step 3 of 9: loss = .5", 3, {"loss": 0.5}),
    ("acc: 45.2%", None, {"acc": 45.2}),
    ("loss -0.25", None, {"loss": -0.25}),
    ("throughput: 1,234.5 samples per step", None, {"throughput": 1234.5}),
    ('{"step": 5, "train/loss": "1.25", "tokens_per_second": 12345.6}', 5,
     {"train/loss": 1.25, "tokens_per_second": 12345.6}),
    ("\x1b[32mstep 4\x1b[0m \x1b[1mloss\x1b[0m 3.5", 4, {"loss": 3.5}),
    ("损失：1.25 acc：45.5%", None, {"损失": 1.25, "acc": 45.5}),
    # Hugging Face
    ("{'loss': 1.2, 'grad_norm': 0.35, 'learning_rate': 3e-05, 'epoch': 0.12}", None,
     {"loss": 1.2, "grad_norm": 0.35, "learning_rate": 3e-5, "epoch": 0.12}),
    ("{'eval_loss': 1.1, 'eval_runtime': 12.3, 'epoch': 1.0}", None,
     {"eval_loss": 1.1, "eval_runtime": 12.3, "epoch": 1.0}),
    ("{'train_runtime': 88.5, 'train_samples_per_second': 11.3, 'train_loss': 0.5}", None,
     {"train_runtime": 88.5, "train_samples_per_second": 11.3, "train_loss": 0.5}),
    # tqdm
    (" 12%|█▏        | 120/1000 [00:30<03:40,  3.99it/s]", 120, {"it/s": 3.99}),
    ("  0%|          | 1/1000 [00:02<40:00,  2.50s/it, loss=0.31]", 1, {"loss": 0.31, "it/s": 0.4}),
    # Lightning
    ("Epoch 3:  45%|████▌     | 450/1000 [00:30<00:37, 14.9it/s, v_num=3, train_loss=0.12]", 450,
     {"epoch": 3.0, "train_loss": 0.12, "it/s": 14.9}),
    # Megatron
    (" [2026-11-21 12:00:00] iteration       10/     100 | consumed samples:          160 | elapsed "
     "time per iteration (ms): 250.0 | learning rate: 1.500000E-04 | global batch size:    16 | "
     "lm loss: 1.2E+00 | loss scale: 1.0 | grad norm: 1.512 | number of nan iterations:   0 |", 10,
     {"consumed_samples": 160.0, "elapsed_time_per_iteration": 0.25, "learning_rate": 1.5e-4,
      "global_batch_size": 16.0, "lm_loss": 1.2, "loss_scale": 1.0, "grad_norm": 1.512,
      "number_of_nan_iterations": 0.0}),
    # DeepSpeed
    ("[2026-11-21 12:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, "
     "lr=[3e-05, 3e-05], mom=[(0.9, 0.95)]", 10, {"skipped": 0.0, "lr": 3e-5, "mom": 0.9}),
    ("[2026-11-21 12:00:00,123] [INFO] [timer.py:199:stop] epoch=0/micro_step=10/global_step=10, "
     "CurrSamplesPerSec=120.5, MemAllocated=4.0GB", 10,
     {"epoch": 0.0, "CurrSamplesPerSec": 120.5, "MemAllocated": 4e9}),
    # mmengine
    ("11/21 12:00:00 - mmengine - INFO - Epoch(train)  [2][ 50/1250]  lr: 1.0000e-02  eta: 0:12:33  "
     "time: 0.2339  data_time: 0.0034  memory: 1234  loss: 0.4321  loss_cls: 0.12", 50,
     {"lr": 0.01, "time": 0.2339, "data_time": 0.0034, "memory": 1234.0, "loss": 0.4321, "loss_cls": 0.12}),
    ("11/21 12:00:00 - mmengine - INFO - Iter(train) [   50/80000]  lr: 1.0000e-02  loss: 2.5", 50,
     {"lr": 0.01, "loss": 2.5}),
    ("11/21 12:00:00 - mmengine - INFO - Epoch(val) [1][5/10]  accuracy/top1: 45.2", 5,
     {"val/accuracy/top1": 45.2}),
    # torchvision and the ImageNet example
    ("Epoch: [0]  [ 10/5005]  eta: 0:12:13  lr: 0.1  img/s: 123.4  loss: 6.9078 (7.0123)  acc1: 0.1 (0.2)",
     10, {"epoch": 0.0, "lr": 0.1, "img/s": 123.4, "loss": 6.9078, "acc1": 0.1}),
    ("Epoch: [0][ 10/5005]\tTime  0.312 ( 0.412)\tLoss 6.5e+00 (7.01e+00)\tAcc@1   0.50 (  0.10)", 10,
     {"epoch": 0.0, "time": 0.312, "loss": 6.5, "acc@1": 0.5}),
    ("Train Epoch: 1 [640/60000 (1%)]\tLoss: 2.210340", 640, {"epoch": 1.0, "loss": 2.21034}),
    # ColossalAI
    ("Epoch [1/3]:  10%|█         | 10/100 [00:01<00:10,  9.8it/s, loss=2.3]", 10,
     {"loss": 2.3, "it/s": 9.8}),
    ("[11/21/26 12:00:00] INFO     colossalai - colossalai - INFO: Step 10: loss = 1.2 | lr = 3e-4 | "
     "throughput = 123.5 samples", 10, {"loss": 1.2, "lr": 3e-4, "throughput": 123.5}),
    # fairseq, MindSpore, Keras
    ("epoch 001:    100 / 5000 loss=5.312, ppl=39.7, wps=12345, num_updates=100, lr=1.2e-05, gnorm=1.3",
     100, {"epoch": 1.0, "loss": 5.312, "ppl": 39.7, "wps": 12345.0, "lr": 1.2e-5, "gnorm": 1.3}),
    ("epoch: 1 step: 100, loss is 2.3015", 100, {"epoch": 1.0, "loss": 2.3015}),
    (" 45/100 [=====>....] - ETA: 3s - loss: 0.5012 - accuracy: 0.8123", 45,
     {"loss": 0.5012, "accuracy": 0.8123}),
    # values as libraries print them, steps without a word
    ("loss=tensor(0.5132, device='cuda:0', grad_fn=<NllLossBackward0>)", None, {"loss": 0.5132}),
    ("{'loss': np.float64(1.25), 'acc': array(0.5)}", None, {"loss": 1.25, "acc": 0.5}),
    ("[100/1000] loss: 0.5", 100, {"loss": 0.5}),
    ("| epoch   1 |   200/ 2983 batches | lr 20.00 | ms/batch 12.5 | loss  6.91 | ppl  1000.1", 200,
     {"epoch": 1.0, "lr": 20.0, "ms/batch": 12.5, "loss": 6.91, "ppl": 1000.1}),
    ("step:100/5100 train_loss:4.1234 train_time:12500ms step_avg:125.0ms", 100,
     {"train_loss": 4.1234, "train_time": 12.5, "step_avg": 0.125}),
    ("Epoch 5/10 - loss: 0.5 - val_loss: 0.6", None, {"loss": 0.5, "val_loss": 0.6}),
    ("lr=1e-4→5e-5", None, {"lr": 1e-4}),
    # evaluation beside the training
    ("Validation step 3/50 loss 2.1", 3, {"val/loss": 2.1}),
]  # fmt: skip

SILENT = [
    "",
    "hello world",
    "2026-11-21T12:01:07Z node01:29500 connected to 10.0.0.1:8080 pid=123 port: 29500",
    "torch 2.4.1 cuda 12.4 NCCL version 2.20.5+cuda12.4 commit=1234567 sha: 1234abc",
    "/data/run=5/ckpt-100/model.pt saved in 3.2 seconds at 12:01:07",
    "addr=10.0.0.1 version: 2.1.0 date: 2026-11-21 time: 12:01:07 uuid=550e8400-e29b",
    '  File "/a/b.py", line 12, in main',
    "train.py:12 INFO something 5 worker 3",
    "world_size=8 rank=0 seed: 42 hidden_size: 4096 batch_size=32 max_steps: 100",
    "NCCL INFO Channel 00/02 : 0 1 2 3",
    "[W1121 12:00:00.123456789 ProcessGroupNCCL.cpp:1250] Warning: foo",
    "http://localhost:6006/?x=5&loss=3",
    "localhost:8080 and node03:22 and fe80::1",
    "Downloading shards: 50%|█████     | 1/2 [00:01<00:01,  1.0s/it]",
    "Loading checkpoint shards:  50%|█████     | 2/4 [00:03<00:03,  1.5s/it]",
    "job_id=4711 jobid: 4712 user_id=7 exit code: 1 errno=5",
    "id: 123456789012345678901234567890",
    "timestamp=1795257912.5 time: 1795257912.5",
    "0x7f3a addr: 0x1f hash=deadbeef12 md5: 9e107d9d372bb6826bd81d3542a419d6",
    "eta: 0:12:33 elapsed 1:02:03",
    "v1.2.3 released, python 3.11.4",
    "loss/lr.png written, see loss-1.txt",
    "waiting for 5 workers, found 3 files",
    "https://host:8443/path?loss=1.0",
    "loss: info",
    "[100/1000] Building CXX object src/a.cpp.o",
    "[2026-11-21 12:00:00,000] torch.distributed.run: [WARNING] Setting OMP_NUM_THREADS to be 1",
    "[rank0]:[W1121 12:00:01.123 ProcessGroupNCCL.cpp:4561] [PG ID 0 PG GUID 0 Rank 0] using GPU 0",
    "GPU 0: V100 mem 12.3/32.0 GB util 98%",
    "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79.10 GiB",
]
