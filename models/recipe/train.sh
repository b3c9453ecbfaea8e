#!/usr/bin/env bash
# Trains the three desk models from scratch and writes them with their scores into models/.
# Usage: models/recipe/train.sh [WORK_FOLDER [MODELS_FOLDER]]; runs go on from their checkpoints when it is started again.
# STEPS=40 is a rehearsal: so many steps each, few tickets, files into WORK_FOLDER/models. FREEHOLD names a binary with
# llama.cpp that is already built, for the scores.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${1:-target/desk-models}
if [ -n "${STEPS:-}" ]; then
    # Eight bits move the logits of a network that has hardly been trained by more than verify.py lets pass.
    models=${2:-$work/models} profile=dev tickets=3000 held_out=12 weights=f16
else
    models=${2:-models} profile=release tickets=60000 held_out=300 weights=q8_0
fi
mkdir -p "$work" "$models"
if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet -r models/recipe/requirements.txt
fi
python=$work/venv/bin/python
tickets() { cargo run --quiet --profile "$profile" -p freehold --no-default-features --example tickets -- "$@"; }
if [ ! -f "$work/data/tune.npz" ]; then
    tickets train 1 0 "$tickets" >"$work/train.jsonl"
    tickets tune 2 0 2000 >"$work/tune.jsonl"
    tickets tune 3 0 "$held_out" >"$work/held-out.jsonl"
    "$python" models/recipe/prepare.py "$work/train.jsonl" "$work/tune.jsonl" "$work/data"
fi
# One thread for each run: the three then share the cores better than the products of one run do.
export XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
export JAX_COMPILATION_CACHE_DIR=$work/compiled
runs=()
for name in s m l; do
    nice -n 3 "$python" models/recipe/train.py "$name" "$work/data" "$work/run-$name" ${STEPS:+"$STEPS"} &
    runs+=("$!")
done
for run in "${runs[@]}"; do wait "$run"; done
for name in s m l; do
    file=$models/freehold-desk-$name.gguf
    "$python" models/recipe/export.py "$name" "$work/data" "$work/run-$name" "$file" "$weights"
    "$python" models/recipe/verify.py "$name" "$work/data" "$work/run-$name" "$file" "$work/held-out.jsonl"
done
"$python" models/recipe/catalogue.py "$work" "$models"
if [ -z "${FREEHOLD:-}" ]; then
    cargo build --release --workspace
    FREEHOLD=target/release/freehold
fi
"$python" models/recipe/held_out.py "$work/held-out.jsonl" "$models" "$FREEHOLD"
