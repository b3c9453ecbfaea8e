#!/usr/bin/env bash
# Trains the three desk models from scratch and writes them with their scores into models/.
# Usage: models/recipe/train.sh [WORK_FOLDER]; runs go on from their checkpoints when it is started again.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=${1:-target/desk-models}
mkdir -p "$work"
if [ ! -x "$work/venv/bin/python" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet -r models/recipe/requirements.txt
fi
python=$work/venv/bin/python
tickets() { cargo run --quiet --release -p freehold --no-default-features --example tickets -- "$@"; }
if [ ! -f "$work/data/tune.npz" ]; then
    tickets train 1 0 60000 >"$work/train.jsonl"
    tickets tune 2 0 2000 >"$work/tune.jsonl"
    tickets tune 3 0 300 >"$work/held-out.jsonl"
    "$python" models/recipe/prepare.py "$work/train.jsonl" "$work/tune.jsonl" "$work/data"
fi
# One thread for each run: the three then share the cores better than the products of one run do.
export XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
export JAX_COMPILATION_CACHE_DIR=$work/compiled
runs=()
for name in s m l; do
    # The two larger ones go on after their learning rate has fallen once: a second leg from the checkpoint of the first.
    (nice -n 3 "$python" models/recipe/train.py "$name" "$work/data" "$work/run-$name" &&
        nice -n 3 "$python" models/recipe/train.py "$name" "$work/data" "$work/run-$name" last) &
    runs+=("$!")
done
for run in "${runs[@]}"; do wait "$run"; done
for name in s m l; do
    file=models/freehold-desk-$name.gguf
    "$python" models/recipe/export.py "$name" "$work/data" "$work/run-$name" "$file"
    "$python" models/recipe/verify.py "$name" "$work/data" "$work/run-$name" "$file" "$work/held-out.jsonl"
done
"$python" models/recipe/catalogue.py "$work" models
cargo build --release --workspace
"$python" models/recipe/held_out.py "$work/held-out.jsonl" models target/release/freehold
