#!/bin/bash
# A run on a rented machine that shuts itself down: when the run has ended or failed, HOURS after it began, or when a
# spot machine is taken back or this script is sent SIGTERM, as in a container that has to go. In each case the run saves
# itself and is copied to REMOTE; the same command on a new machine goes on from there. Exits as the run does.
#
#   nohup profiles/ec2.sh s3:BUCKET/lab params/gpu.yaml 12 > run.log 2>&1 &
#
# METADATA and OFF stand for EC2's metadata service and the command that shuts down, for rehearsals.
set -u -m  # -m: what runs in the background can still be interrupted
[ $# = 3 ] || { echo "usage: profiles/ec2.sh REMOTE PARAMS HOURS, such as s3:BUCKET/lab params/gpu.yaml 12"; exit 2; }
cd "$(dirname "$0")/.." || exit 2
remote=$1 params=$2 hours=$3 outputs=${TRAJNB_OUTPUTS:-outputs}
run=$(sed -n 's/^run_name: *\([A-Za-z0-9._-]*\).*/\1/p' "$params")
[ -n "$run" ] || { echo "$params names no run: write a line run_name: NAME."; exit 2; }
metadata=${METADATA:-http://169.254.169.254}/latest off=${OFF:-sudo shutdown -h}

# Whether EC2 has said that it takes this machine back; it says so two minutes before.
taken() {
  token=$(curl -sf -m 2 -X PUT -H "X-aws-ec2-metadata-token-ttl-seconds: 60" "$metadata/api/token") &&
    curl -sf -m 2 -o /dev/null -H "X-aws-ec2-metadata-token: $token" "$metadata/meta-data/spot/instance-action"
}

$off +$((60 * hours + 30))  # should this script itself be killed
stopped= code=2
trap 'stopped=yes' TERM
begun=$outputs/$run/begun.txt this="$(git rev-parse HEAD 2>/dev/null) $(sha256sum < "$params")"
make pull REMOTE="$remote" RUN="$run" || echo "nothing, or not all, was fetched: the run goes on from what is here"
if [ -f "$begun" ] && [ "$(cat "$begun")" != "$this" ]; then
  echo "$remote/$run was begun with another commit or other parameters: take those, or another run_name."
else
  mkdir -p "$outputs/$run" && echo "$this" > "$begun"
  # A step without its notebook has not ended: it goes on from its checkpoints, and none of its results count.
  for job in "$outputs/$run"/*/job.txt; do
    [ -f "${job%job.txt}notebook.ipynb" ] || rm -f "${job%job.txt}"*.{csv,parquet,safetensors}
  done
  make run PARAMS="$params" REMOTE="$remote" &
  while sleep 5 && kill -0 $! 2> /dev/null; do
    if [ $stopped ] || taken || [ $SECONDS -ge $((3600 * hours)) ]; then
      echo "$(date -u +%T) the machine is taken back, stopped, or its $hours hours are over: the run is stopped and saved"
      kill -TERM $!
      break
    fi
  done
  wait $!
  code=$?
fi
echo "$(date -u +%T) ended; shutting down in five minutes"
$off +5
exit $code
