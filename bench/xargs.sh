#!/usr/bin/env bash
# What somebody would type without mstone: a worktree for each, an agent in it, its commit merged, one at a time.
# `xargs.sh <root> <jobs> <milestones> <agent>`; nothing is journalled, reviewed or resumed.
set -eu
root=$1 jobs=$2 count=$3
export root agent=$4
one() {
  folder=$root/../xargs-$1
  flock "$root/../lane" git -C "$root" worktree add -q --detach "$folder" main
  cd "$folder"
  bash -euo pipefail -c "${agent//%/$1}"
  git add -A
  git commit -q -m "Work $1"
  work=$(git rev-parse HEAD)
  flock "$root/../lane" git -C "$root" merge -q --no-ff -m "Land $1" "$work"
  flock "$root/../lane" git -C "$root" worktree remove --force "$folder"
}
export -f one
seq 0 $((count - 1)) | xargs -P "$jobs" -I % bash -euc 'one %'
