#!/usr/bin/env bash
# Started once per node with the project contract's variables:
#   PROJECT_DIR DATASET_DIR MODEL_DIR OUTPUT_DIR SCRIPT_DIR
#   NNODES NPROC_PER_NODE NODE_RANK MASTER_ADDR MASTER_PORT
# and every hyperparameter by its name. Without Rankdeck: set them and run `bash train.sh`.
set -euo pipefail

SCRIPT_DIR="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)"
OUTPUT_DIR="${OUTPUT_DIR:-$SCRIPT_DIR/output/by-hand}"
mkdir -p "$OUTPUT_DIR/tensorboard" "$OUTPUT_DIR/checkpoint"

exec "${PYTHON:-python3}" -m torch.distributed.run \
  --nnodes="${NNODES:-1}" \
  --nproc-per-node="${NPROC_PER_NODE:-1}" \
  --node-rank="${NODE_RANK:-0}" \
  --master-addr="${MASTER_ADDR:-127.0.0.1}" \
  --master-port="${MASTER_PORT:-29500}" \
  "$SCRIPT_DIR/train.py" \
  --lr "${lr:-0.05}" \
  --steps "${steps:-200}" \
  --optimizer "${optimizer:-sgd}" \
  --output-dir "$OUTPUT_DIR"
