#!/bin/sh
# Slurm's Debian packages, where they are missing and can be had without a question. Never fails: without them the tests
# are skipped, and say so.
PATH="$PATH:/usr/sbin:/sbin"
lacking=""
for program in slurmctld slurmd munged sbatch srun; do
    command -v "$program" >/dev/null || lacking="$lacking $program"
done
[ -z "$lacking" ] && exit 0
echo "test-slurm: this machine lacks$lacking"
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    export DEBIAN_FRONTEND=noninteractive
    packages="slurmctld slurmd slurm-client munge"
    { timeout 120 apt-get update -qq && timeout 300 apt-get install -y -qq --no-install-recommends $packages; } </dev/null >/dev/null 2>&1 \
        && echo "test-slurm: installed $packages" && exit 0
    echo "test-slurm: apt-get could not install $packages"
fi
echo "test-slurm: SKIPPED, NOTHING IS TESTED ON SLURM (CONTRIBUTING.md says how to install it)"
